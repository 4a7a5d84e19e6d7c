#pragma once
#include <stddef.h>
#include <stdint.h>

/* A small seeded generator (splitmix64), so that the simulator can replay what it drew.
 * Not for secrets: see random_secret. */
struct random {
    uint64_t state;
};

void random_seed(struct random *r, uint64_t seed);
uint64_t random_next(struct random *r);
/* Uniform in [0, bound); 0 if bound is 0. */
uint64_t random_below(struct random *r, uint64_t bound);

/* n bytes from the kernel, for keys and identifiers that nobody may guess. */
void random_secret(void *bytes, size_t n);
