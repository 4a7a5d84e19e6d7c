#pragma once
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The properties of a Thing that were refused of late: most refusals are of a property that the
 * Thing does not have, and come back with every event. All zero knows none. */
#define POISON_MAX 8u

struct poison {
    uint64_t names[POISON_MAX]; /* hashes: a false match costs one request, no value */
    uint32_t count;
    uint32_t next; /* which is forgotten first when all places are taken */
};

void poison_remember(struct poison *p, struct slice property);
/* The property was accepted after all. */
void poison_forget(struct poison *p, struct slice property);
bool poison_knows(const struct poison *p, struct slice property);
