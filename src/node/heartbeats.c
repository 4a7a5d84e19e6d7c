#include "node/heartbeats.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/hash.h"
#include "core/heartbeat.h"
#include "core/parcel.h"
#include "core/presence.h"
#include "node/binder.h"
#include "node/destination.h"
#include "node/destinations.h"
#include "node/hubs.h"
#include "node/membership.h"
#include "node/parts.h"
#include "store/configuration.h"
#include "store/presence.h"

#include <stdlib.h>
#include <utlist.h>

enum {
    ROWS_MAX = 10000,     /* in one call */
    THINGS_MAX = 1000000, /* as many as devices are known */
    TELL_MAX = 1000,      /* in one turn, so that others get theirs */
    WRITE_MS = 200,
    RETRY_MS = 500
};

struct beats {
    struct owner owner; /* first: see parts.h */
    struct heartbeats *all;
    char *hub;
    int partition_id;
    int64_t token;
    struct presence presence;
    bool loaded, loading;
    struct beats *prev, *next;
};

struct saver {
    void (*done)(void *ctx, bool ok);
    void *ctx;
    uint64_t epoch;
};

struct heartbeats {
    struct node_parts *node;
    struct beats *list;
    struct rows rows; /* scratch */
    struct saver saver;
    uint64_t epoch;
    bool writing, full;
    int64_t write_at_us;
};

struct heartbeats *heartbeats_create(struct node_parts *node)
{
    struct heartbeats *h = xcalloc(1, sizeof *h);
    h->node = node;
    rows_init(&h->rows);
    return h;
}

void heartbeats_free(struct heartbeats *h)
{
    if (h == NULL)
        return;
    while (h->list != NULL)
        heartbeats_close(h->list);
    rows_free(&h->rows);
    free(h);
}

/* ---- one partition ------------------------------------------------------------------------ */

static const struct fleet_config *fleet_of(const struct heartbeats *h, const char *hub_name)
{
    const struct hub *hub = hubs_find(h->node->hubs, hub_name);
    const struct fleet_config *fleet =
        hub != NULL ? configuration_fleet(h->node->configuration, hub_fleet(hub)) : NULL;
    return fleet != NULL && fleet->heartbeat_count > 0 ? fleet : NULL;
}

struct beats *heartbeats_open(struct heartbeats *h, const struct beats_place *place)
{
    if (fleet_of(h, place->hub) == NULL)
        return NULL;
    struct beats *b = xcalloc(1, sizeof *b);
    *b = (struct beats){.owner = {OWNER_HEARTBEAT},
                        .all = h,
                        .hub = xstrdup(place->hub),
                        .partition_id = place->partition_id,
                        .token = place->token};
    presence_init(&b->presence, place->time_ms > 0 ? place->time_ms : PRESENCE_NO_TIME);
    b->presence.epoch = h->epoch;
    DL_APPEND(h->list, b);
    return b;
}

void heartbeats_close(struct beats *b)
{
    if (b == NULL)
        return;
    destinations_abandon(b->all->node->destinations, b);
    DL_DELETE(b->all->list, b);
    presence_free(&b->presence);
    free(b->hub);
    free(b);
}

void heartbeats_inherit(struct beats *b, struct beats *former)
{
    if (b == NULL || former == NULL)
        return;
    destinations_abandon(b->all->node->destinations, former);
    presence_free(&b->presence);
    b->presence = former->presence;
    presence_init(&former->presence, PRESENCE_NO_TIME);
    presence_doubt(&b->presence);
    presence_unsaved(&b->presence);
}

void heartbeats_drop(struct beats *b, bool all)
{
    if (b == NULL)
        return;
    if (all)
        destinations_abandon(b->all->node->destinations, b);
    else
        (void)destinations_drop(b->all->node->destinations, b, INT64_MIN);
    presence_doubt(&b->presence);
}

bool heartbeats_idle(const struct beats *b)
{
    return b == NULL || destinations_touched(b->all->node->destinations, b) == INT64_MIN;
}

/* ---- rules -------------------------------------------------------------------------------- */

static const struct heartbeat_rule *rule_of(const struct fleet_config *fleet,
                                            const struct presence_entry *entry)
{
    return heartbeat_select(fleet->heartbeats, fleet->heartbeat_count, entry->device,
                            entry->module);
}

