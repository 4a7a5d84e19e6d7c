#pragma once
#include <stdint.h>

/* How often a node asks what has changed, and tells how it is: every second, and in a cluster of
 * more than a hundred nodes a hundredth of a second for each of them, five at most, so that what
 * the database has to bear of it does not grow with the cluster. Notices tell at once what has
 * changed; pings, watches and the leader's duty keep their own time. */
int64_t cadence_us(int64_t live_sessions);
