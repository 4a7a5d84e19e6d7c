#include "node/binder.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/hash.h"
#include "core/hash_index.h"
#include "node/flow.h"
#include "node/membership.h"
#include "node/parts.h"
#include "store/bindings.h"
#include "store/configuration.h"

#include <stdlib.h>
#include <utlist.h>

enum {
    BATCH_MAX = 1000,
    RETRY_MS = 500,
    KEY_MAX = 1024,
    CACHE_MAX = 1000000 /* devices; a peer can make up names without end */
};

struct fleet {
    struct fleet *next;
    uint64_t hash;
    size_t name_n;
    char name[];
};

/* What is known of a device: there are millions, so what most do not need stands elsewhere. */
struct binding {
    uint64_t hash;    /* of fleet, device and module */
    uint64_t version; /* of the bindings when it was resolved */
    struct fleet *fleet;
    struct lane_key thing;     /* BOUND: the name is the device's own, or a copy */
    struct question *question; /* NULL: nobody waits for an answer */
    uint16_t device_n, module_n;
    uint8_t state;
    char names[]; /* device, module */
};

/* A device that is being asked for, or whose events wait. */
struct question {
    struct binding *entry;
    struct question *next, *prev;         /* of all */
    struct question *ask_next, *ask_prev; /* in the list of those to ask for */
    bool listed, asked;
    bool held; /* by the batch that it was asked with */
    struct waiting_event *waiting;
};

struct binder {
    struct node_parts *node;
    struct hash_index all;
    struct fleet *fleets; /* the one that was used last is first */
    struct question *questions, *ask;
    uint64_t version;
    size_t waiting;
    size_t hand; /* where the next entry to be forgotten is looked for */
    bool asking;
    int64_t ask_at_us;
};

/* One batch on its way. */
struct batch {
    struct binder *binder;
    uint64_t version;
    struct fleet *fleet;
    size_t count;
    struct question *asked[]; /* held */
};

struct binder *binder_create(struct node_parts *node)
{
    struct binder *b = xcalloc(1, sizeof *b);
    b->node = node;
    return b;
}

static struct slice device_of(const struct binding *entry)
{
    return (struct slice){entry->names, entry->device_n};
}

static struct slice module_of(const struct binding *entry)
{
    return (struct slice){entry->names + entry->device_n, entry->module_n};
}

static void forget_thing(struct binding *entry)
{
    if (entry->thing.thing.p != entry->names)
        free((void *)(uintptr_t)entry->thing.thing.p);
    entry->thing = (struct lane_key){{NULL, 0}, 0};
}

static void entry_free(struct binder *b, struct binding *entry)
{
    hash_index_remove(&b->all, entry->hash, entry);
    forget_thing(entry);
    free(entry);
}

static struct question *question_of(struct binder *b, struct binding *entry)
{
    if (entry->question == NULL) {
        entry->question = xcalloc(1, sizeof *entry->question);
        entry->question->entry = entry;
        DL_APPEND(b->questions, entry->question);
    }
    return entry->question;
}

static void question_end(struct binder *b, struct question *q)
{
    if (q->listed || q->asked || q->held || q->waiting != NULL)
        return;
    q->entry->question = NULL;
    DL_DELETE(b->questions, q);
    free(q);
}

static void forget_waiting(struct binder *b, struct question *q, const void *owner,
                           int64_t above_sequence)
{
    struct waiting_event *event, *next;
    DL_FOREACH_SAFE(q->waiting, event, next)
    {
        if (owner != NULL && (event->owner != owner || event->message.sequence <= above_sequence))
            continue;
        DL_DELETE(q->waiting, event);
        b->waiting--;
        free(event);
    }
}

void binder_free(struct binder *b)
{
    if (b == NULL)
        return;
    struct question *q, *next;
    DL_FOREACH_SAFE(b->questions, q, next)
    {
        forget_waiting(b, q, NULL, 0);
        free(q);
    }
    struct binding *entry;
    for (size_t at = 0; (entry = hash_index_walk(&b->all, &at)) != NULL;) {
        forget_thing(entry);
        free(entry);
    }
    hash_index_free(&b->all);
    while (b->fleets != NULL) {
        struct fleet *fleet = b->fleets;
        b->fleets = fleet->next;
        free(fleet);
    }
    free(b);
}

/* ---- the cache ---------------------------------------------------------------------------- */

