#include "core/refusals.h"

#include "base/clock.h"

#include <stddef.h>

#define RECENT_US (300 * SECOND_US)

static struct refusal *slot(struct refusals *r, uint64_t thing)
{
    return &r->slots[thing % REFUSALS_SLOTS];
}

const struct refusal *refusals_find(const struct refusals *r, uint64_t thing, int64_t now_us)
{
    const struct refusal *s = &r->slots[thing % REFUSALS_SLOTS];
    if (s->status == 0 || s->thing != thing || now_us - s->last_us > RECENT_US)
        return NULL;
    return s;
}

void refusals_note(struct refusals *r, uint64_t thing, int status, int64_t now_us)
{
    const struct refusal *known = refusals_find(r, thing, now_us);
    int64_t first_us = known != NULL && known->status == status ? known->first_us : now_us;
    *slot(r, thing) = (struct refusal){thing, status, first_us, now_us};
}

void refusals_accepted(struct refusals *r, uint64_t thing)
{
    struct refusal *s = slot(r, thing);
    if (s->thing == thing && s->status == 404)
        *s = (struct refusal){0};
}
