#include "core/pulse.h"

void pulse_init(struct pulse *p, int64_t interval_us, int64_t margin_us, int64_t now_us)
{
    *p = (struct pulse){.beat_us = now_us, .interval_us = interval_us, .margin_us = margin_us};
}

static int64_t late_us(const struct pulse *p, int64_t now_us)
{
    return now_us - p->beat_us - p->interval_us;
}

int64_t pulse_beat(struct pulse *p, int64_t now_us, bool *gap)
{
    int64_t late = late_us(p, now_us);
    p->beat_us = now_us;
    *gap = late > p->margin_us;
    if (*gap)
        p->asleep = true;
    return late;
}

void pulse_confirm(struct pulse *p)
{
    p->asleep = false;
}

bool pulse_is_steady(const struct pulse *p, int64_t now_us)
{
    return !p->asleep && !pulse_is_late(p, now_us);
}

bool pulse_is_late(const struct pulse *p, int64_t now_us)
{
    return late_us(p, now_us) > p->margin_us;
}
