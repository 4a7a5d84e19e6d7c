#include "base/clock.h"
#include "thingworx/call.h"

#include <json-c/json.h>

static const char *text_of(struct json_object *parameters, const char *name)
{
    struct json_object *found;
    if (!json_object_object_get_ex(parameters, name, &found) ||
        !json_object_is_type(found, json_type_string))
        return NULL;
    return json_object_get_string(found);
}

/* The parameters of a service; NULL, with the answer set, if they are no object. An empty body
 * stands for no parameters. */
static struct json_object *parameters_of(struct call *call)
{
    if (call->body.n == 0)
        return json_object_new_object();
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *parameters =
        json_tokener_parse_ex(tokener, call->body.p, (int)call->body.n);
    json_tokener_free(tokener);
    if (json_object_is_type(parameters, json_type_object))
        return parameters;
    json_object_put(parameters);
    call_answer(call, 400, "Bad Request : the parameters of a service must be a JSON object");
    return NULL;
}

static void add_property(struct call *call, struct json_object *parameters)
{
    const char *name = text_of(parameters, "name");
    const char *type_name = text_of(parameters, "type");
    if (name == NULL || type_name == NULL || *name == '\0') {
        call_answer(call, 404, "A required parameter is missing");
        return;
    }
    const struct base_type *type = base_type_find(slice_from(type_name));
    if (type == NULL)
        call_answer(call, 500,
                    "Unable to Invoke Service AddPropertyDefinition on %s : no base type [%s]",
                    call->thing->name, type_name);
    else if (thing_property(call->thing, slice_from(name)) != NULL)
        call_answer(call, 403, "Property [%s] already exists", name);
    else
        thing_define(&call->server->model, call->thing, slice_from(name), type)->defined = true;
}

/* Definitions come into force, on other nodes of the platform a little later. */
static void restart_thing(struct call *call)
{
    struct property *property;
    struct property *next;
    bool changed = false;
    HASH_ITER(hh, call->thing->properties, property, next)
    {
        changed = changed || property->defined;
        property->defined = false;
    }
    if (changed)
        call->thing->changed_us = clock_now_us();
}

void services_thing(struct call *call)
{
    const char *service = call->segments[4];
    struct json_object *parameters = parameters_of(call);
    if (parameters == NULL)
        return;
    if (strcmp(service, "EnableThing") == 0)
        call->thing->enabled = true;
    else if (strcmp(service, "AddPropertyDefinition") == 0)
        add_property(call, parameters);
    else if (strcmp(service, "RestartThing") == 0)
        restart_thing(call);
    else
        call_answer(call, 500,
                    "Unable to Invoke Service %s on %s : No service handler defined for service "
                    "%s on thing [%s]",
                    service, call->thing->name, service, call->thing->name);
    json_object_put(parameters);
}

static void create_thing(struct call *call, struct json_object *parameters)
{
    const char *name = text_of(parameters, "name");
    const char *template = text_of(parameters, "thingTemplateName");
    if (name == NULL || template == NULL || *name == '\0' || *template == '\0') {
        call_answer(call, 404, "A required parameter is missing");
        return;
    }
    if (call->server->may_not_create) {
        call_answer(call, 403, "Not authorized for ServiceInvoke on CreateThing in EntityServices");
        return;
    }
    if (strcmp(template, "GenericThing") != 0 && strcmp(template, "RemoteThing") != 0) {
        call_answer(call, 404, "Entity Not Found : [%s]", template);
        return;
    }
    if (model_find(&call->server->model, slice_from(name)) != NULL) {
        call_answer(call, 500,
                    "Unable to Invoke Service CreateThing on EntityServices : Thing [%s] already "
                    "exists",
                    name);
        return;
    }
    struct thing *thing = model_thing(&call->server->model, slice_from(name));
    thing->enabled = false;
    thing->changed_us = clock_now_us();
}

void services_entity(struct call *call)
{
    struct json_object *parameters = parameters_of(call);
    if (parameters == NULL)
        return;
    if (strcmp(call->segments[4], "CreateThing") == 0)
        create_thing(call, parameters);
    else
        call_answer(call, 500,
                    "Unable to Invoke Service %s on EntityServices : No service handler defined "
                    "for service %s on thing [EntityServices]",
                    call->segments[4], call->segments[4]);
    json_object_put(parameters);
}
