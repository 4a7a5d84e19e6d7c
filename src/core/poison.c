#include "core/poison.h"

#include "core/hash.h"

/* Its place among those that are known, or their count. */
static uint32_t find(const struct poison *p, uint64_t name)
{
    uint32_t i = 0;
    while (i < p->count && p->names[i] != name)
        i++;
    return i;
}

void poison_remember(struct poison *p, struct slice property)
{
    uint64_t name = hash_bytes(property);
    if (find(p, name) < p->count)
        return;
    if (p->count < POISON_MAX) {
        p->names[p->count++] = name;
    } else {
        p->names[p->next] = name;
        p->next = (p->next + 1) % POISON_MAX;
    }
}

void poison_forget(struct poison *p, struct slice property)
{
    if (p->count == 0)
        return;
    uint32_t i = find(p, hash_bytes(property));
    if (i < p->count)
        p->names[i] = p->names[--p->count];
}

bool poison_knows(const struct poison *p, struct slice property)
{
    return p->count > 0 && find(p, hash_bytes(property)) < p->count;
}

struct poison *poisons_find(struct poisons *p, uint64_t thing)
{
    if (!p->any)
        return NULL;
    struct poison *poison = &p->slots[thing % POISONS_SLOTS].poison;
    bool known = p->slots[thing % POISONS_SLOTS].thing == thing;
    return known && (poison->count > 0 || poison->missing) ? poison : NULL;
}

struct poison *poisons_make(struct poisons *p, uint64_t thing)
{
    struct poison *poison = &p->slots[thing % POISONS_SLOTS].poison;
    if (p->slots[thing % POISONS_SLOTS].thing != thing)
        *poison = (struct poison){.count = 0};
    p->slots[thing % POISONS_SLOTS].thing = thing;
    p->any = true;
    return poison;
}
