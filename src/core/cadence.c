#include "core/cadence.h"

#include "base/clock.h"

enum { LEAST_MS = 1000, FOR_EACH_MS = 10, MOST_MS = 5000 };

int64_t cadence_us(int64_t live_sessions)
{
    if (live_sessions <= LEAST_MS / FOR_EACH_MS)
        return LEAST_MS * MS_US;
    if (live_sessions >= MOST_MS / FOR_EACH_MS)
        return MOST_MS * MS_US;
    return live_sessions * FOR_EACH_MS * MS_US;
}
