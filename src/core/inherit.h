#pragma once
#include <stdbool.h>
#include <stdint.h>

/* A fresh grant of a partition that this process has been reading all the time: after a fail-over
 * of the database every grant gets a fresh token, and the checkpoint that is stored is as old as
 * the outage. What the former grant has delivered since need not be delivered again, if nothing of
 * what it rests on can have been lost with the old primary. */

#define INHERIT_NONE INT64_MIN

/* Sequence numbers of the former grant; INHERIT_NONE where there is none. */
struct inherit_past {
    int64_t began;    /* the checkpoint that it began behind */
    int64_t lettered; /* the highest event of which a dead letter was stored */
    int64_t prefix;   /* the end of its completed prefix */
};

/* May the fresh grant begin at the end of the former one's prefix, instead of behind the stored
 * checkpoint? Both are of the same log and generation. */
bool inherit_prefix(const struct inherit_past *past, int64_t stored);
