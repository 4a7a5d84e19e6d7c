#include "core/presence.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

void presence_init(struct presence *p, int64_t time_ms)
{
    *p = (struct presence){.time_ms = time_ms, .caught_up = true};
}

static void forget(struct presence *p, struct presence_entry *entry)
{
    if (entry->listed)
        DL_DELETE(p->pending, entry);
    HASH_DEL(p->by_thing, entry);
    p->count--;
    free(entry);
}

void presence_free(struct presence *p)
{
    struct presence_entry *entry, *next;
    HASH_ITER(hh, p->by_thing, entry, next)
    {
        forget(p, entry);
    }
    due_heap_free(&p->due);
}

/* ---- the partition's time ----------------------------------------------------------------- */

static bool is_timed(const struct presence_entry *entry)
{
    return entry->state == PRESENCE_LOADED || entry->state == PRESENCE_HEARD;
}

static void set_due(struct presence *p, struct presence_entry *entry)
{
    entry->due.at_us = entry->last_ms + entry->silence_ms;
    due_add(&p->due, &entry->due);
}

/* The first event of all: what was loaded before it counts as heard of with it. */
static void begin_time(struct presence *p, int64_t enqueued_ms)
{
    struct presence_entry *entry, *next;
    p->time_ms = enqueued_ms;
    HASH_ITER(hh, p->by_thing, entry, next)
    {
        if (!is_timed(entry))
            continue;
        due_remove(&p->due, &entry->due);
        entry->last_ms = enqueued_ms;
        set_due(p, entry);
    }
}

void presence_read(struct presence *p, int64_t enqueued_ms, bool caught_up)
{
    if (p->time_ms == PRESENCE_NO_TIME)
        begin_time(p, enqueued_ms);
    else if (enqueued_ms > p->time_ms)
        p->time_ms = enqueued_ms;
    p->caught_up = caught_up;
}

void presence_listen(struct presence *p, bool listening, int64_t now_us)
{
    if (!listening || !p->caught_up || p->time_ms == PRESENCE_NO_TIME) {
        p->listened_us = 0;
        return;
    }
    if (p->listened_us != 0) {
        int64_t us = p->rest_us + now_us - p->listened_us;
        p->time_ms += us / MS_US;
        p->rest_us = us % MS_US;
    }
    p->listened_us = now_us;
}

/* ---- entries ------------------------------------------------------------------------------ */

static void want(struct presence *p, struct presence_entry *entry, bool wanted)
{
    entry->wanted = wanted;
    entry->epoch = p->epoch;
    if (entry->listed || entry->wanted == entry->stored)
        return;
    entry->listed = true;
    DL_APPEND(p->pending, entry);
}

static struct slice copy(char **to, struct slice from)
{
    struct slice own = {*to, from.n};
    if (from.n > 0)
        memcpy(*to, from.p, from.n);
    *to += from.n;
    return own;
}

static struct presence_entry *make(struct presence *p, const struct lane_key *thing,
                                   const struct presence_source *from)
{
    struct presence_entry *entry =
        xcalloc(1, sizeof *entry + thing->thing.n + from->device.n + from->module.n + 1);
    char *to = (char *)(entry + 1);
    entry->thing = copy(&to, thing->thing);
    entry->device = copy(&to, from->device);
    entry->module = copy(&to, from->module);
    entry->last_ms = p->time_ms != PRESENCE_NO_TIME ? p->time_ms : 0;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, p->by_thing, entry->thing.p, entry->thing.n,
                                (unsigned)thing->hash, entry);
    p->count++;
    return entry;
}

struct presence_entry *presence_find(struct presence *p, const struct lane_key *thing)
{
    struct presence_entry *entry;
    HASH_FIND_BYHASHVALUE(hh, p->by_thing, thing->thing.p, thing->thing.n, (unsigned)thing->hash,
                          entry);
    return entry;
}

struct presence_entry *presence_heard(struct presence *p, const struct lane_key *thing,
                                      const struct presence_source *from, int64_t enqueued_ms,
                                      int64_t silence_ms)
{
    struct presence_entry *entry = presence_find(p, thing);
    if (entry != NULL && is_timed(entry)) {
        if (enqueued_ms > entry->last_ms)
            entry->last_ms = enqueued_ms; /* when its time comes, it is seen that it has more */
        return entry;
    }
    if (entry == NULL)
        entry = make(p, thing, from);
    entry->state = PRESENCE_LOADED;
    entry->last_ms = enqueued_ms;
    entry->silence_ms = silence_ms;
    set_due(p, entry);
    want(p, entry, true);
    return entry;
}

