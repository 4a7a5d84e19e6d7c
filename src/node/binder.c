#include "node/binder.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "node/flow.h"
#include "node/membership.h"
#include "node/parts.h"
#include "store/bindings.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

enum {
    BATCH_MAX = 1000,
    RETRY_MS = 500,
    KEY_MAX = 1024,
    CACHE_MAX = 1000000 /* devices; a peer can make up names without end */
};

struct binding {
    UT_hash_handle hh;
    struct binding *ask_next, *ask_prev; /* in the list of those to ask for */
    bool listed, asked;
    uint64_t version; /* of the bindings when it was resolved */
    enum binding_state state;
    struct lane_key thing; /* BOUND: own copy of the name */
    struct waiting_event *waiting;
    char *fleet; /* points into key */
    struct slice device, module;
    size_t key_n;
    char key[]; /* fleet NUL device NUL module */
};

struct binder {
    struct node_parts *node;
    struct binding *all, *ask;
    uint64_t version;
    size_t cached, waiting;
    bool asking;
    int64_t ask_at_us;
};

/* One batch on its way. */
struct batch {
    struct binder *binder;
    uint64_t version;
    char *fleet;
    size_t count;
    struct binding *asked[];
};

struct binder *binder_create(struct node_parts *node)
{
    struct binder *b = xcalloc(1, sizeof *b);
    b->node = node;
    return b;
}

static void forget_waiting(struct binder *b, struct binding *entry)
{
    struct waiting_event *event, *next;
    DL_FOREACH_SAFE(entry->waiting, event, next)
    {
        DL_DELETE(entry->waiting, event);
        b->waiting--;
        free(event);
    }
}

static void entry_free(struct binder *b, struct binding *entry)
{
    HASH_DEL(b->all, entry);
    b->cached--;
    free((void *)(uintptr_t)entry->thing.thing.p);
    free(entry);
}

void binder_free(struct binder *b)
{
    if (b == NULL)
        return;
    struct binding *entry, *next;
    HASH_ITER(hh, b->all, entry, next)
    {
        forget_waiting(b, entry);
        entry_free(b, entry);
    }
    free(b);
}

/* ---- the cache ---------------------------------------------------------------------------- */

static size_t write_key(char *to, const char *fleet, struct slice device, struct slice module)
{
    size_t fleet_n = strlen(fleet);
    if (fleet_n + device.n + module.n + 3 > KEY_MAX)
        return 0;
    memcpy(to, fleet, fleet_n + 1);
    memcpy(to + fleet_n + 1, device.p, device.n);
    to[fleet_n + 1 + device.n] = '\0';
    if (module.n > 0)
        memcpy(to + fleet_n + device.n + 2, module.p, module.n);
    return fleet_n + device.n + module.n + 2;
}

/* Makes room by forgetting the oldest entry that nothing waits for; it is asked for again. */
static void make_room(struct binder *b)
{
    struct binding *entry, *next;
    if (b->cached < CACHE_MAX)
        return;
    HASH_ITER(hh, b->all, entry, next)
    {
        if (entry->waiting == NULL && !entry->listed && !entry->asked) {
            entry_free(b, entry);
            return;
        }
    }
}

static struct binding *create(struct binder *b, const char *key, size_t key_n, size_t fleet_n,
                              size_t device_n)
{
    make_room(b);
    struct binding *entry = xcalloc(1, sizeof *entry + key_n + 1);
    memcpy(entry->key, key, key_n);
    entry->key_n = key_n;
    entry->fleet = entry->key;
    entry->device = (struct slice){entry->key + fleet_n + 1, device_n};
    size_t before = fleet_n + device_n + 2;
    entry->module = (struct slice){entry->key + before, key_n - before};
    entry->state = BINDING_PENDING;
    HASH_ADD_KEYPTR(hh, b->all, entry->key, key_n, entry);
    b->cached++;
    return entry;
}

static void ask_for(struct binder *b, struct binding *entry)
{
    if (entry->listed || entry->asked)
        return;
    entry->listed = true;
    DL_APPEND2(b->ask, entry, ask_prev, ask_next);
}

/* What was known before the bindings changed is good enough while the database cannot be asked:
 * losing it must not stop telemetry of devices that were resolved once. */
static bool is_usable(const struct binder *b, const struct binding *entry)
{
    if (entry->state == BINDING_PENDING)
        return false;
    return entry->version == b->version ||
           (entry->state == BINDING_BOUND && membership_work(b->node->membership) == NULL);
}

enum binding_state binder_find(struct binder *b, const char *fleet, struct slice device,
                               struct slice module, const struct lane_key **key)
{
    char text[KEY_MAX];
    size_t n = write_key(text, fleet, device, module);
    if (n == 0)
        return BINDING_UNBOUND; /* Azure's names are far shorter: nothing can be bound to this */
    struct binding *entry = NULL;
    HASH_FIND(hh, b->all, text, n, entry);
    if (entry == NULL)
        entry = create(b, text, n, strlen(fleet), device.n);
    /* Events that wait go first, whatever the state has become. */
    if (is_usable(b, entry) && entry->waiting == NULL) {
        *key = &entry->thing;
        return entry->state;
    }
    ask_for(b, entry);
    return BINDING_PENDING;
}

