#pragma once
#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

/* A circuit breaker for one base URL: stops sending to what does not work, and finds out by
 * probing when it works again. Pure: told what happened and when, it says what is allowed.
 *
 *   closed     requests go out
 *   open       nothing goes out but the probe, at `probe_at_us`
 *   half open  the probe was answered well: one request at a time is let through to prove it
 */
enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };

enum breaker_event {
    BREAKER_SUCCESS,       /* a request was answered as it should be */
    BREAKER_FAILURE,       /* a request failed in a way that may be chance: enough in a row open */
    BREAKER_DEAD,          /* nobody there (refused, unreachable, unknown name): opens at once */
    BREAKER_PROBE_OK,      /* the probe says ready */
    BREAKER_PROBE_REFUSED, /* something answers the probe, but does not say ready */
    BREAKER_PROBE_DEAD,    /* the probe got no answer */
    BREAKER_EVENTS
};

/* So many failures in a row, without a success between them, open the breaker. */
#define BREAKER_FAILURES 3
/* Every so many probes that are answered but not ready, one request is tried all the same: a
 * proxy may hide /ready while the rest works. */
#define BREAKER_TRIAL_EVERY 8

struct breaker {
    enum breaker_state state;
    unsigned failures;   /* in a row, while closed */
    unsigned probes;     /* failed probes in a row, while open */
    int64_t probe_at_us; /* while open: when the next probe is due */
    int64_t changed_us;  /* when `state` last changed */
};

/* Closed. */
void breaker_init(struct breaker *b, int64_t now_us);

/* Takes note of an event; true if the state changed. While open, the time of the next probe is
 * drawn with back-off from 0.1 s up to 3 s. */
bool breaker_note(struct breaker *b, enum breaker_event event, int64_t now_us,
                  struct random *random);

/* Whether a request may be sent while `trials` others are under way that were sent while half
 * open. */
bool breaker_allows(const struct breaker *b, unsigned trials);

/* Whether the breaker waits for a probe, and it is due. */
bool breaker_wants_probe(const struct breaker *b, int64_t now_us);

const char *breaker_state_name(enum breaker_state state);
