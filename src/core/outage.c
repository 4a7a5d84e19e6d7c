#include "core/outage.h"

bool outage_end(struct outage *o)
{
    bool failed = o->failed;
    *o = (struct outage){0};
    return failed;
}

bool outage_look(struct outage *o, bool waiting, int64_t failed_after_us, int64_t now_us)
{
    if (o->failed)
        return false;
    if (!waiting) {
        o->since_us = 0;
        return false;
    }
    if (o->since_us == 0)
        o->since_us = now_us;
    o->failed = now_us - o->since_us >= failed_after_us;
    return o->failed;
}
