#include "base/random.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>

void random_seed(struct random *r, uint64_t seed)
{
    r->state = seed;
}

uint64_t random_next(struct random *r)
{
    /* splitmix64 by Sebastiano Vigna, public domain. */
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t random_below(struct random *r, uint64_t bound)
{
    return bound == 0 ? 0 : (uint64_t)(((unsigned __int128)random_next(r) * bound) >> 64);
}

void random_secret(void *bytes, size_t n)
{
    char *to = bytes;
    while (n > 0) {
        ssize_t got = getrandom(to, n, 0);
        if (got < 0)
            abort();
        to += got;
        n -= (size_t)got;
    }
}
