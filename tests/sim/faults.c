#include "faults.h"

#include "checks.h"
#include "hub.h"
#include "platform.h"
#include "server.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_US = 3000000,
    QUIET_US = 40000000, /* the faults end */
    CEASE_US = 75000000, /* what is there now must be delivered at the end; a trickle goes on */
    TRICKLE = 4,         /* so many times slower */
    END_US = 95000000,
    LATEST_US = 300000000, /* the end of a run that is not drained by then: see drain_all */
    WALL_US = 1700000000   /* seconds, see below */
};

static const char *const names[FAULT_KINDS] = {"kill",
                                               "kill inside",
                                               "pause",
                                               "pause inside",
                                               "leave",
                                               "cut database",
                                               "cut hub",
                                               "slow network",
                                               "crash",
                                               "restart",
                                               "fail over",
                                               "split",
                                               "freeze database",
                                               "slow database",
                                               "terminate",
                                               "refuse connections",
                                               "wall clock",
                                               "hub down",
                                               "hub drops",
                                               "hub recreated",
                                               "hub busy",
                                               "hub refuses",
                                               "platform",
                                               "drain",
                                               "move",
                                               "disable"};

/* ---- drawing ------------------------------------------------------------------------------ */

static int64_t between(struct random *r, int64_t low, int64_t high)
{
    return low + (int64_t)random_below(r, (uint64_t)(high - low) + 1);
}

static void draw_fault(const struct plan *plan, struct random *r, bool fail_over, struct fault *f)
{
    int64_t ttl_us = plan->ttl_ms * INT64_C(1000);
    *f = (struct fault){.kind = (enum fault_kind)between(r, 0, FAULT_KINDS - 1),
                        .at_us = between(r, FIRST_US, QUIET_US - 2000000),
                        .span_us = between(r, 10000, 5000000),
                        .a = (int)between(r, 0, plan->nodes - 1),
                        .b = (int)between(r, 0, 1)};
    switch (f->kind) {
    case FAULT_PAUSE:
    case FAULT_PAUSE_INSIDE:
        f->span_us = between(r, ttl_us / 10, 3 * ttl_us);
        break;
    case FAULT_FAIL_OVER:
    case FAULT_SPLIT:
    case FAULT_WALL_CLOCK:
        /* Two servers whose clocks differ by more than what was lost are not modelled. */
        if ((f->kind == FAULT_WALL_CLOCK) == fail_over)
            f->kind = FAULT_CRASH;
        break;
    case FAULT_HUB_RECREATED:
        if (between(r, 0, 3) > 0)
            f->kind = FAULT_HUB_DROPS;
        break;
    case FAULT_PLATFORM:
        f->a = (int)between(r, PLATFORM_OK + 1, PLATFORM_STATES - 1);
        f->b = (int)between(r, 0, 2); /* 2: both */
        break;
    case FAULT_MOVE:
        f->b = (int)between(r, 0, 2 * plan->partitions - 1);
        break;
    default:
        break;
    }
}

void plan_draw(struct plan *plan, uint64_t seed, enum db_rule broken)
{
    static const int ttls[] = {500, 1000, 2000};
    struct random r;
    random_seed(&r, seed ^ 0x5eed);
    *plan = (struct plan){.seed = seed,
                          .broken = broken,
                          .nodes = (int)between(&r, 3, WORLD_NODES),
                          .ttl_ms = ttls[between(&r, 0, 2)],
                          .partitions = (int)between(&r, 1, HUB_PARTITIONS),
                          .notify_loss = (int)between(&r, 0, 2) * 40,
                          .synchronous = between(&r, 0, 1) == 1,
                          .produce_us = between(&r, 5000, 40000)};
    plan->produce_us = plan->produce_us * HUB_PARTITIONS / plan->partitions;
    plan->max_rows = between(&r, 0, 4) == 0 ? (int)between(&r, 3, 12) : 0;
    plan->fault_count = (int)between(&r, 1, 40);
    bool fail_over = between(&r, 0, 1) == 1;
    for (int i = 0; i < plan->fault_count; i++)
        draw_fault(plan, &r, fail_over, &plan->faults[i]);
}

