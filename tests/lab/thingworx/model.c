#include "thingworx/model.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>

void model_init(struct model *model)
{
    *model = (struct model){.names = names_create()};
}

static void free_thing(struct thing *thing)
{
    struct property *property;
    struct property *next;
    HASH_ITER(hh, thing->properties, property, next)
    {
        HASH_DEL(thing->properties, property);
        free(property->name);
        free(property->text);
        free(property);
    }
    free(thing->name);
    free(thing);
}

void model_free(struct model *model)
{
    struct thing *thing;
    struct thing *next;
    HASH_ITER(hh, model->things, thing, next)
    {
        HASH_DEL(model->things, thing);
        free_thing(thing);
    }
    names_free(model->names);
}

struct thing *model_find(const struct model *model, struct slice name)
{
    struct thing *thing;
    HASH_FIND(hh, model->things, name.p, name.n, thing);
    return thing;
}

struct thing *model_seen(const struct model *model, struct slice name)
{
    struct thing *thing = model_find(model, name);
    return thing != NULL && clock_now_us() - thing->changed_us >= model->sync_us ? thing : NULL;
}

struct thing *model_thing(struct model *model, struct slice name)
{
    struct thing *thing = model_find(model, name);
    if (thing != NULL)
        return thing;
    thing = xcalloc(1, sizeof *thing);
    thing->name = xstrndup(name.p, name.n);
    thing->name_id = names_id(model->names, name);
    thing->enabled = true;
    HASH_ADD_KEYPTR(hh, model->things, thing->name, name.n, thing);
    return thing;
}

size_t model_count(const struct model *model)
{
    return HASH_COUNT(model->things);
}

struct property *thing_property(const struct thing *thing, struct slice name)
{
    struct property *property;
    HASH_FIND(hh, thing->properties, name.p, name.n, property);
    return property;
}

struct property *thing_define(struct model *model, struct thing *thing, struct slice name,
                              const struct base_type *type)
{
    struct property *property = thing_property(thing, name);
    if (property == NULL) {
        property = xcalloc(1, sizeof *property);
        property->name = xstrndup(name.p, name.n);
        property->name_id = names_id(model->names, name);
        property->time_ms = INT64_MIN;
        HASH_ADD_KEYPTR(hh, thing->properties, property->name, name.n, property);
    }
    property->type = type;
    return property;
}

void property_set(struct property *property, struct slice text, int64_t time_ms, uint32_t quality)
{
    if (time_ms < property->time_ms)
        return;
    if (text.n > property->text_capacity) {
        property->text = xrealloc(property->text, text.n);
        property->text_capacity = text.n;
    }
    memcpy(property->text, text.p, text.n);
    property->text_n = text.n;
    property->time_ms = time_ms;
    property->quality = quality;
}
