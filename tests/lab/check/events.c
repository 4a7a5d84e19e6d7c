#include "check/events.h"

#include "base/memory.h"
#include "check/fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_CEILING = 64 * 1024 * 1024 };

void events_init(struct events *events, const char *template, const char *only)
{
    *events = (struct events){.template = template, .only = only};
    buffer_init(&events->scratch, TEXT_CEILING);
}

static void free_labels(struct labels *labels)
{
    HASH_CLEAR(hh, labels->by_text);
    for (uint32_t i = 0; i < labels->n; i++) {
        free(labels->by_id[i]->text);
        free(labels->by_id[i]);
    }
    free(labels->by_id);
}

void events_free(struct events *events)
{
    free_labels(&events->devices);
    free_labels(&events->things);
    free_labels(&events->names);
    free(events->events);
    free(events->members);
    table_free(&events->by_seq);
    buffer_free(&events->scratch);
}

struct label *labels_get(struct labels *labels, struct slice text, bool add)
{
    struct label *label;
    HASH_FIND(hh, labels->by_text, text.p, text.n, label);
    if (label != NULL || !add)
        return label;
    if (labels->n == labels->capacity) {
        labels->capacity = labels->capacity ? labels->capacity * 2 : 64;
        labels->by_id = xrealloc(labels->by_id, labels->capacity * sizeof(struct label *));
    }
    label = xcalloc(1, sizeof *label);
    label->text = xstrndup(text.p, text.n);
    label->hash = table_hash(text);
    label->id = labels->n;
    label->highest_seq = INT64_MIN;
    label->partition = -1;
    labels->by_id[labels->n++] = label;
    HASH_ADD_KEYPTR(hh, labels->by_text, label->text, text.n, label);
    return label;
}

bool events_compares(const struct events *events, struct slice name)
{
    if (events->only == NULL)
        return true;
    for (const char *p = events->only; *p != '\0';) {
        size_t n = strcspn(p, ",");
        if (slice_equal((struct slice){p, n}, name))
            return true;
        p += p[n] == ',' ? n + 1 : n;
    }
    return false;
}

uint64_t events_value_hash(struct buffer *scratch, const struct label *name,
                           const struct scan_value *value)
{
    struct slice text = value->text;
    if (value->kind == SCAN_STRING) {
        buffer_clear(scratch);
        (void)scan_decode(value, scratch);
        text = buffer_slice(scratch);
    }
    return table_mix(name->hash, table_hash(text) + (value->kind == SCAN_STRING ? 1 : 0));
}

uint64_t events_seq_key(const struct label *thing, int64_t seq)
{
    return table_mix(thing->hash, (uint64_t)seq);
}

bool events_integer(const struct scan_value *value, int64_t *number)
{
    return value->kind == SCAN_NUMBER && fetch_number(value->text, number);
}

/* The name of the Thing that the device (or module) writes to. */
static struct label *find_thing(struct events *events, struct slice device, struct slice module)
{
    struct buffer *out = &events->scratch;
    buffer_clear(out);
    for (const char *p = events->template; *p != '\0';) {
        if (strncmp(p, "{device}", 8) == 0) {
            (void)buffer_append_slice(out, device);
            p += 8;
        } else if (strncmp(p, "{module}", 8) == 0) {
            (void)buffer_append_slice(out, module);
            p += 8;
        } else {
            (void)buffer_append(out, p++, 1);
        }
    }
    return labels_get(&events->things, buffer_slice(out), true);
}

static struct event *new_event(struct events *events)
{
    if (events->n == events->capacity) {
        events->capacity = events->capacity ? events->capacity * 2 : 4096;
        events->events = xrealloc(events->events, events->capacity * sizeof(struct event));
    }
    struct event *event = &events->events[events->n++];
    *event = (struct event){.first_member = (uint32_t)events->n_members, .same = 1};
    return event;
}

static struct member *new_member(struct events *events, struct event *event)
{
    if (events->n_members == events->members_capacity) {
        events->members_capacity = events->members_capacity ? events->members_capacity * 2 : 16384;
        events->members =
            xrealloc(events->members, events->members_capacity * sizeof(struct member));
    }
    event->n_members++;
    return &events->members[events->n_members++];
}

