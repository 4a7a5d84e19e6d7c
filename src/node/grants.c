#include "node/grants.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "node/destinations.h"
#include "node/grant_state.h"
#include "node/heartbeats.h"
#include "node/hubs.h"
#include "node/instruments.h"
#include "node/membership.h"
#include "store/progress.h"

#include <stdlib.h>
#include <utlist.h>

enum {
    BUDGET_EVENTS = 24000,           /* of the whole node, divided among its partitions */
    BUDGET_BYTES = 32 * 1024 * 1024, /* of encoded events */
    DECLINE_MS = 15000,              /* a hub that is away for so long may be in reach of others */
    ASK_AGAIN_MS = 2000,
    WINDOW_MAX = 8000,
    WINDOW_MIN = 64
};

struct grants *grants_create(struct node_parts *node)
{
    struct grants *g = xcalloc(1, sizeof *g);
    g->node = node;
    g->batch_size = instrument(node->metrics, INSTRUMENT_CHECKPOINT_BATCH, NULL);
    return g;
}

void grants_free(struct grants *g)
{
    if (g == NULL)
        return;
    struct grant *grant, *next;
    DL_FOREACH_SAFE(g->list, grant, next)
    {
        DL_DELETE(g->list, grant);
        grant_free(grant);
    }
    DL_FOREACH_SAFE(g->retired, grant, next)
    {
        grants_bury(g, grant);
    }
    free(g);
}

struct grant *grants_find(struct grants *g, int partition_id, int64_t token)
{
    struct grant *grant;
    DL_FOREACH(g->list, grant)
    {
        if (grant->partition_id == partition_id && grant->token == token)
            return grant;
    }
    return NULL;
}

/* ---- the set ------------------------------------------------------------------------------ */

/* Every partition gets its share of what the node may hold, so that memory does not depend on how
 * long a destination is down. */
static void share_budget(struct grants *g)
{
    size_t n = g->count > 0 ? g->count : 1;
    size_t events = BUDGET_EVENTS / n;
    if (events > WINDOW_MAX)
        events = WINDOW_MAX;
    if (events < WINDOW_MIN)
        events = WINDOW_MIN;
    struct grant *grant;
    DL_FOREACH(g->list, grant)
    {
        grant->byte_ceiling = BUDGET_BYTES / n;
        tracker_set_limits(grant->tracker, (uint32_t)events, grant->byte_ceiling);
    }
}

/* The grant that this one follows without a gap: of the same partition, log and generation. */
static struct grant *former_of(struct grants *g, const struct store_assigned *row)
{
    struct grant *grant;
    DL_FOREACH(g->list, grant)
    {
        if (grant->partition_id == row->partition_id && grant->token < row->token &&
            grant->generation == row->generation && grant->log != NULL && row->log != NULL &&
            strcmp(grant->log, row->log) == 0)
            return grant;
    }
    return NULL;
}

void grants_configure(struct grants *g)
{
    struct grant *grant;
    DL_FOREACH(g->list, grant)
    {
        grant_open_beats(grant);
    }
    heartbeats_configure(g->node->heartbeats);
}

