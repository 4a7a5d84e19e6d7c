#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the status page draws: the last ten minutes of a few figures, a point every five seconds.
 * Pure, and bounded: HISTORY_PARTITIONS_CEILING partitions are remembered, the others are shown
 * without their past. */

enum {
    HISTORY_POINTS = 120,
    HISTORY_STEP_MS = 5000,
    HISTORY_PARTITIONS_CEILING = 1024,
};

/* Of this node and of the cluster. */
enum history_series {
    HISTORY_NODE_LAG_MS,
    HISTORY_NODE_RATE,
    HISTORY_CLUSTER_LAG_MS,
    HISTORY_CLUSTER_RATE,
    HISTORY_SERIES
};

struct status_history;

struct status_history *status_history_create(void);
void status_history_free(struct status_history *h);

/* Begins the next point: whatever is not put before the one after it is a gap. */
void status_history_step(struct status_history *h);
/* Puts a value into the present point. Below 0: not known. */
void status_history_put(struct status_history *h, enum history_series series, int64_t value);
void status_history_put_partition(struct status_history *h, const char *hub, const char *partition,
                                  int64_t lag_ms);

/* The points, the oldest first, -1 for gaps. */
void status_history_get(const struct status_history *h, enum history_series series,
                        int64_t points[HISTORY_POINTS]);
/* The same of a partition's lag. False if there is none to draw. */
bool status_history_get_partition(const struct status_history *h, const char *hub,
                                  const char *partition, int64_t points[HISTORY_POINTS]);
