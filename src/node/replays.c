#include "node/replays.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/lane.h"
#include "node/binder.h"
#include "node/destinations.h"
#include "node/event_context.h"
#include "node/flow.h"
#include "node/membership.h"
#include "node/parts.h"
#include "store/configuration.h"
#include "store/dead_letters.h"

#include <stdlib.h>
#include <utlist.h>

enum { CLAIM_MAX = 100, RETRY_MS = 500 };

struct replay {
    struct owner owner; /* first: see parts.h */
    struct replays *all;
    int64_t dead_letter_id;
    char *fleet;
    bool row;    /* the payload is one row, not a whole event */
    char *thing; /* of a row: where it was to go; NULL: where the device is bound to */
    bool refused;
    bool sent;           /* its outcome is on its way to the database */
    const char *outcome; /* NULL while it is on its way */
    char *detail;
    struct waiting_event event; /* texts behind this struct */
    struct replay *next, *prev;
};

struct replays {
    struct node_parts *node;
    struct replay *list;
    bool claiming, settling;
    int64_t settle_at_us;
};

struct replays *replays_create(struct node_parts *node)
{
    struct replays *r = xcalloc(1, sizeof *r);
    r->node = node;
    return r;
}

static void replay_free(struct replay *replay)
{
    free(replay->fleet);
    free(replay->detail);
    free(replay->thing);
    free(replay);
}

void replays_forget(struct replays *r)
{
    struct replay *replay, *next;
    DL_FOREACH_SAFE(r->list, replay, next)
    {
        destinations_abandon(r->node->destinations, replay);
        binder_drop(r->node->binder, replay, INT64_MIN);
        DL_DELETE(r->list, replay);
        replay_free(replay);
    }
    r->claiming = false;
}

void replays_free(struct replays *r)
{
    if (r == NULL)
        return;
    struct replay *replay, *next;
    DL_FOREACH_SAFE(r->list, replay, next)
    {
        DL_DELETE(r->list, replay);
        replay_free(replay);
    }
    free(r);
}

/* ---- what became of them ------------------------------------------------------------------ */

void replay_settle(struct replay *replay, const char *outcome, const char *detail)
{
    if (replay->outcome != NULL)
        return;
    replay->outcome = outcome;
    free(replay->detail);
    replay->detail = detail != NULL ? xstrdup(detail) : NULL;
}

void replay_refused(struct replay *replay, const char *detail)
{
    replay->refused = true;
    free(replay->detail);
    replay->detail = detail != NULL ? xstrdup(detail) : NULL;
}

void replay_completed(struct replay *replay)
{
    char *detail = replay->detail;
    replay->detail = NULL;
    if (!replay->refused)
        replay->all->node->counts.replays_delivered++;
    replay_settle(replay, replay->refused ? "refused" : "delivered", detail);
    free(detail);
}

static void on_settled(void *ctx, const struct error *err)
{
    struct replays *r = ctx;
    struct replay *replay, *next;
    r->settling = false;
    if (err != NULL) {
        DL_FOREACH(r->list, replay)
        {
            replay->sent = false;
        }
        r->settle_at_us = clock_now_us() + RETRY_MS * MS_US;
        if (err->code[0] != '\0')
            log_error(r->node->log, "could not settle replays", err);
        return;
    }
    DL_FOREACH_SAFE(r->list, replay, next)
    {
        if (!replay->sent)
            continue;
        DL_DELETE(r->list, replay);
        replay_free(replay);
    }
}

void replays_tick(struct replays *r, int64_t now_us)
{
    struct pg_connection *work = membership_work(r->node->membership);
    struct store_settled rows[CLAIM_MAX];
    size_t n = 0;
    if (r->list == NULL || r->settling || work == NULL || now_us < r->settle_at_us)
        return;
    for (struct replay *replay = r->list; replay != NULL && n < CLAIM_MAX; replay = replay->next)
        if (replay->outcome != NULL) {
            replay->sent = true;
            rows[n++] = (struct store_settled){replay->dead_letter_id, replay->outcome,
                                               slice_from(replay->detail)};
        }
    if (n == 0)
        return;
    r->settling = true;
    store_settle_replays(work, membership_key(r->node->membership), rows, n, on_settled, r);
}

/* ---- claiming ----------------------------------------------------------------------------- */

static struct replay *replay_new(struct replays *r, const struct store_replay *row)
{
    struct buffer texts;
    buffer_init(&texts, EVENT_CONTEXT_MAX);
    struct source_message message = {.sequence = row->dead_letter_id,
                                     .enqueued_ms = row->enqueued_ms,
                                     .device = row->device,
                                     .module = row->module,
                                     .body = row->payload};
    (void)event_context_read(row->context, &message, &texts);
    struct replay *replay = xcalloc(1, sizeof *replay + source_message_size(&message));
    *replay = (struct replay){.owner = {OWNER_REPLAY},
                              .all = r,
                              .dead_letter_id = row->dead_letter_id,
                              .fleet = xstrdup(row->fleet),
                              .row = row->property.n > 0,
                              .thing = event_context_thing(row->context)};
    replay->event.owner = replay;
    source_message_copy(&replay->event.message, &message, (char *)(replay + 1));
    buffer_free(&texts);
    DL_APPEND(r->list, replay);
    return replay;
}

static void on_claimed(void *ctx, const struct store_replay *rows, size_t count,
                       const struct error *err)
{
    struct replays *r = ctx;
    r->claiming = false;
    if (err != NULL && err->code[0] != '\0')
        log_error(r->node->log, "could not claim replays", err);
    for (size_t i = 0; i < count; i++) {
        struct replay *replay = replay_new(r, &rows[i]);
        log_info(r->node->log, "replaying a dead letter", F_NUMBER("id", rows[i].dead_letter_id),
                 F_SLICE("device", replay->event.message.device));
        flow_resolved(r->node, replay->fleet, &replay->event);
    }
}

struct slice replay_thing(const struct replay *replay)
{
    return slice_from(replay->thing);
}

const char *replay_fleet(const struct replay *replay)
{
    return replay->fleet;
}

bool replay_is_row(const struct replay *replay)
{
    return replay->row;
}

void replays_wanted(struct replays *r)
{
    struct pg_connection *work = membership_work(r->node->membership);
    if (r->claiming || r->list != NULL || work == NULL || r->node->stopping)
        return;
    r->claiming = true;
    store_claim_dead_letters(work, membership_key(r->node->membership), CLAIM_MAX, on_claimed, r);
}