void binder_wait(struct binder *b, const char *fleet, void *owner, uint64_t ticket,
                 const struct source_message *message)
{
    char text[KEY_MAX];
    size_t n = write_key(text, fleet, message->device, message->module);
    struct binding *entry = NULL;
    HASH_FIND(hh, b->all, text, n, entry);
    if (entry == NULL) /* binder_find has said PENDING, so it is there */
        return;
    struct waiting_event *event = xmalloc(sizeof *event + source_message_size(message));
    *event = (struct waiting_event){.owner = owner, .ticket = ticket};
    source_message_copy(&event->message, message, (char *)(event + 1));
    DL_APPEND(entry->waiting, event);
    b->waiting++;
}

void binder_drop(struct binder *b, const void *owner, int64_t above_sequence)
{
    if (b->waiting == 0)
        return;
    struct binding *entry, *next_entry;
    HASH_ITER(hh, b->all, entry, next_entry)
    {
        struct waiting_event *event, *next;
        DL_FOREACH_SAFE(entry->waiting, event, next)
        {
            if (event->owner != owner || event->message.sequence <= above_sequence)
                continue;
            DL_DELETE(entry->waiting, event);
            b->waiting--;
            free(event);
        }
    }
}

void binder_invalidate(struct binder *b)
{
    b->version++;
}

/* ---- asking the database ------------------------------------------------------------------ */

static void set_thing(struct binding *entry, struct slice thing)
{
    free((void *)(uintptr_t)entry->thing.thing.p);
    entry->thing = (struct lane_key){{NULL, 0}, 0};
    entry->state = thing.n > 0 ? BINDING_BOUND : BINDING_UNBOUND;
    if (thing.n > 0)
        entry->thing = lane_key((struct slice){xstrndup(thing.p, thing.n), thing.n});
}

/* Gives the waiting events back, in their order. They leave the list before they are routed, or
 * they would be found waiting for themselves. */
static void release(struct binder *b, struct binding *entry)
{
    struct waiting_event *events = entry->waiting, *event, *next;
    entry->waiting = NULL;
    DL_FOREACH_SAFE(events, event, next)
    {
        DL_DELETE(events, event);
        b->waiting--;
        flow_resolved(b->node, entry->fleet, event);
        free(event);
    }
}

static void apply(struct batch *batch, const struct store_binding *row)
{
    struct binder *b = batch->binder;
    char text[KEY_MAX];
    struct binding *entry = NULL;
    size_t n = write_key(text, batch->fleet, row->device, row->module);
    HASH_FIND(hh, b->all, text, n, entry);
    if (entry == NULL)
        return;
    set_thing(entry, row->thing);
    entry->version = batch->version;
    entry->asked = false;
    if (entry->version == b->version)
        release(b, entry);
    else
        ask_for(b, entry); /* the bindings changed while the question was on its way */
}

static void on_resolved(void *ctx, const struct store_binding *rows, size_t count,
                        const struct error *err)
{
    struct batch *batch = ctx;
    struct binder *b = batch->binder;
    b->asking = false;
    for (size_t i = 0; i < count; i++)
        apply(batch, &rows[i]);
    if (err != NULL) {
        b->ask_at_us = clock_now_us() + RETRY_MS * MS_US;
        if (strcmp(err->code, HF_SESSION_ENDED) == 0)
            membership_ended(b->node->membership);
        else if (err->code[0] != '\0')
            log_error(b->node->log, "could not resolve devices", err, F_TEXT("fleet", batch->fleet),
                      F_NUMBER("devices", batch->count));
    }
    /* What did not come back is asked for again. */
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->asked[i]->asked) {
            batch->asked[i]->asked = false;
            ask_for(b, batch->asked[i]);
        }
    }
    free(batch->fleet);
    free(batch);
}

/* The database is away: events go by what was known of their devices. */
static void release_known(struct binder *b)
{
    struct binding *entry, *next;
    for (entry = b->ask; entry != NULL; entry = next) {
        next = entry->ask_next;
        if (entry->waiting != NULL && is_usable(b, entry))
            release(b, entry);
    }
}

void binder_tick(struct binder *b, int64_t now_us)
{
    struct pg_connection *work = membership_work(b->node->membership);
    if (work == NULL && b->waiting > 0)
        release_known(b);
    if (b->ask == NULL || b->asking || work == NULL || now_us < b->ask_at_us)
        return;
    struct store_device devices[BATCH_MAX];
    struct batch *batch = xcalloc(1, sizeof *batch + BATCH_MAX * sizeof(struct binding *));
    batch->binder = b;
    batch->version = b->version;
    batch->fleet = xstrdup(b->ask->fleet);
    struct binding *entry, *next;
    for (entry = b->ask; entry != NULL && batch->count < BATCH_MAX; entry = next) {
        next = entry->ask_next;
        if (strcmp(entry->fleet, batch->fleet) != 0)
            continue;
        DL_DELETE2(b->ask, entry, ask_prev, ask_next);
        entry->listed = false;
        entry->asked = true;
        devices[batch->count] = (struct store_device){entry->device, entry->module};
        batch->asked[batch->count++] = entry;
    }
    b->asking = true;
    store_resolve(work, membership_key(b->node->membership), batch->fleet, devices, batch->count,
                  on_resolved, batch);
}

size_t binder_cached(const struct binder *b)
{
    return b->cached;
}

size_t binder_waiting(const struct binder *b)
{
    return b->waiting;
}
