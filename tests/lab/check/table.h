#pragma once
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

/* A hash table from a 64-bit key to two counters, 16 bytes each: millions of values have to be
 * joined. Keys are hashes of what they stand for; two different things share one with a
 * probability of about 2^-64 a pair, which is the only way in which the check can err. */
struct table_entry {
    uint64_t key; /* 0 = free */
    uint32_t a;
    uint32_t b;
};

struct table {
    struct table_entry *entries;
    size_t n;
    size_t capacity; /* a power of two */
};

void table_free(struct table *table);

/* The entry of that key, made with zeros if there is none. Valid until the next table_put. */
struct table_entry *table_put(struct table *table, uint64_t key);

/* The entry of that key, NULL if there is none. */
struct table_entry *table_find(const struct table *table, uint64_t key);

/* Hashes of text, and of two hashes or numbers in order. */
uint64_t table_hash(struct slice text);
uint64_t table_mix(uint64_t first, uint64_t second);
