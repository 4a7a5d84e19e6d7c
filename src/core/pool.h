#pragma once
#include <stddef.h>

/* Memory for things that come and go by the hundred thousand a second, in about the order of their
 * coming: what was given back last is given out first, while it is still in the processor's cache.
 * All zero is an empty one. Only memory of common sizes is kept, and of that so much at most. */
#define POOL_STEP ((size_t)128)
#define POOL_CLASSES 16u /* up to 2 KiB */
#define POOL_KEEPS ((size_t)16 << 20)

struct pool_block {
    struct pool_block *next;
};

struct pool {
    struct pool_block *free[POOL_CLASSES];
    size_t kept; /* bytes */
};

/* Memory for n bytes, given back with the same n. A pool of NULL is the heap. */
void *pool_take(struct pool *pool, size_t n);
void pool_give(struct pool *pool, void *memory, size_t n);
/* Frees what is kept; what is out stays good and may still be given back. */
void pool_free(struct pool *pool);
