#pragma once
#include <stdbool.h>
#include <stdint.h>

/* How many requests a destination should have on the wire: as many as make its throughput no
 * better, found by watching latency. It begins with few, doubles while latency stays, and grows by
 * one once it has seen too many. When latency rises, half as many are tried for a moment: if that
 * makes them faster there were too many; if not, the platform or the network has become slower by
 * itself, and fewer requests would only mean less throughput. It goes down when requests fail, and
 * begins anew after an outage, so that a platform that has just come back is not knocked over by
 * the backlog.
 *
 * Answers are looked at in windows of at least as many answers as may be on the wire. */
struct concurrency {
    unsigned max;  /* the ceiling that the administrator set */
    bool adaptive; /* else `limit` is always `max` */
    unsigned limit;
    bool doubling;         /* since the beginning, or the last outage */
    int64_t baseline_us;   /* least mean latency of a window since it was last measured anew */
    int64_t probe_at_us;   /* when it is next measured, by a window with half as many requests */
    int64_t before_us;     /* mean latency before that window */
    unsigned probing_from; /* the limit to go back to; 0: no such window is on */
    int64_t window_began_us;
    int64_t latency_us; /* sum over the window, of what did not fail */
    unsigned answers;   /* in the window */
    unsigned failures;  /* of these */
    bool filled;        /* as many as allowed were on the wire in the window */
};

void concurrency_init(struct concurrency *c, unsigned max, bool adaptive);
/* Another ceiling. */
void concurrency_set(struct concurrency *c, unsigned max, bool adaptive);

/* A request was sent; `in_flight` counts it. */
void concurrency_sent(struct concurrency *c, unsigned in_flight);
/* A request was answered. `failed`: in a way that more requests make worse (no answer, throttled,
 * unavailable). */
void concurrency_answered(struct concurrency *c, int64_t latency_us, bool failed, int64_t now_us);
/* Nothing could be delivered for a while: begin with one request. */
void concurrency_restart(struct concurrency *c);