static void create(struct grants *g, const struct store_assigned *row)
{
    int64_t start = row->start_offset != NULL ? row->sequence : INHERIT_NONE;
    struct grant *former = former_of(g, row);
    struct grant *grant = xcalloc(1, sizeof *grant);
    *grant = (struct grant){.owner = {OWNER_GRANT},
                            .node = g->node,
                            .set = g,
                            .partition_id = row->partition_id,
                            .hub_name = xstrdup(row->hub),
                            .partition = xstrdup(row->partition),
                            .token = row->token,
                            .generation = row->generation,
                            .log = row->log != NULL ? xstrdup(row->log) : NULL,
                            .state = OWNERSHIP_WAITING,
                            .tracker = tracker_create(WINDOW_MIN, BUDGET_BYTES),
                            .byte_ceiling = BUDGET_BYTES,
                            .resume_offset =
                                row->start_offset != NULL ? xstrdup(row->start_offset) : NULL,
                            .start_ms = row->enqueued_ms,
                            .resume_sequence = start,
                            .resume_enqueued_ms = row->enqueued_ms,
                            .began_sequence = start,
                            .lettered_sequence = INHERIT_NONE,
                            .saved_sequence = start,
                            .last_sequence = -1,
                            .last_enqueued_ms = -1,
                            .created_us = clock_now_us(),
                            .assigned = true};
    DL_APPEND(g->list, grant);
    g->count++;
    g->node->counts.takeovers++;
    log_info(g->node->log, "partition granted", F_TEXT("hub", row->hub),
             F_TEXT("partition", row->partition), F_NUMBER("token", row->token),
             F_TEXT("offset", row->start_offset != NULL ? row->start_offset : "none"));
    grant_open_beats(grant);
    if (former != NULL)
        grant_inherit(grant, former);
}

void grants_retire(struct grants *g, struct grant *grant)
{
    DL_DELETE(g->list, grant);
    g->count--;
    g->ended[g->ended_at] = (struct ended){grant->partition_id, grant->token, clock_now_us()};
    g->ended_at = (g->ended_at + 1) % ENDED_KEPT;
    heartbeats_close(grant->beats);
    grant->beats = NULL;
    if (grant->reader == NULL)
        grant_free(grant);
    else
        DL_APPEND(g->retired, grant);
}

void grants_bury(struct grants *g, struct grant *grant)
{
    DL_DELETE(g->retired, grant);
    grant_free(grant);
}

static bool ended_since(const struct grants *g, const struct store_assigned *row, int64_t asked_us)
{
    for (size_t i = 0; i < ENDED_KEPT; i++)
        if (g->ended[i].partition_id == row->partition_id && g->ended[i].token >= row->token &&
            g->ended[i].at_us >= asked_us)
            return true;
    return false;
}

/* What the assignment says of a grant that we know. */
static void compare(struct grants *g, struct grant *grant, const struct store_assigned *row)
{
    struct membership *membership = g->node->membership;
    /* Asked in the same microsecond is asked after: the database answers later still. */
    bool fresh = membership_asked_us(membership) >= grant->doubted_us;
    /* The source says stolen, the database says ours: it may be a primary that was left behind. */
    if (fresh && grant->state == OWNERSHIP_IN_DOUBT && grant->stolen &&
        !membership_looked_since(membership, grant->doubted_us))
        return;
    grant->stolen = grant->stolen && !fresh;
    if (row->releasing) {
        /* A hand-over that was not answered begins anew: nobody reads the partition until then. */
        if (grant->state == OWNERSHIP_IN_DOUBT && fresh)
            grant_step(grant, OWNERSHIP_CONFIRMED, NULL);
        if (grant->move_deadline_us == 0)
            grant->move_deadline_us = clock_now_us() + row->deadline_ms * MS_US;
        grant_step(grant, OWNERSHIP_MOVE, NULL);
        return;
    }
    grant->move_deadline_us = 0;
    if ((grant->state == OWNERSHIP_IN_DOUBT || grant->state == OWNERSHIP_KEEPING) && fresh)
        grant_step(grant, OWNERSHIP_CONFIRMED, NULL);
    else if ((grant->state == OWNERSHIP_DRAINING || grant->state == OWNERSHIP_SAVING) &&
             !g->node->stopping)
        grant_step(grant, OWNERSHIP_KEPT, NULL);
}

