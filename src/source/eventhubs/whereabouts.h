#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Whether the endpoint of an IoT hub may have moved, and when the IoT hub is to be asked for it.
 *
 * A hub that fails over gets another endpoint. Who still uses the old one is told "not found", and
 * may ask before the IoT hub itself knows better: then it names the old one once more. So that
 * answer is not believed at once: the IoT hub is asked again, soon at first and then ever less
 * often. Once it has said the same often enough, "not found" means what it says; from then on it
 * is asked only when somebody is told so again, and not in a hurry. */

struct random;

/* All zero at first. */
struct whereabouts {
    bool missing;      /* somebody was told "not found": the IoT hub is to be asked */
    unsigned same;     /* answers in a row that named the endpoint that is known */
    int64_t missed_us; /* when somebody was told last */
    int64_t ask_at_us; /* not before */
};

/* Somebody was told that something does not exist. True if it may have moved; false if "not found"
 * is final. */
bool whereabouts_missed(struct whereabouts *w, int64_t now_us);
/* Whether the IoT hub is to be asked now. */
bool whereabouts_due(const struct whereabouts *w, int64_t now_us);
/* It has named the endpoint that is known. */
void whereabouts_same(struct whereabouts *w, int64_t now_us, struct random *random);
/* It did not answer. */
void whereabouts_unanswered(struct whereabouts *w, int64_t now_us);
/* The endpoint is another one, or used anew: nobody misses anything there. */
void whereabouts_arrived(struct whereabouts *w);
