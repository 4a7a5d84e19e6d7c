#include "thingworx/names.h"

#include "base/memory.h"

#include <stdlib.h>
#include <uthash.h>

struct name {
    uint32_t id;
    char *text;
    UT_hash_handle hh;
};

struct names {
    struct name *by_text;
    struct name **by_id;
    uint32_t count;
    uint32_t capacity;
};

struct names *names_create(void)
{
    return xcalloc(1, sizeof(struct names));
}

void names_free(struct names *names)
{
    if (names == NULL)
        return;
    HASH_CLEAR(hh, names->by_text);
    for (uint32_t i = 0; i < names->count; i++) {
        free(names->by_id[i]->text);
        free(names->by_id[i]);
    }
    free(names->by_id);
    free(names);
}

uint32_t names_id(struct names *names, struct slice text)
{
    struct name *found;
    HASH_FIND(hh, names->by_text, text.p, text.n, found);
    if (found != NULL)
        return found->id;
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? names->capacity * 2 : 64;
        names->by_id = xrealloc(names->by_id, names->capacity * sizeof(struct name *));
    }
    found = xcalloc(1, sizeof *found);
    found->id = names->count;
    found->text = xstrndup(text.p, text.n);
    names->by_id[names->count++] = found;
    HASH_ADD_KEYPTR(hh, names->by_text, found->text, text.n, found);
    return found->id;
}

const char *names_text(const struct names *names, uint32_t id)
{
    return names->by_id[id]->text;
}

uint32_t names_count(const struct names *names)
{
    return names->count;
}