static void take_member(struct events *events, struct event *event, const struct scan_value *key,
                        const struct scan_value *value)
{
    buffer_clear(&events->scratch);
    (void)scan_decode(key, &events->scratch);
    struct label *name = labels_get(&events->names, buffer_slice(&events->scratch), true);
    if (strcmp(name->text, "seq") == 0 && events_integer(value, &event->seq))
        event->has_seq = true;
    if (!events_compares(events, slice_from(name->text)))
        return;
    struct member *member = new_member(events, event);
    *member = (struct member){
        .value = events_value_hash(&events->scratch, name, value),
        .name = name->id,
        .optional =
            value->kind == SCAN_NULL || value->kind == SCAN_OBJECT || value->kind == SCAN_ARRAY,
    };
}

static bool take_body(struct events *events, struct event *event, struct slice body)
{
    struct scan s = scan_start(body);
    struct scan_value key;
    struct scan_value value;
    bool first = true;
    if (!scan_enter(&s, '{'))
        return false;
    while (scan_member(&s, &first, &key) && scan_any(&s, &value))
        take_member(events, event, &key, &value);
    return scan_end(&s);
}

/* A body that breaks off is as good as none. */
static void forget_members(struct events *events, struct event *event)
{
    events->n_members = event->first_member;
    event->n_members = 0;
    event->has_seq = false;
}

static void index_seq(struct events *events, struct event *event, const struct label *thing)
{
    struct table_entry *entry = table_put(&events->by_seq, events_seq_key(thing, event->seq));
    if (entry->a == 0)
        entry->a = (uint32_t)events->n;
    else
        events->events[entry->a - 1].same++;
}

bool events_take(void *context, struct slice line, struct error *err)
{
    struct events *events = context;
    int64_t partition;
    int64_t sequence;
    int64_t enqueued_ms;
    bool ok = fetch_number(fetch_field(&line), &partition) && partition >= 0 &&
              partition <= UINT16_MAX && fetch_number(fetch_field(&line), &sequence);
    (void)fetch_field(&line);
    if (!ok || !fetch_number(fetch_field(&line), &enqueued_ms))
        return error_set(err, "line %zu of the hub's log cannot be read", events->n + 1);
    struct slice device = fetch_unescape(fetch_field(&line));
    struct slice module = fetch_unescape(fetch_field(&line));
    struct slice body = fetch_unescape(line);
    struct label *thing = find_thing(events, device, module);
    struct event *event = new_event(events);
    event->partition = (int32_t)partition;
    event->sequence = sequence;
    event->enqueued_ms = enqueued_ms;
    event->device = labels_get(&events->devices, device, true)->id;
    event->thing = thing->id;
    thing->partition = event->partition;
    event->readable = take_body(events, event, body);
    if (!event->readable)
        forget_members(events, event);
    if (event->has_seq)
        index_seq(events, event, thing);
    if (event->partition >= events->partitions)
        events->partitions = event->partition + 1;
    return true;
}

static uint64_t except_key(const char *device, const char *mark)
{
    return table_mix(table_hash(slice_from(device)), table_hash(slice_from(mark)));
}

static bool read_exceptions(FILE *file, struct table *listed, const char *path, struct error *err)
{
    char *line = NULL;
    size_t capacity = 0;
    bool ok = true;
    while (ok && getline(&line, &capacity, file) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        char *tab = strchr(line, '\t');
        if (line[0] == '\0')
            continue;
        ok = tab != NULL && tab[1] != '\0' && strchr(tab + 1, '\t') == NULL;
        if (!ok) {
            (void)error_set(err, "%s: a line is not \"device TAB seq\": %.80s", path, line);
            break;
        }
        *tab = '\0';
        (void)table_put(listed, except_key(line, tab + 1));
    }
    free(line);
    return ok;
}

bool events_except(struct events *events, const char *path, struct error *err)
{
    struct table listed = {.entries = NULL};
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(err, "cannot open %s", path);
    bool ok = read_exceptions(file, &listed, path, err);
    (void)fclose(file);
    for (size_t i = 0; ok && i < events->n; i++) {
        struct event *event = &events->events[i];
        const char *device = events->devices.by_id[event->device]->text;
        char mark[64];
        (void)snprintf(mark, sizeof mark, "#%" PRId32 ":%" PRId64, event->partition,
                       event->sequence);
        event->excepted = table_find(&listed, except_key(device, mark)) != NULL;
        (void)snprintf(mark, sizeof mark, "%" PRId64, event->seq);
        if (event->has_seq && table_find(&listed, except_key(device, mark)) != NULL)
            event->excepted = true;
    }
    table_free(&listed);
    return ok;
}
