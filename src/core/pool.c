#include "core/pool.h"

#include "base/memory.h"

#include <stdlib.h>

enum { CACHE_LINE = 64 };

/* Of n bytes; POOL_CLASSES or more if such memory is not kept. */
static size_t class_of(size_t n)
{
    return n > 0 ? (n - 1) / POOL_STEP : 0;
}

/* What is given out next has not been touched for a while: fetches it while this one is filled. */
static void fetch(const struct pool_block *block, size_t n)
{
    for (size_t at = 0; at < n; at += CACHE_LINE)
        __builtin_prefetch((const char *)block + at, 1);
}

void *pool_take(struct pool *pool, size_t n)
{
    size_t class = class_of(n);
    if (pool == NULL || class >= POOL_CLASSES)
        return xmalloc(n);
    struct pool_block *block = pool->free[class];
    if (block == NULL)
        return xmalloc((class + 1) * POOL_STEP);
    pool->free[class] = block->next;
    pool->kept -= (class + 1) * POOL_STEP;
    if (block->next != NULL)
        fetch(block->next, n);
    return block;
}

void pool_give(struct pool *pool, void *memory, size_t n)
{
    size_t class = class_of(n);
    if (pool == NULL || class >= POOL_CLASSES ||
        pool->kept + (class + 1) * POOL_STEP > POOL_KEEPS) {
        free(memory);
        return;
    }
    struct pool_block *block = memory;
    block->next = pool->free[class];
    pool->free[class] = block;
    pool->kept += (class + 1) * POOL_STEP;
}

void pool_free(struct pool *pool)
{
    for (size_t class = 0; class < POOL_CLASSES; class ++) {
        while (pool->free[class] != NULL) {
            struct pool_block *block = pool->free[class];
            pool->free[class] = block->next;
            free(block);
        }
    }
    *pool = (struct pool){.kept = 0};
}
