#pragma once
#include "base/error.h"
#include "thingworx/model.h"

#include <json-c/json.h>
#include <stdbool.h>

/* Creates or changes the Things that `wish` describes: {"names":[..],"prefix":..,"count":..,
 * "properties":{NAME:TYPE},"permissive":..}. False, and nothing is made, if it makes no sense. */
bool things_make(struct model *model, struct json_object *wish, struct error *err);

/* The same with the JSON of a file. */
bool things_from_file(struct model *model, const char *path, struct error *err);
