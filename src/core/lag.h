#pragma once
#include <stdint.h>

/* How far delivery of a partition is behind its log, as its owner knows it. Pure. */

/* What the owner knows; -1: not known. Times are those at which the hub took the events. */
struct lag_known {
    int64_t newest_sequence, newest_ms; /* of the log's newest event, as last told */
    int64_t done_sequence, done_ms;     /* of the last event up to which all is delivered */
    int64_t oldest_ms;                  /* of the oldest event that was read and is not delivered */
};

struct lag {
    int64_t events; /* not delivered yet; -1: not known */
    int64_t ms;     /* how long the oldest of them waits; -1: not known */
};

/* While events are held here, the age of the oldest counts, which grows however long nothing new is
 * read; else how much older the last delivered event is than the log's newest. Never below zero,
 * though the hub's clock may be ahead of ours. */
struct lag lag_of(const struct lag_known *known, int64_t now_ms);
