#include "check/compare.h"

#include "base/memory.h"
#include "check/fetch.h"

#include <stdlib.h>

void compare_init(struct compare *compare, struct events *events, int64_t since_us,
                  const char *not_sender)
{
    *compare = (struct compare){
        .events = events,
        .since_us = since_us,
        .not_sender = not_sender,
        .first_accepted = xcalloc((size_t)events->partitions + 1, sizeof(int64_t)),
    };
}

void compare_free(struct compare *compare)
{
    table_free(&compare->values);
    table_free(&compare->slots);
    free(compare->first_accepted);
}

static void note(struct examples *examples, size_t event, uint32_t name)
{
    if (examples->count < EXAMPLES) {
        examples->event[examples->count] = event;
        examples->name[examples->count] = name;
    }
    examples->count++;
}

/* One line of the ledger, taken apart. */
struct row {
    int64_t accepted_us;
    struct slice sender;
    struct label *thing; /* NULL: no event goes to that Thing */
    struct slice name;
    int64_t time_ms;
    struct scan_value value;
};

static bool read_row(struct compare *compare, struct slice line, struct row *row)
{
    int64_t number;
    if (!fetch_number(fetch_field(&line), &number) ||
        !fetch_number(fetch_field(&line), &row->accepted_us))
        return false;
    row->sender = fetch_unescape(fetch_field(&line));
    row->thing = labels_get(&compare->events->things, fetch_unescape(fetch_field(&line)), false);
    row->name = fetch_unescape(fetch_field(&line));
    if (!fetch_number(fetch_field(&line), &row->time_ms))
        return false;
    struct scan s = scan_start(fetch_unescape(line));
    return scan_any(&s, &row->value) && scan_end(&s);
}

static uint64_t moment(const struct label *thing, int64_t time_ms)
{
    return table_mix(thing->hash, (uint64_t)time_ms);
}

/* An acceptance of a seq: counted, and looked at for order and repetition. */
static void take_seq(struct compare *compare, const struct row *row, struct table_entry *entry,
                     int64_t seq)
{
    size_t index = entry->a - 1;
    struct event *event = &compare->events->events[index];
    if (++entry->b > event->same)
        note(&compare->duplicates, index, UINT32_MAX);
    if (entry->b > 1)
        return;
    event->seen = true;
    event->accepted_ms = row->time_ms;
    if (seq < row->thing->highest_seq)
        note(&compare->out_of_order, index, UINT32_MAX);
    else
        row->thing->highest_seq = seq;
}

static void note_first(struct compare *compare, const struct row *row, int32_t partition)
{
    if (partition < 0 || row->accepted_us < compare->since_us)
        return;
    if (compare->not_sender != NULL && slice_equal(row->sender, slice_from(compare->not_sender)))
        return;
    int64_t *first = &compare->first_accepted[partition];
    if (*first == 0 || row->accepted_us < *first)
        *first = row->accepted_us;
}

static void count_value(struct compare *compare, const struct row *row, const struct label *name)
{
    uint64_t when = moment(row->thing, row->time_ms);
    uint64_t value = events_value_hash(&compare->events->scratch, name, &row->value);
    table_put(&compare->values, table_mix(when, value))->a++;
    table_put(&compare->slots, table_mix(when, name->hash))->a++;
}

bool compare_take(void *context, struct slice line, struct error *err)
{
    struct compare *compare = context;
    struct events *events = compare->events;
    struct row row;
    int64_t seq;
    compare->rows++;
    if (!read_row(compare, line, &row))
        return error_set(err, "line %llu of the ledger cannot be read",
                         (unsigned long long)compare->rows);
    const struct label *name = labels_get(&events->names, row.name, false);
    if (row.thing != NULL && slice_equal(row.name, SLICE_LITERAL("seq")) &&
        events_integer(&row.value, &seq)) {
        struct table_entry *entry = table_find(&events->by_seq, events_seq_key(row.thing, seq));
        if (entry != NULL) {
            take_seq(compare, &row, entry, seq);
            note_first(compare, &row, events->events[entry->a - 1].partition);
        }
    } else if (row.thing != NULL) {
        note_first(compare, &row, row.thing->partition);
    }
    if (!events_compares(events, row.name))
        return true;
    if (row.thing == NULL || name == NULL)
        compare->foreign++;
    else
        count_value(compare, &row, name);
    return true;
}