bool presence_tell(struct presence_entry *entry, uint64_t property)
{
    if (entry->state == PRESENCE_HEARD && entry->property == property)
        return false;
    entry->state = PRESENCE_HEARD;
    entry->property = property;
    return true;
}

void presence_load(struct presence *p, const struct lane_key *thing,
                   const struct presence_source *from, int64_t silence_ms)
{
    struct presence_entry *entry = presence_find(p, thing);
    if (entry == NULL) {
        entry = make(p, thing, from);
        entry->state = PRESENCE_LOADED;
        entry->silence_ms = silence_ms;
        set_due(p, entry);
        entry->wanted = true;
    }
    entry->stored = true;
}

struct presence_entry *presence_silent(struct presence *p)
{
    struct due *due;
    while (p->time_ms != PRESENCE_NO_TIME && (due = due_first(&p->due)) != NULL &&
           due->at_us <= p->time_ms) {
        struct presence_entry *entry =
            (struct presence_entry *)(void *)((char *)due - offsetof(struct presence_entry, due));
        due_remove(&p->due, due);
        if (entry->last_ms + entry->silence_ms <= p->time_ms) {
            entry->state = PRESENCE_TELLING;
            entry->round++;
            return entry;
        }
        set_due(p, entry);
    }
    return NULL;
}

void presence_told(struct presence *p, const struct lane_key *thing, uint64_t round)
{
    struct presence_entry *entry = presence_find(p, thing);
    if (entry == NULL || entry->state != PRESENCE_TELLING || entry->round != round)
        return;
    entry->state = PRESENCE_SILENT;
    want(p, entry, false);
    if (!entry->stored && !entry->sending)
        forget(p, entry);
}

void presence_doubt(struct presence *p)
{
    struct presence_entry *entry, *next;
    HASH_ITER(hh, p->by_thing, entry, next)
    {
        if (entry->state == PRESENCE_HEARD)
            entry->state = PRESENCE_LOADED;
        if (entry->state != PRESENCE_TELLING)
            continue;
        entry->state = PRESENCE_LOADED;
        entry->last_ms = p->time_ms;
        set_due(p, entry);
    }
}

void presence_drop(struct presence *p, struct presence_entry *entry)
{
    if (is_timed(entry))
        due_remove(&p->due, &entry->due);
    entry->state = PRESENCE_SILENT;
    want(p, entry, false);
    if (!entry->stored && !entry->sending)
        forget(p, entry);
}

void presence_allow(struct presence *p, struct presence_entry *entry, int64_t silence_ms,
                    uint64_t property)
{
    if (entry->state == PRESENCE_HEARD && entry->property != property)
        entry->state = PRESENCE_LOADED;
    if (!is_timed(entry) || entry->silence_ms == silence_ms)
        return;
    due_remove(&p->due, &entry->due);
    entry->silence_ms = silence_ms;
    set_due(p, entry);
}

/* ---- rows --------------------------------------------------------------------------------- */

void presence_unsaved(struct presence *p)
{
    struct presence_entry *entry, *next;
    HASH_ITER(hh, p->by_thing, entry, next)
    {
        entry->sending = false;
        if (!entry->wanted)
            continue;
        entry->stored = false;
        want(p, entry, true);
    }
}

static void unlist(struct presence *p, struct presence_entry *entry)
{
    entry->listed = false;
    DL_DELETE(p->pending, entry);
}

bool presence_has_unsaved(const struct presence *p, uint64_t epoch)
{
    const struct presence_entry *entry;
    DL_FOREACH(p->pending, entry)
    {
        if (entry->wanted && !entry->stored && entry->epoch <= epoch)
            return true;
    }
    return false;
}

struct presence_entry *presence_next_unsaved(struct presence *p, uint64_t epoch)
{
    struct presence_entry *entry, *next;
    DL_FOREACH_SAFE(p->pending, entry, next)
    {
        if (entry->sending || entry->epoch > epoch)
            continue;
        if (entry->wanted == entry->stored) {
            unlist(p, entry); /* it has changed its mind */
            continue;
        }
        entry->sending = true;
        return entry;
    }
    return NULL;
}

void presence_saved(struct presence *p, struct presence_entry *entry, bool present, bool ok)
{
    entry->sending = false;
    if (ok)
        entry->stored = present;
    if (entry->wanted == entry->stored && entry->listed)
        unlist(p, entry);
    if (entry->state == PRESENCE_SILENT && !entry->wanted && !entry->stored)
        forget(p, entry);
}
