#pragma once
#include "base/random.h"

#include <stdint.h>

/* How long to wait before attempt number `attempt` + 1 (0 = the first retry): capped exponential
 * back-off with full jitter, so uniform in [0, min(cap_us, base_us * 2^attempt)). Full jitter
 * spreads a thousand lanes that failed together over the whole interval. */
int64_t retry_delay_us(unsigned attempt, int64_t base_us, int64_t cap_us, struct random *random);
