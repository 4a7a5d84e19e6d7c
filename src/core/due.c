#include "core/due.h"

#include "base/memory.h"

#include <stdlib.h>

void due_heap_free(struct due_heap *heap)
{
    free(heap->items);
    *heap = (struct due_heap){.items = NULL};
}

static void place(struct due_heap *heap, size_t index, struct due *due)
{
    heap->items[index] = due;
    due->index = index;
}

static void sift_up(struct due_heap *heap, size_t index, struct due *due)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (heap->items[parent]->at_us <= due->at_us)
            break;
        place(heap, index, heap->items[parent]);
        index = parent;
    }
    place(heap, index, due);
}

static void sift_down(struct due_heap *heap, size_t index, struct due *due)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->n)
            break;
        if (child + 1 < heap->n && heap->items[child + 1]->at_us < heap->items[child]->at_us)
            child++;
        if (due->at_us <= heap->items[child]->at_us)
            break;
        place(heap, index, heap->items[child]);
        index = child;
    }
    place(heap, index, due);
}

void due_add(struct due_heap *heap, struct due *due)
{
    if (heap->n == heap->capacity) {
        heap->capacity = heap->capacity ? heap->capacity * 2 : 16;
        heap->items = xrealloc(heap->items, heap->capacity * sizeof(struct due *));
    }
    sift_up(heap, heap->n++, due);
}

void due_remove(struct due_heap *heap, struct due *due)
{
    size_t index = due->index;
    struct due *last = heap->items[--heap->n];
    if (last == due)
        return;
    if (index > 0 && last->at_us < heap->items[(index - 1) / 2]->at_us)
        sift_up(heap, index, last);
    else
        sift_down(heap, index, last);
}

struct due *due_first(const struct due_heap *heap)
{
    return heap->n > 0 ? heap->items[0] : NULL;
}