void plan_print(const struct plan *plan, FILE *out)
{
    (void)fprintf(
        out, "seed %llu: %d nodes, TTL %d ms, 2 x %d partitions, standby %s, NOTIFY loss %d %%\n",
        (unsigned long long)plan->seed, plan->nodes, plan->ttl_ms, plan->partitions,
        plan->synchronous ? "synchronous" : "asynchronous", plan->notify_loss);
    for (int i = 0; i < plan->fault_count; i++) {
        const struct fault *f = &plan->faults[i];
        if (!f->left_out)
            (void)fprintf(out, "  fault %2d at %8.3f s for %6.3f s: %s %d %d\n", i,
                          (double)f->at_us / 1e6, (double)f->span_us / 1e6, names[f->kind], f->a,
                          f->b);
    }
}

/* ---- carrying out ------------------------------------------------------------------------- */

static void drain(struct db *db, int node, int drained)
{
    db_drain(db, node, drained != 0);
}

static void move(struct db *db, int partition, int node)
{
    (void)db_move(db, partition, node);
}

static void enable(struct db *db, int hub, int enabled)
{
    db_enable_hub(db, hub, enabled != 0);
}

static void cut(struct world *w, int node, int kind, int64_t span_us)
{
    struct sim_node *n = &w->nodes[node];
    if (n->node == NULL || n->stopped || n->cut != CUT_NONE)
        return;
    n->cut = kind == FAULT_KILL_INSIDE ? CUT_KILL : CUT_STOP;
    n->cut_stop_us = span_us;
}

static void begin_at_node(struct world *w, const struct fault *f)
{
    struct sim_node *n = &w->nodes[f->a < WORLD_NODES ? f->a : 0];
    switch (f->kind) {
    case FAULT_KILL:
        node_kill(w, f->a);
        break;
    case FAULT_KILL_INSIDE:
    case FAULT_PAUSE_INSIDE:
        cut(w, f->a, f->kind, f->span_us);
        break;
    case FAULT_PAUSE:
        node_pause(w, f->a);
        break;
    case FAULT_LEAVE:
        node_leave(w, f->a);
        break;
    case FAULT_CUT_DATABASE:
        n->cut_off_db[f->b]++;
        break;
    case FAULT_CUT_HUB:
        n->cut_off_hub++;
        break;
    case FAULT_SLOW_NETWORK:
        n->slow = 30;
        break;
    case FAULT_TERMINATE:
        servers_terminate(w->servers, f->a, (int)world_between(w, 0, 2));
        break;
    case FAULT_HUB_REFUSES:
        hub_set_refusing(w->hubs, f->b, f->a, true);
        break;
    case FAULT_DRAIN:
        servers_change(w->servers, drain, f->a, 1);
        break;
    case FAULT_MOVE:
        servers_change(w->servers, move, f->b, f->a);
        break;
    default:
        break;
    }
}

static void begin_elsewhere(struct world *w, const struct fault *f)
{
    struct server *primary = servers_primary(w->servers);
    switch (f->kind) {
    case FAULT_CRASH:
    case FAULT_RESTART:
        servers_crash(w->servers, f->span_us, f->kind == FAULT_RESTART);
        break;
    case FAULT_FAIL_OVER:
    case FAULT_SPLIT:
        servers_fail_over(w->servers, f->kind == FAULT_SPLIT ? f->span_us : 0);
        break;
    case FAULT_FREEZE_DATABASE:
        if (primary != NULL)
            primary->frozen_until_us = w->now_us + f->span_us;
        break;
    case FAULT_SLOW_DATABASE:
        if (primary != NULL)
            primary->slow = 40;
        break;
    case FAULT_REFUSE_CONNECTIONS:
        w->servers->refuse = 70;
        break;
    case FAULT_WALL_CLOCK:
        if (primary != NULL)
            primary->wall_offset_us += (f->b ? 1 : -1) * f->span_us / 4;
        break;
    case FAULT_HUB_DOWN:
        hub_set_down(w->hubs, f->b, true);
        break;
    case FAULT_HUB_DROPS:
        hub_drop(w->hubs, f->b, NOWHERE);
        break;
    case FAULT_HUB_RECREATED:
        hub_recreate(w->hubs, f->b);
        break;
    case FAULT_HUB_BUSY:
        hub_set_busy(w->hubs, f->b, 60);
        break;
    case FAULT_PLATFORM:
        for (int i = 0; i < PLATFORM_URLS; i++)
            if (f->b == i || f->b == PLATFORM_URLS)
                platform_set(w->platform, i, (enum platform_state)f->a);
        break;
    case FAULT_DISABLE:
        /* A node that does not know the hub any more drops its partitions when in doubt. */
        for (int i = 0; i < w->node_count; i++)
            check_node_disturbed(w, i);
        servers_change(w->servers, enable, f->b, 0);
        break;
    default:
        break;
    }
}

