#pragma once
#include <stdbool.h>
#include <stdint.h>

/* What is known about one base URL when it refuses a Thing. A 404 or 500 is the fault of the data
 * only if the platform works for others: a platform that is starting answers 404 to everything,
 * and must never drain the stream into dead letters.
 *
 * Two distinct Things are enough: whichever Thing is refused, one of the two is another one.
 * Things are known by a hash of their name (core/hash.h): a collision makes two look like one,
 * which only delays a verdict. */
struct evidence_acceptance {
    uint64_t thing;
    int64_t started_us; /* when the accepted request was sent; 0 = none */
};

struct evidence {
    bool ready;          /* the last probe said ready, and nothing has failed since */
    uint64_t generation; /* counts the times when everything was forgotten */
    struct evidence_acceptance accepted[2]; /* the latest, of distinct Things; newest first */
};

void evidence_init(struct evidence *e);

/* A probe said ready, or did not. */
void evidence_probe(struct evidence *e, bool ready);

/* A request for `thing` that was sent at `started_us` was accepted. */
void evidence_accepted(struct evidence *e, uint64_t thing, int64_t started_us);

/* The platform failed (no answer, unavailable, key refused): what was seen before says nothing
 * about what it is now. */
void evidence_forget(struct evidence *e);

/* Whether a request for `thing` that is sent now would, if it is refused like the one that was
 * refused at `since_us`, be refused for its own sake: the platform is ready, and has accepted
 * another Thing by a request that was sent at `since_us` or later and is answered by now.
 * (The same microsecond is late enough: the platform had refused before we heard of it.) */
bool evidence_refuted(const struct evidence *e, uint64_t thing, int64_t since_us);
