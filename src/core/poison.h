#pragma once
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The properties of a Thing that were refused of late: most refusals are of a property that the
 * Thing does not have, and come back with every event. All zero knows none. */
#define POISON_MAX 8u
#define POISONS_SLOTS 512u

struct poison {
    uint64_t names[POISON_MAX]; /* hashes: a false match costs one request, no value */
    uint32_t count;
    uint32_t next; /* which is forgotten first when all places are taken */
    bool missing;  /* the Thing itself: proven, and nothing of it was accepted since */
};

void poison_remember(struct poison *p, struct slice property);
/* The property was accepted after all. */
void poison_forget(struct poison *p, struct slice property);
bool poison_knows(const struct poison *p, struct slice property);

/* Of many Things, by the hash of their name; it outlives their lanes. Where two share a place the
 * later one stays, which only costs a search more. All zero knows none. */
struct poisons {
    bool any; /* most destinations refuse nothing, and this spares them the look */
    struct {
        uint64_t thing;
        struct poison poison;
    } slots[POISONS_SLOTS];
};

/* What is known of the Thing; NULL: nothing. */
struct poison *poisons_find(struct poisons *p, uint64_t thing);
/* The same; it has its place from now on. */
struct poison *poisons_make(struct poisons *p, uint64_t thing);
