#include "core/rate.h"

#define SECOND 1000000
#define DEPTH_US (SECOND / 10)

void rate_set(struct rate *r, uint32_t per_second)
{
    r->per_second = per_second;
    if (per_second == 0)
        r->full_us = 0;
}

int64_t rate_next_us(const struct rate *r, int64_t now_us)
{
    int64_t next = r->full_us - DEPTH_US;
    return r->per_second > 0 && next > now_us ? next : 0;
}

void rate_sent(struct rate *r, uint32_t rows, int64_t now_us)
{
    if (r->per_second == 0)
        return;
    if (r->full_us < now_us)
        r->full_us = now_us;
    r->full_us += (int64_t)rows * SECOND / r->per_second;
}
