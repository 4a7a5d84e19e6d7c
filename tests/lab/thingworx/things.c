#include "thingworx/things.h"

#include "base/slice.h"
#include "thingworx/base_type.h"

#include <inttypes.h>
#include <stdio.h>

enum { NAME_CEILING = 1024 };

/* Checks the property map {"seq":"LONG",...} before anything is created. */
static bool check_types(struct json_object *properties, struct error *err)
{
    if (properties == NULL)
        return true;
    if (!json_object_is_type(properties, json_type_object))
        return error_set(err, "properties must be an object of name and base type");
    json_object_object_foreach(properties, key, value)
    {
        const char *type = json_object_get_string(value);
        if (type == NULL || base_type_find(slice_from(type)) == NULL)
            return error_set(err, "property \"%s\" has no known base type", key);
    }
    return true;
}

static void make_thing(struct model *model, const char *name, struct json_object *wish)
{
    struct json_object *member;
    struct thing *thing = model_thing(model, slice_from(name));
    thing->enabled = true;
    if (json_object_object_get_ex(wish, "permissive", &member))
        thing->permissive = json_object_get_boolean(member);
    if (!json_object_object_get_ex(wish, "properties", &member) || member == NULL)
        return;
    json_object_object_foreach(member, key, value)
    {
        (void)thing_define(model, thing, slice_from(key),
                           base_type_find(slice_from(json_object_get_string(value))));
    }
}

bool things_make(struct model *model, struct json_object *wish, struct error *err)
{
    struct json_object *names = NULL;
    struct json_object *prefix = NULL;
    struct json_object *count = NULL;
    struct json_object *properties = NULL;
    (void)json_object_object_get_ex(wish, "names", &names);
    (void)json_object_object_get_ex(wish, "prefix", &prefix);
    (void)json_object_object_get_ex(wish, "count", &count);
    (void)json_object_object_get_ex(wish, "properties", &properties);
    if (!check_types(properties, err))
        return false;
    if ((names != NULL && !json_object_is_type(names, json_type_array)) ||
        (prefix == NULL) != (count == NULL) || (names == NULL && prefix == NULL))
        return error_set(err, "things need names (an array), or prefix and count");
    for (size_t i = 0; names != NULL && i < json_object_array_length(names); i++)
        make_thing(model, json_object_get_string(json_object_array_get_idx(names, i)), wish);
    for (int64_t i = 0; prefix != NULL && i < json_object_get_int64(count); i++) {
        char name[NAME_CEILING];
        (void)snprintf(name, sizeof name, "%s%05" PRId64, json_object_get_string(prefix), i);
        make_thing(model, name, wish);
    }
    return true;
}

bool things_from_file(struct model *model, const char *path, struct error *err)
{
    struct json_object *wish = json_object_from_file(path);
    bool ok = json_object_is_type(wish, json_type_object)
                  ? things_make(model, wish, err)
                  : error_set(err, "%s holds no JSON object", path);
    (void)json_object_put(wish);
    return ok;
}
