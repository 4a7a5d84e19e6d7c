#include "core/evidence.h"

void evidence_init(struct evidence *e)
{
    *e = (struct evidence){0};
}

void evidence_probe(struct evidence *e, bool ready)
{
    if (!ready)
        evidence_forget(e);
    e->ready = ready;
}

void evidence_accepted(struct evidence *e, uint64_t thing, int64_t started_us)
{
    struct evidence_acceptance *newest = &e->accepted[0];
    if (newest->thing != thing) {
        e->accepted[1] = *newest;
        *newest = (struct evidence_acceptance){thing, started_us};
    } else if (started_us > newest->started_us) {
        newest->started_us = started_us;
    }
}

void evidence_forget(struct evidence *e)
{
    *e = (struct evidence){.generation = e->generation + 1};
}

bool evidence_refuted(const struct evidence *e, uint64_t thing, int64_t since_us)
{
    if (!e->ready)
        return false;
    for (int i = 0; i < 2; i++) {
        const struct evidence_acceptance *a = &e->accepted[i];
        if (a->started_us != 0 && a->started_us >= since_us && a->thing != thing)
            return true;
    }
    return false;
}