static uint64_t property_hash(const struct heartbeat_rule *rule)
{
    return hash_bytes(slice_from(rule->property));
}

void heartbeats_configure(struct heartbeats *h)
{
    struct beats *b;
    DL_FOREACH(h->list, b)
    {
        const struct fleet_config *fleet = fleet_of(h, b->hub);
        struct presence_entry *entry, *next;
        HASH_ITER(hh, b->presence.by_thing, entry, next)
        {
            const struct heartbeat_rule *rule = fleet != NULL ? rule_of(fleet, entry) : NULL;
            if (rule == NULL)
                presence_drop(&b->presence, entry);
            else
                presence_allow(&b->presence, entry, rule->silence_ms, property_hash(rule));
        }
    }
}

/* ---- what is said ------------------------------------------------------------------------- */

static struct parcel *make_parcel(struct heartbeats *h, const struct heartbeat_rule *rule,
                                  bool connected, int64_t time_ms,
                                  const struct parcel_origin *origin)
{
    struct rows *rows = &h->rows;
    struct buffer name;
    buffer_init(&name, strlen(rule->property) * 6 + 1);
    (void)buffer_append_json(&name, slice_from(rule->property));
    rows_clear(rows, time_ms);
    rows_reserve(rows, 1);
    rows_begin(rows, buffer_slice(&name), time_ms, "GOOD");
    (void)buffer_append_text(&rows->text, connected ? "true" : "false");
    rows_end(rows, "BOOLEAN");
    buffer_free(&name);
    return parcel_create(rows, origin);
}

void heartbeats_read(struct beats *b, const struct source_message *message)
{
    if (b != NULL)
        presence_read(&b->presence, message->enqueued_ms,
                      message->last_sequence <= message->sequence);
}

/* A Thing that is not heard of yet; NULL if there is no room. */
static bool has_room(struct heartbeats *h)
{
    if (heartbeats_connected(h) < THINGS_MAX)
        return true;
    if (!h->full)
        log_warning(h->node->log, "too many Things for the heartbeat rules: some are left out",
                    F_NUMBER("things", THINGS_MAX));
    h->full = true;
    return false;
}

struct parcel *heartbeats_heard(struct beats *b, void *owner, uint64_t ticket,
                                const struct fleet_config *fleet,
                                const struct source_message *message, const struct lane_key *thing)
{
    if (b == NULL)
        return NULL;
    struct presence_source from = {message->device, message->module};
    struct presence_entry *entry = presence_find(&b->presence, thing);
    if (entry != NULL && entry->state == PRESENCE_HEARD) {
        (void)presence_heard(&b->presence, thing, &from, message->enqueued_ms, 0);
        return NULL;
    }
    const struct heartbeat_rule *rule = heartbeat_select(fleet->heartbeats, fleet->heartbeat_count,
                                                         message->device, message->module);
    if (rule == NULL || (entry == NULL && !has_room(b->all)))
        return NULL;
    entry = presence_heard(&b->presence, thing, &from, message->enqueued_ms, rule->silence_ms);
    if (!presence_tell(entry, property_hash(rule)))
        return NULL;
    b->all->node->counts.heartbeats_heard++;
    struct parcel_origin origin = {.partition = owner,
                                   .ticket = ticket,
                                   .sequence = message->sequence,
                                   .enqueued_ms = message->enqueued_ms,
                                   .offset = message->offset,
                                   .device = message->device,
                                   .module = message->module};
    return make_parcel(b->all, rule, true, message->enqueued_ms, &origin);
}

/* The Thing has been silent for too long. */
static void tell_silence(struct beats *b, const struct fleet_config *fleet,
                         struct presence_entry *entry)
{
    struct node_parts *node = b->all->node;
    const struct heartbeat_rule *rule = rule_of(fleet, entry);
    struct destination *destination = destinations_find(node->destinations, fleet->destination);
    if (rule == NULL || destination == NULL) {
        presence_drop(&b->presence, entry);
        return;
    }
    struct parcel_origin origin = {.partition = b,
                                   .ticket = entry->round,
                                   .device = entry->device,
                                   .module = entry->module,
                                   .thing = entry->thing};
    struct lane_key key = lane_key(entry->thing);
    node->counts.heartbeats_lost++;
    log_info(node->log, "nothing is heard of a device", F_SLICE("device", entry->device),
             F_SLICE("thing", entry->thing), F_TEXT("rule", rule->name));
    destination_push(destination, &key,
                     make_parcel(b->all, rule, false, entry->last_ms + entry->silence_ms, &origin));
}

