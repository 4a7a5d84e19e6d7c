#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Finds things by the hash of their key: open addressing, with the hash beside the pointer, so that
 * a look-up touches one line of memory and then the thing itself. Keys are the caller's to compare.
 * All zero is empty. */
struct hash_slot {
    uint64_t hash;
    void *item; /* NULL: free */
};

struct hash_index {
    struct hash_slot *slots;
    size_t mask; /* slots - 1; their number is a power of two */
    size_t count;
};

/* The next item with that hash, from *at on; NULL if there is none. *at is set by
 * hash_index_start, and nothing may be added or removed meanwhile. */
static inline size_t hash_index_start(const struct hash_index *index, uint64_t hash)
{
    return (size_t)hash & index->mask;
}

static inline void *hash_index_next(const struct hash_index *index, uint64_t hash, size_t *at)
{
    if (index->slots == NULL)
        return NULL;
    for (;;) {
        const struct hash_slot *slot = &index->slots[*at];
        if (slot->item == NULL)
            return NULL;
        *at = (*at + 1) & index->mask;
        if (slot->hash == hash)
            return slot->item;
    }
}

void hash_index_add(struct hash_index *index, uint64_t hash, void *item);
/* The item must be in it. */
void hash_index_remove(struct hash_index *index, uint64_t hash, const void *item);
/* Any item at or behind place *at, in no order that means anything, and moves *at behind it; NULL
 * behind the last. */
void *hash_index_walk(const struct hash_index *index, size_t *at);
void hash_index_free(struct hash_index *index); /* the index, not the items */
