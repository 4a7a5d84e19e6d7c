#include "core/pause.h"

#include "base/clock.h"
#include "core/retry.h"

#define TRIAL_LEAST_US (500 * MS_US)
#define TRIAL_BASE_US (1 * SECOND_US)
#define TRIAL_CAP_US (30 * SECOND_US)

static void try_later(struct pause *p, int64_t now_us, struct random *random)
{
    p->trial_at_us =
        now_us + TRIAL_LEAST_US + retry_delay_us(p->attempts, TRIAL_BASE_US, TRIAL_CAP_US, random);
}

void pause_init(struct pause *p)
{
    *p = (struct pause){0};
}

bool pause_allows(const struct pause *p, int64_t now_us)
{
    return !p->paused || (!p->trial && now_us >= p->trial_at_us);
}

bool pause_begin(struct pause *p)
{
    if (p->paused)
        p->trial = true;
    return p->paused;
}

bool pause_fault(struct pause *p, bool certain, bool trial, int64_t started_us, int64_t now_us,
                 struct random *random)
{
    if (p->paused) {
        /* only the trial counts: what was under way when it paused says nothing new */
        if (trial) {
            p->trial = false;
            p->attempts++;
            try_later(p, now_us, random);
        }
        return false;
    }
    if (!certain && (p->doubted_us == 0 || started_us <= p->doubted_us)) {
        if (p->doubted_us == 0)
            p->doubted_us = now_us;
        return false;
    }
    *p = (struct pause){.paused = true};
    try_later(p, now_us, random);
    return true;
}

bool pause_passed(struct pause *p, bool trial, int64_t started_us)
{
    if (!p->paused) {
        if (started_us > p->doubted_us)
            p->doubted_us = 0;
        return false;
    }
    if (!trial)
        return false;
    pause_init(p);
    return true;
}

void pause_unknown(struct pause *p, bool trial, int64_t now_us, struct random *random)
{
    if (!p->paused || !trial)
        return;
    p->trial = false;
    try_later(p, now_us, random);
}

void pause_mended(struct pause *p, int64_t now_us)
{
    p->attempts = 0;
    p->trial_at_us = now_us;
}
