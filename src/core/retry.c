#include "core/retry.h"

int64_t retry_delay_us(unsigned attempt, int64_t base_us, int64_t cap_us, struct random *random)
{
    int64_t span = base_us;
    while (attempt > 0 && span < cap_us) {
        /* halving the cap instead of doubling the span cannot overflow */
        span = span > cap_us / 2 ? cap_us : span * 2;
        attempt--;
    }
    if (span > cap_us)
        span = cap_us;
    return span <= 0 ? 0 : (int64_t)random_below(random, (uint64_t)span);
}
