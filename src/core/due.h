#pragma once
#include <stddef.h>
#include <stdint.h>

/* What is due when: a binary heap of things that each carry a struct due. */
struct due {
    int64_t at_us;
    size_t index; /* in the heap */
};

/* All zero is empty. */
struct due_heap {
    struct due **items;
    size_t n;
    size_t capacity;
};

void due_heap_free(struct due_heap *heap); /* the memory of the heap, not the things */
/* Adds a thing that is not in the heap; its at_us must not change while it is. */
void due_add(struct due_heap *heap, struct due *due);
/* Takes out a thing that is in the heap. */
void due_remove(struct due_heap *heap, struct due *due);
/* The thing that is due first; NULL if empty. */
struct due *due_first(const struct due_heap *heap);