void grants_assign(struct grants *g, const struct store_assigned *rows, size_t count)
{
    struct grant *grant, *next;
    /* Two connections bring assignments, so one may be older than what is known already. */
    int64_t asked_us = membership_asked_us(g->node->membership);
    bool outdated = false;
    DL_FOREACH(g->list, grant)
    {
        grant->assigned = false;
    }
    for (size_t i = 0; i < count; i++) {
        grant = grants_find(g, rows[i].partition_id, rows[i].token);
        if (grant != NULL)
            grant->assigned = true;
        else if (ended_since(g, &rows[i], asked_us))
            outdated = true;
        else if (!g->node->stopping || former_of(g, &rows[i]) != NULL)
            create(g, &rows[i]); /* one that stops hands over what the former grant has done */
    }
    DL_FOREACH_SAFE(g->list, grant, next)
    {
        if (!grant->assigned && grant->created_us >= asked_us)
            outdated = true;
        else if (!grant->assigned)
            grant_step(grant, OWNERSHIP_REVOKED, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        grant = grants_find(g, rows[i].partition_id, rows[i].token);
        if (grant != NULL)
            compare(g, grant, &rows[i]);
    }
    share_budget(g);
    if (outdated)
        membership_refresh(g->node->membership);
    grants_tick(g, clock_now_us());
}

/* ---- time --------------------------------------------------------------------------------- */

/* A node that cannot reach a hub gives its partitions back, if another one reaches it. */
static void look_at_hub(struct grant *grant, const struct hub *hub, int64_t now_us)
{
    bool away = hub == NULL || !hub_is_up(hub);
    if (!away || grant->decline_at_us == 0)
        grant->decline_at_us = now_us + DECLINE_MS * MS_US;
    if (!away || now_us < grant->decline_at_us || membership_work(grant->node->membership) == NULL)
        return;
    grant->decline_at_us = now_us + DECLINE_MS * MS_US;
    struct error why;
    const char *problem = hub != NULL ? hub_problem(hub) : "";
    error_set(&why, "the node does not reach the hub%s%s", *problem != '\0' ? ": " : "", problem);
    grant_step(grant, OWNERSHIP_UNREADABLE, &why);
}

static bool is_drained(const struct grant *grant)
{
    return grant->reader == NULL && tracker_in_flight(grant->tracker) == 0 &&
           heartbeats_idle(grant->beats);
}

static void look_after(struct grant *grant, int64_t now_us)
{
    struct hub *hub = hubs_find(grant->node->hubs, grant->hub_name);
    switch (grant->state) {
    case OWNERSHIP_WAITING:
        if (grant->node->stopping)
            grant_step(grant, OWNERSHIP_MOVE, NULL);
        else if (hub != NULL && hub_is_up(hub) && grant->reader == NULL &&
                 pulse_is_steady(&grant->node->pulse, now_us) && now_us >= grant->openable_at_us &&
                 hub_has_log(hub, grant->log, grant->verify_after_us))
            grant_step(grant, OWNERSHIP_OPENABLE, NULL);
        else
            look_at_hub(grant, hub, now_us);
        break;
    case OWNERSHIP_IN_DOUBT:
        /* Whatever became of the last question: a partition must not stay in doubt for ever. */
        if (now_us >= grant->ask_at_us && pulse_is_steady(&grant->node->pulse, now_us)) {
            grant->ask_at_us = now_us + ASK_AGAIN_MS * MS_US;
            membership_refresh(grant->node->membership);
        }
        break;
    case OWNERSHIP_READING:
        grant->decline_at_us = 0;
        grant_top_up(grant);
        break;
    case OWNERSHIP_DRAINING:
        if (is_drained(grant)) {
            grant_step(grant, OWNERSHIP_DRAINED, NULL);
            break;
        }
        /* fall through */
    case OWNERSHIP_SAVING:
        if (grant->move_deadline_us != 0 && now_us >= grant->move_deadline_us &&
            !grant->node->stopping) {
            grant->move_deadline_us = 0;
            grant_step(grant, OWNERSHIP_OVERDUE, NULL);
        }
        break;
    case OWNERSHIP_FINISHING:
    case OWNERSHIP_STORING:
        if (grant->state == OWNERSHIP_FINISHING && is_drained(grant))
            grant_step(grant, OWNERSHIP_DRAINED, NULL);
        else if (now_us >= grant->finish_by_us)
            grant_step(grant, OWNERSHIP_OVERDUE, NULL);
        break;
    default:
        break;
    }
}

void grants_tick(struct grants *g, int64_t now_us)
{
    struct grant *grant, *next;
    DL_FOREACH_SAFE(g->list, grant, next)
    {
        grant_look_for_silence(grant, now_us);
        look_after(grant, now_us);
    }
    if (now_us >= g->save_at_us)
        grants_save(g);
}

/* ---- from the node and the hubs ----------------------------------------------------------- */

void grants_drain(struct grants *g)
{
    struct grant *grant, *next;
    DL_FOREACH_SAFE(g->list, grant, next)
    {
        grant_step(grant, OWNERSHIP_MOVE, NULL);
    }
}

bool grants_parked(const struct grants *g)
{
    const struct grant *grant;
    DL_FOREACH(g->list, grant)
    {
        if (!grant->parked && grant->state != OWNERSHIP_IN_DOUBT)
            return false;
    }
    return true;
}

void grants_suspend(struct grants *g)
{
    struct grant *grant, *next;
    DL_FOREACH_SAFE(g->list, grant, next)
    {
        grant_step(grant, OWNERSHIP_WOKEN, NULL);
    }
}

void grants_resume(struct grants *g)
{
    membership_refresh(g->node->membership);
}

void grants_hold(struct grants *g, bool only_unfenced)
{
    struct grant *grant, *next;
    DL_FOREACH_SAFE(g->list, grant, next)
    {
        const struct hub *hub = hubs_find(g->node->hubs, grant->hub_name);
        if (!only_unfenced || hub == NULL || !hub_fences(hub))
            grant_step(grant, OWNERSHIP_WOKEN, NULL);
    }
}

void grants_hub_up(struct grants *g, struct hub *hub)
{
    struct grant *grant, *next;
    int64_t now = clock_now_us();
    DL_FOREACH_SAFE(g->list, grant, next)
    {
        if (strcmp(grant->hub_name, hub_name(hub)) == 0)
            look_after(grant, now);
    }
}

void grants_hub_gone(struct grants *g, const struct hub *hub)
{
    struct error why;
    error_set(&why, "the hub's connection was closed");
    struct grant *grant, *next;
    DL_FOREACH_SAFE(g->list, grant, next)
    {
        /* The source is closed without callbacks, so the readers end here. */
        if (strcmp(grant->hub_name, hub_name(hub)) == 0 && grant->reader != NULL)
            grant_ended(grant, SOURCE_END_LOST, &why);
    }
    DL_FOREACH_SAFE(g->retired, grant, next)
    {
        if (strcmp(grant->hub_name, hub_name(hub)) == 0)
            grants_bury(g, grant);
    }
}

size_t grants_count(const struct grants *g)
{
    return g->count;
}

size_t grants_in_flight(const struct grants *g)
{
    size_t n = 0;
    const struct grant *grant;
    DL_FOREACH(g->list, grant)
    {
        n += tracker_in_flight(grant->tracker);
    }
    return n;
}

void grants_each(const struct grants *g, int64_t now_ms, grants_each_fn each, void *ctx)
{
    const struct grant *grant;
    DL_FOREACH(g->list, grant)
    {
        struct grant_view view = grant_look(grant, now_ms);
        each(ctx, &view);
    }
}

size_t grants_ends(const struct grants *g, struct store_partition_end *ends, size_t max)
{
    size_t n = 0;
    const struct grant *grant;
    DL_FOREACH(g->list, grant)
    {
        if (grant->last_sequence >= 0 && n < max)
            ends[n++] = (struct store_partition_end){grant->partition_id, grant->last_sequence,
                                                     grant->last_enqueued_ms};
    }
    return n;
}
