#pragma once
#include <stdbool.h>
#include <stdint.h>

/* How many rows a second may be sent: a bucket that fills evenly and holds a tenth of a second's
 * worth. A request may overdraw it, and the next waits until that is made up for. */
struct rate {
    uint32_t per_second; /* 0: no limit */
    int64_t full_us;     /* when the bucket is full again */
};

void rate_set(struct rate *r, uint32_t per_second);
/* When the next request may be sent; 0 if at once. */
int64_t rate_next_us(const struct rate *r, int64_t now_us);
void rate_sent(struct rate *r, uint32_t rows, int64_t now_us);
