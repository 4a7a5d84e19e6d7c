#include "check/table.h"

#include "base/memory.h"

#include <stdlib.h>

void table_free(struct table *table)
{
    free(table->entries);
    *table = (struct table){.entries = NULL};
}

/* Where the key stands, or where it would be put. */
static struct table_entry *probe(const struct table *table, uint64_t key)
{
    size_t i = (size_t)key & (table->capacity - 1);
    while (table->entries[i].key != 0 && table->entries[i].key != key)
        i = (i + 1) & (table->capacity - 1);
    return &table->entries[i];
}

static void grow(struct table *table)
{
    struct table bigger = {.n = table->n, .capacity = table->capacity ? table->capacity * 2 : 1024};
    bigger.entries = xcalloc(bigger.capacity, sizeof(struct table_entry));
    for (size_t i = 0; i < table->capacity; i++)
        if (table->entries[i].key != 0)
            *probe(&bigger, table->entries[i].key) = table->entries[i];
    free(table->entries);
    *table = bigger;
}

struct table_entry *table_put(struct table *table, uint64_t key)
{
    if (key == 0)
        key = 1;
    if (table->n * 4 >= table->capacity * 3)
        grow(table);
    struct table_entry *entry = probe(table, key);
    if (entry->key == 0) {
        entry->key = key;
        table->n++;
    }
    return entry;
}

struct table_entry *table_find(const struct table *table, uint64_t key)
{
    if (table->capacity == 0)
        return NULL;
    struct table_entry *entry = probe(table, key == 0 ? 1 : key);
    return entry->key != 0 ? entry : NULL;
}

/* The finisher of splitmix64. */
static uint64_t finish(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t table_hash(struct slice text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.n; i++)
        hash = (hash ^ (unsigned char)text.p[i]) * UINT64_C(0x100000001b3);
    return finish(hash ^ text.n);
}

uint64_t table_mix(uint64_t first, uint64_t second)
{
    return finish(first + UINT64_C(0x9e3779b97f4a7c15) * (finish(second) | 1));
}
