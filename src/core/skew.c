#include "core/skew.h"

#define LOOK_EVERY_US INT64_C(60000000)

bool skew_is_due(struct skew *s, int64_t now_us)
{
    if (now_us < s->look_at_us)
        return false;
    s->look_at_us = now_us + LOOK_EVERY_US;
    return true;
}

bool skew_seen(struct skew *s, int64_t skew_us)
{
    bool large = skew_us > SKEW_ALARM_US || skew_us < -SKEW_ALARM_US;
    bool tell = large && !s->told;
    s->told = large;
    return tell;
}
