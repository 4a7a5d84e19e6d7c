#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Whether the clock of a peer differs from ours so much that somebody should know. Looks once a
 * minute, and says it once until the clocks have come together again. All zero is the beginning. */
#define SKEW_ALARM_US INT64_C(60000000)

struct skew {
    int64_t look_at_us;
    bool told;
};

/* Whether to look at the peer's clock now; not again for a minute. */
bool skew_is_due(struct skew *s, int64_t now_us);
/* The peer's clock is ahead of ours by so much. Whether to say it. */
bool skew_seen(struct skew *s, int64_t skew_us);
