#pragma once
#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

/* How much a node logs: as it was started, or as an administrator asked for a while. What was asked
 * last counts, by a signal or by SQL. Pure. */

/* What the database says is wanted of this node. */
struct verbosity_wish {
    int64_t id; /* each wish has one of its own, rising; 0: there is none */
    enum log_level level;
    int64_t for_us; /* from now on */
};

struct verbosity {
    enum log_level own;  /* to fall back to */
    enum log_level wish; /* in force until then */
    int64_t until_us;    /* 0: no wish is in force */
    int64_t wish_id;     /* the last that was heard of */
};

void verbosity_init(struct verbosity *v, enum log_level own);
/* A wish as the configuration has it, each time that it is read: the same one counts once, and ends
 * early when it is there no more. */
void verbosity_ask(struct verbosity *v, const struct verbosity_wish *wish, int64_t now_us);
/* A signal: one step more, or less; it stays until something else is asked. */
void verbosity_step(struct verbosity *v, bool more, int64_t now_us);
/* What is in force now. */
enum log_level verbosity_now(struct verbosity *v, int64_t now_us);
