#include "core/evidence.h"

/* FNV-1a. A collision makes two Things look like one, which only delays a verdict. */
static uint64_t hash(struct slice text)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < text.n; i++)
        h = (h ^ (unsigned char)text.p[i]) * UINT64_C(1099511628211);
    return h ? h : 1;
}

void evidence_init(struct evidence *e)
{
    *e = (struct evidence){0};
}

void evidence_probe(struct evidence *e, bool ready, int64_t started_us)
{
    if (!ready) {
        evidence_forget(e);
        return;
    }
    e->ready = true;
    e->ready_us = started_us;
}

void evidence_accepted(struct evidence *e, struct slice thing, int64_t started_us)
{
    uint64_t h = hash(thing);
    struct evidence_acceptance *newest = &e->accepted[0];
    if (newest->thing != h) {
        e->accepted[1] = *newest;
        *newest = (struct evidence_acceptance){h, started_us};
    } else if (started_us > newest->started_us) {
        newest->started_us = started_us;
    }
}

void evidence_forget(struct evidence *e)
{
    *e = (struct evidence){.generation = e->generation + 1};
}

bool evidence_refuted(const struct evidence *e, struct slice thing, int64_t since_us)
{
    if (!e->ready || e->ready_us <= since_us)
        return false;
    uint64_t h = hash(thing);
    for (int i = 0; i < 2; i++) {
        const struct evidence_acceptance *a = &e->accepted[i];
        if (a->thing != 0 && a->thing != h && a->started_us > since_us)
            return true;
    }
    return false;
}