void heartbeats_look(struct beats *b, bool listening, int64_t now_us)
{
    if (b == NULL)
        return;
    presence_listen(&b->presence, listening, now_us);
    const struct fleet_config *fleet = fleet_of(b->all, b->hub);
    /* An event that waits for its binding may be of the one that seems silent. */
    if (!listening || fleet == NULL || binder_waiting(b->all->node->binder) > 0)
        return;
    struct presence_entry *entry;
    for (int i = 0; i < TELL_MAX && (entry = presence_silent(&b->presence)) != NULL; i++)
        tell_silence(b, fleet, entry);
}

void heartbeats_told(struct beats *b, const struct parcel *parcel)
{
    struct lane_key key = lane_key(parcel->thing);
    presence_told(&b->presence, &key, parcel->ticket);
}

void heartbeats_refused(struct beats *b, const struct parcel *parcel, const char *detail)
{
    struct error why;
    error_set(&why, "ThingWorx refuses the heartbeat property");
    error_detail(&why, "%s", detail != NULL ? detail : "");
    error_hint(&why, "give the Thing the property that the rule names, of base type BOOLEAN");
    log_failure(b->all->node->log, LOG_WARNING, "a device that is not heard of cannot be marked",
                &why,
                LOG_FIELDS(F_SLICE("device", parcel->device), F_SLICE("thing", parcel->thing)));
}

/* ---- rows --------------------------------------------------------------------------------- */

static struct beats *find(struct heartbeats *h, int partition_id, int64_t token)
{
    struct beats *b;
    DL_FOREACH(h->list, b)
    {
        if (b->partition_id == partition_id && b->token == token)
            return b;
    }
    return NULL;
}

/* One call on its way; texts are own copies. */
struct batch {
    struct heartbeats *all;
    size_t count;
    struct buffer texts;
    struct store_presence rows[];
};

static void failed(struct heartbeats *h, const struct error *err, const char *what)
{
    h->write_at_us = clock_now_us() + RETRY_MS * MS_US;
    if (strcmp(err->code, HF_SESSION_ENDED) == 0)
        membership_ended(h->node->membership);
    else if (err->code[0] != '\0')
        log_error(h->node->log, what, err);
}

static bool has_unsaved(const struct heartbeats *h, uint64_t epoch)
{
    const struct beats *b;
    DL_FOREACH(h->list, b)
    {
        if (presence_has_unsaved(&b->presence, epoch))
            return true;
    }
    return false;
}

static bool has_pending(const struct heartbeats *h)
{
    const struct beats *b;
    DL_FOREACH(h->list, b)
    {
        if (b->presence.pending != NULL)
            return true;
    }
    return false;
}

static void write_rows(struct heartbeats *h);

static void tell_saver(struct heartbeats *h, bool ok)
{
    struct saver saver = h->saver;
    if (saver.done == NULL)
        return;
    if (ok && has_unsaved(h, saver.epoch)) {
        write_rows(h);
        return;
    }
    h->saver.done = NULL;
    saver.done(saver.ctx, ok);
}

static void on_noted(void *ctx, const struct error *err)
{
    struct batch *batch = ctx;
    struct heartbeats *h = batch->all;
    h->writing = false;
    for (size_t i = 0; i < batch->count; i++) {
        const struct store_presence *row = &batch->rows[i];
        struct beats *b = find(h, row->partition_id, row->token);
        struct lane_key key = lane_key(row->thing);
        struct presence_entry *entry = b != NULL ? presence_find(&b->presence, &key) : NULL;
        if (entry != NULL && entry->sending)
            presence_saved(&b->presence, entry, row->present, err == NULL);
    }
    if (err != NULL)
        failed(h, err, "could not note which devices are heard of");
    buffer_free(&batch->texts);
    free(batch);
    tell_saver(h, err == NULL);
}

static size_t size_of(const struct presence_entry *entry)
{
    return entry->thing.n + entry->device.n + entry->module.n;
}

static struct slice own(struct buffer *texts, struct slice text)
{
    struct slice to = {texts->data + texts->n, text.n};
    (void)buffer_append_slice(texts, text);
    return to;
}