static void end_fault(struct world *w, const struct fault *f)
{
    struct sim_node *n = &w->nodes[f->a < WORLD_NODES ? f->a : 0];
    switch (f->kind) {
    case FAULT_KILL:
    case FAULT_KILL_INSIDE:
    case FAULT_LEAVE:
        node_continue(w, f->a);
        if (f->kind != FAULT_LEAVE || n->leaving)
            node_kill(w, f->a);
        node_begin(w, f->a);
        break;
    case FAULT_PAUSE:
    case FAULT_PAUSE_INSIDE:
        node_continue(w, f->a);
        n->cut = CUT_NONE;
        break;
    case FAULT_CUT_DATABASE:
        n->cut_off_db[f->b]--;
        break;
    case FAULT_CUT_HUB:
        n->cut_off_hub--;
        break;
    case FAULT_SLOW_NETWORK:
        n->slow = 0;
        break;
    case FAULT_SLOW_DATABASE:
        for (int i = 0; i < SERVERS; i++)
            w->servers->server[i].slow = 1;
        break;
    case FAULT_REFUSE_CONNECTIONS:
        w->servers->refuse = 0;
        break;
    case FAULT_HUB_DOWN:
        hub_set_down(w->hubs, f->b, false);
        break;
    case FAULT_HUB_BUSY:
        hub_set_busy(w->hubs, f->b, 0);
        break;
    case FAULT_HUB_REFUSES:
        hub_set_refusing(w->hubs, f->b, f->a, false);
        break;
    case FAULT_PLATFORM:
        for (int i = 0; i < PLATFORM_URLS; i++)
            if (f->b == i || f->b == PLATFORM_URLS)
                platform_set(w->platform, i, PLATFORM_OK);
        break;
    case FAULT_DRAIN:
        servers_change(w->servers, drain, f->a, 0);
        break;
    case FAULT_DISABLE:
        servers_change(w->servers, enable, f->b, 1);
        break;
    default:
        break;
    }
}

static void on_fault(void *ctx, uint64_t number)
{
    const struct fault *f = ctx;
    struct world *w = the_world;
    world_trace(w, "fault %s %d %d %s", names[f->kind], f->a, f->b, number ? "ends" : "begins");
    if (number) {
        end_fault(w, f);
        return;
    }
    begin_at_node(w, f);
    begin_elsewhere(w, f);
}

/* ---- one run ------------------------------------------------------------------------------ */

static void on_produce(void *ctx, uint64_t period_us)
{
    struct world *w = ctx;
    int hub = (int)world_between(w, 0, HUBS - 1);
    hubs_produce(w->hubs, hub, (int)world_between(w, 0, hub_partitions(w->hubs) - 1),
                 (int)world_between(w, 1, 3));
    int64_t longest_us = 2 * (int64_t)period_us * (w->now_us < CEASE_US ? 1 : TRICKLE);
    world_at(w, w->now_us + world_between(w, 1, longest_us), NOWHERE, on_produce, NULL, w,
             period_us);
}

static void on_cease(void *ctx, uint64_t number)
{
    struct world *w = ctx;
    (void)number;
    hubs_fix_due(w->hubs);
}

/* All faults are over: what cannot mend itself (a process that is gone, an administrator's order)
 * is mended. */