static struct fleet *fleet_new(struct binder *b, const char *name)
{
    size_t n = strlen(name);
    struct fleet *fleet = xmalloc(sizeof *fleet + n + 1);
    *fleet = (struct fleet){.hash = hash_bytes((struct slice){name, n}), .name_n = n};
    memcpy(fleet->name, name, n + 1);
    LL_PREPEND(b->fleets, fleet);
    return fleet;
}

static struct fleet *fleet_of(struct binder *b, const char *name)
{
    struct fleet *fleet = b->fleets;
    if (fleet != NULL && strcmp(fleet->name, name) == 0)
        return fleet;
    LL_FOREACH(b->fleets, fleet)
    {
        if (strcmp(fleet->name, name) != 0)
            continue;
        LL_DELETE(b->fleets, fleet);
        LL_PREPEND(b->fleets, fleet);
        return fleet;
    }
    return fleet_new(b, name);
}

/* Whose binding. */
struct key {
    struct fleet *fleet;
    struct slice device, module;
    uint64_t hash;
};

/* False if the names are longer than any that could be bound. */
static bool key_make(struct binder *b, const char *fleet, struct slice device, struct slice module,
                     struct key *key)
{
    *key = (struct key){.fleet = fleet_of(b, fleet), .device = device, .module = module};
    if (device.n > KEY_MAX || module.n > KEY_MAX ||
        key->fleet->name_n + device.n + module.n + 3 > KEY_MAX)
        return false;
    key->hash = hash_bytes(device) + key->fleet->hash;
    if (module.n > 0)
        key->hash ^= hash_bytes(module) * 31;
    return true;
}

static struct binding *entry_find(const struct binder *b, const struct key *key)
{
    size_t at = hash_index_start(&b->all, key->hash);
    struct binding *entry;
    while ((entry = hash_index_next(&b->all, key->hash, &at)) != NULL)
        if (entry->fleet == key->fleet && slice_equal(device_of(entry), key->device) &&
            slice_equal(module_of(entry), key->module))
            break;
    return entry;
}

/* Makes room by forgetting an entry that nothing waits for, whichever comes next; it is asked for
 * again. */
static void make_room(struct binder *b)
{
    if (b->all.count < CACHE_MAX)
        return;
    for (size_t tries = 0; tries <= b->all.count; tries++) {
        struct binding *entry = hash_index_walk(&b->all, &b->hand);
        if (entry == NULL) {
            b->hand = 0;
        } else if (entry->question == NULL) {
            entry_free(b, entry);
            return;
        }
    }
}

static struct binding *entry_create(struct binder *b, const struct key *key)
{
    make_room(b);
    struct binding *entry = xmalloc(sizeof *entry + key->device.n + key->module.n);
    *entry = (struct binding){.hash = key->hash,
                              .fleet = key->fleet,
                              .device_n = (uint16_t)key->device.n,
                              .module_n = (uint16_t)key->module.n,
                              .state = BINDING_PENDING};
    memcpy(entry->names, key->device.p, key->device.n);
    if (key->module.n > 0)
        memcpy(entry->names + key->device.n, key->module.p, key->module.n);
    hash_index_add(&b->all, key->hash, entry);
    return entry;
}

static void ask_for(struct binder *b, struct binding *entry)
{
    struct question *q = question_of(b, entry);
    if (q->listed || q->asked)
        return;
    q->listed = true;
    DL_APPEND2(b->ask, q, ask_prev, ask_next);
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
                               struct slice module, const struct lane_key **thing)
{
    struct key key;
    if (!key_make(b, fleet, device, module, &key))
        return BINDING_UNBOUND; /* Azure's names are far shorter: nothing can be bound to this */
    struct binding *entry = entry_find(b, &key);
    if (entry == NULL)
        entry = entry_create(b, &key);
    /* Events that wait go first, whatever the state has become. */
    if (is_usable(b, entry) && (entry->question == NULL || entry->question->waiting == NULL)) {
        *thing = &entry->thing;
        return entry->state;
    }
    ask_for(b, entry);
    return BINDING_PENDING;
}

void binder_wait(struct binder *b, const char *fleet, void *owner, uint64_t ticket,
                 const struct source_message *message)
{
    struct key key;
    if (!key_make(b, fleet, message->device, message->module, &key))
        return;
    struct binding *entry = entry_find(b, &key);
    if (entry == NULL) /* binder_find has said PENDING, so it is there */
        return;
    struct waiting_event *event = xmalloc(sizeof *event + source_message_size(message));
    *event = (struct waiting_event){.owner = owner, .ticket = ticket};
    source_message_copy(&event->message, message, (char *)(event + 1));
    struct question *q = question_of(b, entry);
    DL_APPEND(q->waiting, event);
    b->waiting++;
}

