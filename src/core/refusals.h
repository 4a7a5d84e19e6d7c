#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Which Things were refused of late, and how: so that the second refusal of a Thing can be judged
 * by what happened since the first (evidence.h), whatever rows it was about. Things are known by
 * a hash; where two share a place the later one stays, which only delays a verdict.
 * All zero knows none. */
#define REFUSALS_SLOTS 512

struct refusal {
    uint64_t thing;
    int status;       /* of the answer; 0: the place is free */
    int64_t first_us; /* of the refusals in a row with this status */
    int64_t last_us;
};

struct refusals {
    struct refusal slots[REFUSALS_SLOTS];
};

/* What is remembered of the Thing; NULL if nothing, or nothing recent. */
const struct refusal *refusals_find(const struct refusals *r, uint64_t thing, int64_t now_us);

/* The Thing was refused. */
void refusals_note(struct refusals *r, uint64_t thing, int status, int64_t now_us);

/* The Thing was accepted, so it exists: a 404 is forgotten. Other refusals may concern one
 * property of many, and stay. */
void refusals_accepted(struct refusals *r, uint64_t thing);
