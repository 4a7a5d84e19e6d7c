#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which of several database hosts is the one to work with. A promotion begins a higher timeline of
 * the same system identifier; a primary that was left behind by it may still take writes, and only
 * its lower timeline shows it. */

struct primary_place {
    char system_identifier[24]; /* "": none known */
    int timeline;
};

enum primary_state {
    PRIMARY_ASKED,     /* no answer yet */
    PRIMARY_FAILED,    /* not reachable, or refused */
    PRIMARY_READ_ONLY, /* a standby, or set to read only */
    PRIMARY_WRITABLE
};

struct primary_answer {
    enum primary_state state;
    struct primary_place place; /* when writable */
};

/* How long to wait for the other hosts once one could be used: the first to answer may be the one
 * that was left behind. */
#define PRIMARY_GRACE_US INT64_C(500000)

/* Was `found` left behind by a timeline on which we have been? */
bool primary_left_behind(const struct primary_place *known, const struct primary_place *found);
/* Is `found` a later timeline of the same cluster? */
bool primary_newer(const struct primary_place *known, const struct primary_place *found);
/* Remembers the highest timeline; another system identifier is another cluster and begins anew. */
void primary_saw(struct primary_place *known, const struct primary_place *found);

/* The host to use, or -1: writable, not left behind, of the cluster that is known if one of it
 * answers, else of the first that answers; the highest timeline, and the first of equals. */
int primary_choose(const struct primary_place *known, const struct primary_answer *answers,
                   size_t count);
/* Whether to stop waiting for answers: all have come, or one is on a later timeline than is known,
 * so it cannot have been left behind, or the first usable one (at `usable_us`, 0: none) has waited
 * long enough for the others. */
bool primary_settled(const struct primary_place *known, const struct primary_answer *answers,
                     size_t count, int64_t usable_us, int64_t now_us);

/* Says why a host was left behind. */
void primary_explain(const struct primary_place *known, const struct primary_place *found,
                     struct error *why);
