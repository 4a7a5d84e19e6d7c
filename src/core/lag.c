#include "core/lag.h"

static int64_t behind(int64_t newest, int64_t done)
{
    if (newest < 0 || done < 0)
        return -1;
    return newest > done ? newest - done : 0;
}

struct lag lag_of(const struct lag_known *known, int64_t now_ms)
{
    struct lag lag = {.events = behind(known->newest_sequence, known->done_sequence),
                      .ms = behind(known->newest_ms, known->done_ms)};
    if (known->oldest_ms >= 0)
        lag.ms = now_ms > known->oldest_ms ? now_ms - known->oldest_ms : 0;
    else if (lag.events == 0)
        lag.ms = 0;
    return lag;
}
