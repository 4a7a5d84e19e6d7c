#include "core/hash_index.h"

#include "base/memory.h"

#include <stdlib.h>

#define SLOTS_MIN ((size_t)16)

static void put(struct hash_index *index, uint64_t hash, void *item)
{
    size_t at = hash_index_start(index, hash);
    while (index->slots[at].item != NULL)
        at = (at + 1) & index->mask;
    index->slots[at] = (struct hash_slot){hash, item};
}

static void grow(struct hash_index *index)
{
    struct hash_index old = *index;
    size_t slots = old.slots != NULL ? (old.mask + 1) * 2 : SLOTS_MIN;
    index->slots = xcalloc(slots, sizeof *index->slots);
    index->mask = slots - 1;
    for (size_t i = 0; old.slots != NULL && i <= old.mask; i++)
        if (old.slots[i].item != NULL)
            put(index, old.slots[i].hash, old.slots[i].item);
    free(old.slots);
}

/* Two thirds full at most: runs stay short, and a million items take 32 MiB. */
void hash_index_add(struct hash_index *index, uint64_t hash, void *item)
{
    if (index->slots == NULL || (index->count + 1) * 3 > (index->mask + 1) * 2)
        grow(index);
    put(index, hash, item);
    index->count++;
}

/* Closes the gap: whatever could stand in it moves there, so that no run is broken. */
static void close_gap(struct hash_index *index, size_t gap)
{
    size_t at = gap;
    for (;;) {
        at = (at + 1) & index->mask;
        if (index->slots[at].item == NULL)
            break;
        size_t home = hash_index_start(index, index->slots[at].hash);
        if (((at - home) & index->mask) < ((at - gap) & index->mask))
            continue;
        index->slots[gap] = index->slots[at];
        gap = at;
    }
    index->slots[gap].item = NULL;
}

void hash_index_remove(struct hash_index *index, uint64_t hash, const void *item)
{
    size_t at = hash_index_start(index, hash);
    while (index->slots[at].item != item)
        at = (at + 1) & index->mask;
    index->count--;
    close_gap(index, at);
}

void *hash_index_walk(const struct hash_index *index, size_t *at)
{
    while (index->slots != NULL && *at <= index->mask) {
        void *item = index->slots[(*at)++].item;
        if (item != NULL)
            return item;
    }
    return NULL;
}

void hash_index_free(struct hash_index *index)
{
    free(index->slots);
    *index = (struct hash_index){.slots = NULL};
}
