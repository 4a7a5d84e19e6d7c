#pragma once
#include "db.h"
#include "world.h"

/* What goes wrong in one run, drawn from its seed before it begins, so that a failing run can be
 * tried again with fewer faults. */

enum { FAULTS_MAX = 64 };

enum fault_kind {
    FAULT_KILL,
    FAULT_KILL_INSIDE, /* in the middle of a callback: some of what it sends is gone */
    FAULT_PAUSE,
    FAULT_PAUSE_INSIDE,
    FAULT_LEAVE,
    FAULT_CUT_DATABASE, /* the network between one node and one server */
    FAULT_CUT_HUB,
    FAULT_SLOW_NETWORK,
    FAULT_CRASH,
    FAULT_RESTART,
    FAULT_FAIL_OVER,
    FAULT_SPLIT, /* a fail-over, and the old primary goes on */
    FAULT_FREEZE_DATABASE,
    FAULT_SLOW_DATABASE,
    FAULT_TERMINATE, /* one backend */
    FAULT_REFUSE_CONNECTIONS,
    FAULT_WALL_CLOCK, /* of the database steps */
    FAULT_HUB_DOWN,
    FAULT_HUB_DROPS, /* connections */
    FAULT_HUB_RECREATED,
    FAULT_HUB_BUSY,
    FAULT_HUB_REFUSES, /* one node */
    FAULT_PLATFORM,
    FAULT_DRAIN,
    FAULT_MOVE,
    FAULT_DISABLE,
    FAULT_KINDS
};

struct fault {
    enum fault_kind kind;
    int64_t at_us, span_us;
    int a, b;
    bool left_out;
};

struct plan {
    uint64_t seed;
    enum db_rule broken;
    int nodes, ttl_ms, partitions, max_rows, notify_loss;
    bool synchronous;
    int64_t produce_us; /* about so long between events */
    struct fault faults[FAULTS_MAX];
    int fault_count;
};

void plan_draw(struct plan *plan, uint64_t seed, enum db_rule broken);
void plan_print(const struct plan *plan, FILE *out);

struct outcome {
    bool failed;
    char failure[512];
    uint64_t steps;
    int64_t simulated_us;
    uint64_t accepted, repeated, letters, grants;
};
/* Runs the plan from beginning to end. */
struct outcome plan_run(const struct plan *plan, FILE *trace);
