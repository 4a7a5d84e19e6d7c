#pragma once
#include "base/slice.h"

#include <stdint.h>

/* A fast 64-bit hash for tables in memory. Not keyed, not stable between versions or machines:
 * never store it. */
static inline uint64_t hash_bytes(struct slice s)
{
    uint64_t hash = 0x9e3779b97f4a7c15u ^ s.n;
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t word;
        memcpy(&word, s.p + i, sizeof word);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    uint64_t rest = 0;
    for (unsigned shift = 0; i < s.n; i++, shift += 8)
        rest |= (uint64_t)(unsigned char)s.p[i] << shift;
    hash = (hash ^ rest) * 0xc4ceb9fe1a85ec53u;
    return hash ^ (hash >> 32);
}
