#include "core/breaker.h"

#include "base/clock.h"
#include "core/retry.h"

#define PROBE_BASE_US (200 * MS_US)
#define PROBE_CAP_US (3 * SECOND_US)
#define PROBE_LEAST_US (100 * MS_US)

/* What an event does in a state. */
enum action {
    IGNORE,  /* nothing changes */
    HEALTHY, /* forget the failures */
    COUNT,   /* one failure more; opens at BREAKER_FAILURES */
    TRIP,    /* open, first probe soon */
    WAIT,    /* stay open, next probe later */
    TRY,     /* like WAIT, but lets a request through every BREAKER_TRIAL_EVERY probes */
    ADMIT,   /* half open */
    CLOSE
};

static const enum action table[BREAKER_STATES][BREAKER_EVENTS] = {
    [BREAKER_CLOSED] =
        {
            [BREAKER_SUCCESS] = HEALTHY,
            [BREAKER_FAILURE] = COUNT,
            [BREAKER_DEAD] = TRIP,
            [BREAKER_PROBE_OK] = IGNORE,
            [BREAKER_PROBE_REFUSED] = IGNORE, /* requests tell; see evidence.h for "not ready" */
            [BREAKER_PROBE_DEAD] = COUNT,
        },
    [BREAKER_OPEN] =
        {
            [BREAKER_SUCCESS] = CLOSE, /* a request from before it opened came through after all */
            [BREAKER_FAILURE] = IGNORE,
            [BREAKER_DEAD] = IGNORE,
            [BREAKER_PROBE_OK] = ADMIT,
            [BREAKER_PROBE_REFUSED] = TRY,
            [BREAKER_PROBE_DEAD] = WAIT,
        },
    [BREAKER_HALF_OPEN] =
        {
            [BREAKER_SUCCESS] = CLOSE,
            [BREAKER_FAILURE] = WAIT,
            [BREAKER_DEAD] = WAIT,
            [BREAKER_PROBE_OK] = IGNORE,
            [BREAKER_PROBE_REFUSED] = WAIT,
            [BREAKER_PROBE_DEAD] = WAIT,
        },
};

static void enter(struct breaker *b, enum breaker_state state, int64_t now_us)
{
    b->state = state;
    b->changed_us = now_us;
    b->failures = 0;
    if (state == BREAKER_CLOSED)
        b->probes = 0;
}

static void open_until_probe(struct breaker *b, int64_t now_us, struct random *random)
{
    if (b->state != BREAKER_OPEN)
        enter(b, BREAKER_OPEN, now_us);
    b->probe_at_us =
        now_us + PROBE_LEAST_US + retry_delay_us(b->probes, PROBE_BASE_US, PROBE_CAP_US, random);
}

void breaker_init(struct breaker *b, int64_t now_us)
{
    *b = (struct breaker){.state = BREAKER_CLOSED, .changed_us = now_us};
}

bool breaker_note(struct breaker *b, enum breaker_event event, int64_t now_us,
                  struct random *random)
{
    enum breaker_state before = b->state;
    switch (table[b->state][event]) {
    case IGNORE:
        break;
    case HEALTHY:
        b->failures = 0;
        break;
    case COUNT:
        if (++b->failures >= BREAKER_FAILURES)
            open_until_probe(b, now_us, random);
        break;
    case TRIP:
        open_until_probe(b, now_us, random);
        break;
    case TRY:
        if (++b->probes % BREAKER_TRIAL_EVERY == 0)
            enter(b, BREAKER_HALF_OPEN, now_us);
        else
            open_until_probe(b, now_us, random);
        break;
    case WAIT:
        b->probes++;
        open_until_probe(b, now_us, random);
        break;
    case ADMIT:
        enter(b, BREAKER_HALF_OPEN, now_us);
        break;
    case CLOSE:
        enter(b, BREAKER_CLOSED, now_us);
        break;
    }
    return b->state != before;
}

bool breaker_allows(const struct breaker *b, unsigned trials)
{
    return b->state == BREAKER_CLOSED || (b->state == BREAKER_HALF_OPEN && trials == 0);
}

bool breaker_wants_probe(const struct breaker *b, int64_t now_us)
{
    return b->state == BREAKER_OPEN && now_us >= b->probe_at_us;
}

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[BREAKER_STATES] = {"closed", "open", "half_open"};
    return names[state];
}