/* The hub's own time is what a node sends; an event that carries its own is found by the time
 * that came with its seq. */
static uint64_t moment_of(const struct compare *compare, const struct event *event)
{
    const struct events *events = compare->events;
    const struct label *thing = events->things.by_id[event->thing];
    uint64_t enqueued = moment(thing, event->enqueued_ms);
    if (!event->seen || event->accepted_ms == event->enqueued_ms)
        return enqueued;
    for (uint32_t i = 0; i < event->n_members; i++) {
        const struct member *member = &events->members[event->first_member + i];
        if (strcmp(events->names.by_id[member->name]->text, "seq") == 0 &&
            table_find(&compare->values, table_mix(enqueued, member->value)) != NULL)
            return enqueued;
    }
    return moment(thing, event->accepted_ms);
}

/* Claims the acceptances that carry exactly what the event said. */
static void claim_exact(struct compare *compare, const struct event *event)
{
    struct events *events = compare->events;
    uint64_t when = moment_of(compare, event);
    for (uint32_t i = 0; i < event->n_members; i++) {
        struct member *member = &events->members[event->first_member + i];
        struct table_entry *value = table_find(&compare->values, table_mix(when, member->value));
        if (value == NULL || value->b >= value->a)
            continue;
        const struct label *name = events->names.by_id[member->name];
        struct table_entry *slot = table_find(&compare->slots, table_mix(when, name->hash));
        if (value->b++ == 0 && slot != NULL)
            slot->b += value->a;
        member->found = true;
    }
}

/* An acceptance at the place of a missing member that no event explains: the member, altered. */
static bool claim_altered(struct compare *compare, uint64_t when, const struct member *member)
{
    const struct label *name = compare->events->names.by_id[member->name];
    struct table_entry *slot = table_find(&compare->slots, table_mix(when, name->hash));
    if (slot == NULL || slot->b >= slot->a)
        return false;
    slot->b++;
    return true;
}

static void judge(struct compare *compare, size_t index)
{
    struct event *event = &compare->events->events[index];
    uint64_t when = moment_of(compare, event);
    uint32_t missing = UINT32_MAX;
    uint32_t altered = UINT32_MAX;
    bool required = false;
    for (uint32_t i = 0; i < event->n_members; i++) {
        const struct member *member = &compare->events->members[event->first_member + i];
        required = required || !member->optional;
        if (member->found)
            continue;
        bool other = claim_altered(compare, when, member);
        if (other && !member->optional)
            altered = member->name;
        else if (!member->optional)
            missing = member->name;
    }
    if (altered != UINT32_MAX)
        note(&compare->altered, index, altered);
    else if (event->readable && !required)
        compare->unchecked++;
    else if (event->readable && missing == UINT32_MAX)
        compare->delivered++;
    else if (event->excepted)
        compare->excepted++;
    else
        note(&compare->lost, index, missing);
}

/* Events without a seq: acceptances of the first member beyond those that were claimed. */
static void count_repeated(struct compare *compare, size_t index)
{
    const struct event *event = &compare->events->events[index];
    if (event->has_seq || event->n_members == 0)
        return;
    const struct member *member = &compare->events->members[event->first_member];
    struct table_entry *value =
        table_find(&compare->values, table_mix(moment_of(compare, event), member->value));
    while (value != NULL && value->b > 0 && value->b < value->a) {
        value->b++;
        note(&compare->duplicates, index, member->name);
    }
}

void compare_finish(struct compare *compare)
{
    size_t n = compare->events->n;
    for (size_t i = 0; i < n; i++)
        claim_exact(compare, &compare->events->events[i]);
    for (size_t i = 0; i < n; i++)
        judge(compare, i);
    for (size_t i = 0; i < n; i++)
        count_repeated(compare, i);
    for (size_t i = 0; i < compare->slots.capacity; i++)
        compare->foreign += compare->slots.entries[i].a - compare->slots.entries[i].b;
}
