#pragma once
#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether a whole destination is paused because of a configuration fault (key, rights, URL).
 * While paused, one request at a time is let through, with back-off, to find out when it is
 * mended. Pure.
 *
 * A refused key (401) or a foreign page is everybody's fault at once. A 403 or 406 may concern
 * one Thing only, so it pauses only when a second request, sent after the first such answer, is
 * refused too before any is accepted. */
struct pause {
    bool paused;
    bool trial;          /* the request that tries it is under way */
    unsigned attempts;   /* failed trials */
    int64_t trial_at_us; /* while paused: when the next trial may go out */
    int64_t doubted_us;  /* when the first 403 came that nothing has contradicted; 0 = none */
};

void pause_init(struct pause *p);

/* Whether a request may go out now. */
bool pause_allows(const struct pause *p, int64_t now_us);

/* A request goes out; true if it is the trial. */
bool pause_begin(struct pause *p);

/* A request sent at `started_us` met a configuration fault; `certain` if it concerns everybody.
 * True if this pauses the destination that was not paused before. */
bool pause_fault(struct pause *p, bool certain, bool trial, int64_t started_us, int64_t now_us,
                 struct random *random);

/* A request sent at `started_us` got past key and rights. True if this ends a pause. */
bool pause_passed(struct pause *p, bool trial, int64_t started_us);

/* The trial ended without saying anything (no answer, unavailable): another one later. */
void pause_unknown(struct pause *p, bool trial, int64_t now_us, struct random *random);

/* Somebody mended the configuration: try at once. */
void pause_mended(struct pause *p, int64_t now_us);