static void on_quiet(void *ctx, uint64_t number)
{
    struct world *w = ctx;
    (void)number;
    world_trace(w, "the faults are over");
    hubs_become_clean(w->hubs);
    for (int i = 0; i < w->node_count; i++) {
        struct sim_node *n = &w->nodes[i];
        n->slow = 0;
        n->cut = CUT_NONE;
        n->cut_off_hub = n->cut_off_db[0] = n->cut_off_db[1] = 0;
        node_continue(w, i);
        if (n->node != NULL && n->leaves_us > 0)
            node_kill(w, i);
        node_begin(w, i);
        servers_change(w->servers, drain, i, 0);
        for (int k = 0; k < HUBS; k++)
            hub_set_refusing(w->hubs, k, i, false);
    }
    for (int i = 0; i < HUBS; i++) {
        hub_set_down(w->hubs, i, false);
        servers_change(w->servers, enable, i, 1);
    }
}

static void set_up(const struct plan *plan, struct world *w)
{
    const struct db_settings settings = {.rebalance_delay_ms = 200,
                                         .decline_pass_over_ms = 3000,
                                         .move_deadline_ms = 2000,
                                         .ttl_ms = plan->ttl_ms};
    w->ttl_ms = plan->ttl_ms;
    w->node_count = plan->nodes;
    w->quiet_us = QUIET_US;
    w->end_us = END_US;
    w->checks = checks_create(w);
    w->hubs = hubs_model_create(w, plan->partitions);
    w->platform = platform_create(w, plan->max_rows);
    w->servers = servers_create(w, &settings);
    w->servers->synchronous = plan->synchronous;
    w->servers->notify_loss = plan->notify_loss;
    for (int i = 0; i < SERVERS; i++) {
        w->servers->server[i].wall_offset_us = WALL_US * INT64_C(1000000);
        w->servers->server[i].db.broken = plan->broken;
    }
    for (int i = 0; i < HUBS; i++)
        db_enable_hub(&w->servers->server[0].db, i, true);
    for (int i = 0; i < plan->nodes; i++)
        node_begin(w, i);
    on_produce(w, (uint64_t)plan->produce_us);
    for (int i = 0; i < plan->fault_count; i++) {
        const struct fault *f = &plan->faults[i];
        int64_t end = f->at_us + f->span_us < QUIET_US ? f->at_us + f->span_us : QUIET_US - 1;
        if (f->left_out)
            continue;
        world_at(w, f->at_us, NOWHERE, on_fault, NULL, (void *)(uintptr_t)f, 0);
        world_at(w, end, NOWHERE, on_fault, NULL, (void *)(uintptr_t)f, 1);
    }
    world_at(w, QUIET_US, NOWHERE, on_quiet, NULL, w, 0);
    world_at(w, CEASE_US, NOWHERE, on_cease, NULL, w, 0);
}

/* A value that is refused is given up when ThingWorx has taken those of another Thing since, and
 * not before: a node may have to wait for events of one, and a Thing with many such values in a row
 * takes its time. So events go on to the end, and a run that is behind goes on for longer. */
static void drain_all(struct world *w)
{
    while (!w->failed && w->end_us < LATEST_US && !check_drained(w)) {
        w->end_us += END_US - CEASE_US;
        world_run(w);
    }
}

struct outcome plan_run(const struct plan *plan, FILE *trace)
{
    struct world w;
    world_init(&w, plan->seed, trace);
    set_up(plan, &w);
    world_run(&w);
    drain_all(&w);
    if (!w.failed)
        check_end(&w);
    struct check_counts counts = check_counts(w.checks);
    struct outcome outcome = {.failed = w.failed,
                              .steps = w.steps,
                              .simulated_us = w.now_us,
                              .accepted = counts.accepted,
                              .repeated = counts.repeated,
                              .letters = counts.letters,
                              .grants = counts.grants};
    memcpy(outcome.failure, w.failure, sizeof outcome.failure);
    world_free(&w);
    hubs_model_free(w.hubs);
    platform_free(w.platform);
    servers_free(w.servers);
    checks_free(w.checks);
    return outcome;
}