static void write_rows(struct heartbeats *h)
{
    struct pg_connection *work = membership_work(h->node->membership);
    if (h->writing || work == NULL || !has_pending(h))
        return;
    h->write_at_us = clock_now_us() + WRITE_MS * MS_US;
    uint64_t epoch = h->saver.done != NULL ? h->saver.epoch : UINT64_MAX;
    struct presence_entry **entries = xcalloc(ROWS_MAX, sizeof(struct presence_entry *));
    struct batch *batch = xcalloc(1, sizeof *batch + ROWS_MAX * sizeof batch->rows[0]);
    size_t bytes = 1;
    struct beats *b;
    batch->all = h;
    DL_FOREACH(h->list, b)
    {
        struct presence_entry *entry;
        while (batch->count < ROWS_MAX &&
               (entry = presence_next_unsaved(&b->presence, epoch)) != NULL) {
            batch->rows[batch->count] = (struct store_presence){
                .partition_id = b->partition_id, .token = b->token, .present = entry->wanted};
            entries[batch->count++] = entry;
            bytes += size_of(entry);
        }
    }
    buffer_init(&batch->texts, bytes);
    (void)buffer_reserve(&batch->texts, bytes); /* so that it does not move */
    for (size_t i = 0; i < batch->count; i++) {
        batch->rows[i].thing = own(&batch->texts, entries[i]->thing);
        batch->rows[i].device = own(&batch->texts, entries[i]->device);
        batch->rows[i].module = own(&batch->texts, entries[i]->module);
    }
    free((void *)entries);
    if (batch->count == 0) {
        buffer_free(&batch->texts);
        free(batch);
        return;
    }
    h->writing = true;
    store_note_presence(work, membership_key(h->node->membership), batch->rows, batch->count,
                        on_noted, batch);
}

struct load {
    struct heartbeats *all;
    int partition_id;
    int64_t token;
};

static void on_loaded(void *ctx, const struct store_presence *rows, size_t count,
                      const struct error *err)
{
    struct load load = *(struct load *)ctx;
    free(ctx);
    struct beats *b = find(load.all, load.partition_id, load.token);
    if (err != NULL)
        failed(load.all, err, "could not read which devices are heard of");
    if (b == NULL)
        return;
    b->loading = false;
    b->loaded = err == NULL;
    const struct fleet_config *fleet = fleet_of(load.all, b->hub);
    for (size_t i = 0; i < count; i++) {
        struct lane_key key = lane_key(rows[i].thing);
        struct presence_source from = {rows[i].device, rows[i].module};
        const struct heartbeat_rule *rule =
            fleet != NULL ? heartbeat_select(fleet->heartbeats, fleet->heartbeat_count, from.device,
                                             from.module)
                          : NULL;
        presence_load(&b->presence, &key, &from, rule != NULL ? rule->silence_ms : 0);
        if (rule == NULL)
            presence_drop(&b->presence, presence_find(&b->presence, &key));
    }
}

void heartbeats_tick(struct heartbeats *h, int64_t now_us)
{
    struct pg_connection *work = membership_work(h->node->membership);
    if (h->list == NULL || work == NULL || now_us < h->write_at_us)
        return;
    struct beats *b;
    DL_FOREACH(h->list, b)
    {
        if (b->loaded || b->loading)
            continue;
        struct load *load = xcalloc(1, sizeof *load);
        *load = (struct load){h, b->partition_id, b->token};
        b->loading = true;
        store_presence_of(work, membership_key(h->node->membership), b->partition_id, on_loaded,
                          load);
    }
    write_rows(h);
}

bool heartbeats_save(struct heartbeats *h, void (*done)(void *ctx, bool ok), void *ctx)
{
    struct beats *b;
    if (!has_unsaved(h, UINT64_MAX))
        return false;
    h->saver = (struct saver){done, ctx, h->epoch++};
    DL_FOREACH(h->list, b)
    {
        b->presence.epoch = h->epoch;
    }
    write_rows(h); /* or when the call that is on its way has come back */
    return true;
}

void heartbeats_save_anew(struct heartbeats *h)
{
    struct beats *b;
    DL_FOREACH(h->list, b)
    {
        presence_unsaved(&b->presence);
    }
}

size_t heartbeats_connected(const struct heartbeats *h)
{
    size_t n = 0;
    const struct beats *b;
    DL_FOREACH(h->list, b)
    {
        n += b->presence.count;
    }
    return n;
}