void binder_drop(struct binder *b, const void *owner, int64_t above_sequence)
{
    if (b->waiting == 0)
        return;
    struct question *q, *next;
    DL_FOREACH_SAFE(b->questions, q, next)
    {
        forget_waiting(b, q, owner, above_sequence);
        question_end(b, q);
    }
}

void binder_invalidate(struct binder *b)
{
    b->version++;
}

/* ---- asking the database ------------------------------------------------------------------ */

static void set_thing(struct binding *entry, struct slice thing)
{
    forget_thing(entry);
    entry->state = thing.n > 0 ? BINDING_BOUND : BINDING_UNBOUND;
    if (thing.n == 0)
        return;
    bool own = slice_equal(thing, device_of(entry));
    entry->thing =
        lane_key((struct slice){own ? entry->names : xstrndup(thing.p, thing.n), thing.n});
}

/* Gives the waiting events back, in their order. They leave the list before they are routed, or
 * they would be found waiting for themselves. */
static void release(struct binder *b, struct question *q)
{
    struct waiting_event *events = q->waiting, *event, *next;
    const char *fleet = q->entry->fleet->name;
    q->waiting = NULL;
    DL_FOREACH_SAFE(events, event, next)
    {
        DL_DELETE(events, event);
        b->waiting--;
        flow_resolved(b->node, fleet, event);
        free(event);
    }
}

static void apply(struct batch *batch, const struct store_binding *row)
{
    struct binder *b = batch->binder;
    struct key key;
    if (!key_make(b, batch->fleet->name, row->device, row->module, &key))
        return;
    struct binding *entry = entry_find(b, &key);
    if (entry == NULL)
        return;
    set_thing(entry, row->thing);
    entry->version = batch->version;
    if (entry->question == NULL)
        return;
    entry->question->asked = false;
    if (entry->version == b->version)
        release(b, entry->question);
    else
        ask_for(b, entry); /* the bindings changed while the question was on its way */
}

/* What did not come back is asked for again, if somebody waits for it. A fleet that is gone never
 * answers: its events go by the one that their hub is of by now. */
static void ask_again(struct binder *b, struct question *q, bool fleet_gone)
{
    bool again = q->asked && q->waiting != NULL;
    q->asked = q->held = false;
    if (again && fleet_gone)
        release(b, q);
    else if (again)
        ask_for(b, q->entry);
    question_end(b, q);
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
            log_error(b->node->log, "could not resolve devices", err,
                      F_TEXT("fleet", batch->fleet->name), F_NUMBER("devices", batch->count));
    }
    bool gone =
        err != NULL && configuration_fleet(b->node->configuration, batch->fleet->name) == NULL;
    for (size_t i = 0; i < batch->count; i++)
        ask_again(b, batch->asked[i], gone);
    free(batch);
}

/* The database is away: events go by what was known of their devices. */
static void release_known(struct binder *b)
{
    struct question *q, *next;
    for (q = b->ask; q != NULL; q = next) {
        next = q->ask_next;
        if (q->waiting != NULL && is_usable(b, q->entry))
            release(b, q);
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
    struct batch *batch = xcalloc(1, sizeof *batch + BATCH_MAX * sizeof(struct question *));
    batch->binder = b;
    batch->version = b->version;
    batch->fleet = b->ask->entry->fleet;
    struct question *q, *next;
    for (q = b->ask; q != NULL && batch->count < BATCH_MAX; q = next) {
        next = q->ask_next;
        if (q->entry->fleet != batch->fleet)
            continue;
        DL_DELETE2(b->ask, q, ask_prev, ask_next);
        q->listed = false;
        q->asked = q->held = true;
        devices[batch->count] = (struct store_device){device_of(q->entry), module_of(q->entry)};
        batch->asked[batch->count++] = q;
    }
    b->asking = true;
    store_resolve(work, membership_key(b->node->membership), batch->fleet->name, devices,
                  batch->count, on_resolved, batch);
}

size_t binder_cached(const struct binder *b)
{
    return b->all.count;
}

size_t binder_waiting(const struct binder *b)
{
    return b->waiting;
}
