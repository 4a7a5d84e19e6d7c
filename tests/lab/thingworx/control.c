#include "thingworx/control.h"

#include "base/clock.h"
#include "base/memory.h"
#include "thingworx/ledger_stream.h"
#include "thingworx/reply.h"
#include "thingworx/things.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_CEILING = 64 * 1024 * 1024 };

/* An answer of the control endpoint, JSON only. */
struct control {
    struct server *server;
    struct evhttp_request *request;
    struct json_object *wish; /* the body, NULL if there is none */
    struct buffer out;
};

static void send_json(struct control *c, int status)
{
    struct evbuffer *body = evbuffer_new();
    (void)evhttp_add_header(evhttp_request_get_output_headers(c->request), "Content-Type",
                            "application/json");
    (void)evbuffer_add(body, c->out.data, c->out.n);
    (void)evbuffer_add(body, "\n", 1);
    evhttp_send_reply(c->request, status, status == 200 ? "OK" : "Error", body);
    evbuffer_free(body);
}

static void send_error(struct control *c, int status, const char *message)
{
    buffer_clear(&c->out);
    (void)buffer_append_text(&c->out, "{\"error\":\"");
    (void)buffer_append_json(&c->out, slice_from(message));
    (void)buffer_append_text(&c->out, "\"}");
    send_json(c, status);
}

static void send_done(struct control *c)
{
    (void)buffer_append_text(&c->out, "{}");
    send_json(c, 200);
}

static void post_things(struct control *c)
{
    struct error err = {.message = ""};
    if (!things_make(&c->server->model, c->wish, &err)) {
        send_error(c, 400, err.message);
        return;
    }
    (void)buffer_printf(&c->out, "{\"things\":%zu}", model_count(&c->server->model));
    send_json(c, 200);
}

static void post_fault(struct control *c)
{
    struct error err = {.message = ""};
    if (faults_add(&c->server->faults, c->wish, clock_now_us(), &err))
        send_done(c);
    else
        send_error(c, 400, err.message);
}

static void delete_fault(struct control *c)
{
    faults_clear(&c->server->faults);
    reply_release_hanging(c->server);
    send_done(c);
}

static void post_settings(struct control *c)
{
    struct json_object *apply = NULL, *bulk = NULL, *create = NULL, *sync_ms = NULL;
    (void)json_object_object_get_ex(c->wish, "apply", &apply);
    (void)json_object_object_get_ex(c->wish, "bulk", &bulk);
    (void)json_object_object_get_ex(c->wish, "create", &create);
    (void)json_object_object_get_ex(c->wish, "model_sync_ms", &sync_ms);
    const char *text = apply != NULL ? json_object_get_string(apply) : "";
    if (apply != NULL && strcmp(text, "all_or_nothing") != 0 && strcmp(text, "rows_before") != 0) {
        send_error(c, 400, "apply must be all_or_nothing or rows_before");
        return;
    }
    if ((bulk != NULL && !json_object_is_type(bulk, json_type_boolean)) ||
        (create != NULL && !json_object_is_type(create, json_type_boolean))) {
        send_error(c, 400, "bulk and create must be true or false");
        return;
    }
    if (sync_ms != NULL && !json_object_is_type(sync_ms, json_type_int)) {
        send_error(c, 400, "model_sync_ms must be a whole number");
        return;
    }
    if (apply == NULL && bulk == NULL && create == NULL && sync_ms == NULL) {
        send_error(c, 400, "the settings are apply, bulk, create and model_sync_ms");
        return;
    }
    if (create != NULL)
        c->server->may_not_create = !json_object_get_boolean(create);
    if (sync_ms != NULL)
        c->server->model.sync_us = json_object_get_int64(sync_ms) * MS_US;
    if (apply != NULL)
        c->server->rows_before = strcmp(text, "rows_before") == 0;
    if (bulk != NULL)
        c->server->bulk = json_object_get_boolean(bulk);
    if (c->server->bulk)
        (void)model_thing(&c->server->model, SLICE_LITERAL("Holdfast.Bulk"));
    send_done(c);
}

static void get_state(struct control *c)
{
    const struct counters *n = &c->server->counters;
    bool first = true;
    (void)buffer_printf(&c->out,
                        "{\"requests\":%" PRIu64 ",\"accepted_values\":%" PRIu64 ",\"refused\":{",
                        n->requests, n->accepted_values);
    for (size_t i = 0; i < sizeof n->refused / sizeof n->refused[0]; i++)
        if (n->refused[i] > 0) {
            (void)buffer_printf(&c->out, "%s\"%zu\":%" PRIu64, first ? "" : ",", i, n->refused[i]);
            first = false;
        }
    (void)buffer_printf(&c->out,
                        "},\"things\":%zu,\"in_flight\":%u,\"max_in_flight\":%u,"
                        "\"max_in_flight_per_thing\":%u,\"hanging\":%u,\"bytes\":%" PRIu64 "}",
                        model_count(&c->server->model), n->in_flight, n->max_in_flight,
                        n->max_in_flight_per_thing, n->hanging, n->bytes);
    send_json(c, 200);
}

static void put_property(struct control *c, const struct property *p)
{
    (void)buffer_append_text(&c->out, "\"");
    (void)buffer_append_json(&c->out, slice_from(p->name));
    (void)buffer_printf(&c->out, "\":{\"baseType\":\"%s\",\"value\":", p->type->name);
    if (p->text == NULL) {
        (void)buffer_append_text(&c->out, "null}");
        return;
    }
    (void)buffer_append(&c->out, p->text, p->text_n);
    (void)buffer_printf(&c->out, ",\"time\":%" PRId64 ",\"quality\":\"", p->time_ms);
    (void)buffer_append_json(&c->out, slice_from(names_text(c->server->model.names, p->quality)));
    (void)buffer_append_text(&c->out, "\"}");
}

static void get_thing(struct control *c, const char *encoded)
{
    char *name = evhttp_uridecode(encoded, 0, NULL);
    struct thing *thing = name != NULL ? model_find(&c->server->model, slice_from(name)) : NULL;
    struct property *property;
    struct property *next;
    free(name);
    if (thing == NULL) {
        send_error(c, 404, "no such Thing");
        return;
    }
    (void)buffer_append_text(&c->out, "{\"name\":\"");
    (void)buffer_append_json(&c->out, slice_from(thing->name));
    (void)buffer_printf(&c->out, "\",\"permissive\":%s,\"properties\":{",
                        thing->permissive ? "true" : "false");
    HASH_ITER(hh, thing->properties, property, next)
    {
        if (property != thing->properties)
            (void)buffer_append_text(&c->out, ",");
        put_property(c, property);
    }
    (void)buffer_printf(&c->out, "},\"enabled\":%s}", thing->enabled ? "true" : "false");
    send_json(c, 200);
}

static void get_ledger(struct control *c, const char *query)
{
    struct evkeyvalq parameters = {0};
    if (query != NULL && evhttp_parse_query_str(query, &parameters) != 0) {
        send_error(c, 400, "the query cannot be read");
        return;
    }
    ledger_stream_start(c->server, c->request,
                        query != NULL ? evhttp_find_header(&parameters, "names") : NULL);
    evhttp_clear_headers(&parameters);
}

static void delete_ledger(struct control *c)
{
    ledger_drop(c->server->ledger);
    c->server->ledger = ledger_create();
    ledger_file_clear(c->server->file);
    send_done(c);
}

/* Reads the body, if there is one. False with the answer sent if it is no JSON object. */
static bool read_wish(struct control *c)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(c->request);
    size_t n = evbuffer_get_length(body);
    if (n == 0)
        return true;
    struct json_tokener *tokener = json_tokener_new();
    c->wish = json_tokener_parse_ex(tokener, (const char *)evbuffer_pullup(body, -1), (int)n);
    json_tokener_free(tokener);
    if (json_object_is_type(c->wish, json_type_object))
        return true;
    send_error(c, 400, "the body must be a JSON object");
    return false;
}

static void dispatch(struct control *c)
{
    static const struct {
        enum evhttp_cmd_type method;
        const char *path;
        void (*run)(struct control *c);
    } routes[] = {
        {EVHTTP_REQ_POST, "/things", post_things},
        {EVHTTP_REQ_POST, "/fault", post_fault},
        {EVHTTP_REQ_DELETE, "/fault", delete_fault},
        {EVHTTP_REQ_POST, "/settings", post_settings},
        {EVHTTP_REQ_DELETE, "/ledger", delete_ledger},
        {EVHTTP_REQ_GET, "/state", get_state},
    };
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(c->request);
    const char *path = evhttp_uri_get_path(uri);
    enum evhttp_cmd_type method = evhttp_request_get_command(c->request);
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (method == routes[i].method && strcmp(path, routes[i].path) == 0) {
            if (method == EVHTTP_REQ_POST && c->wish == NULL)
                send_error(c, 400, "a body is missing");
            else
                routes[i].run(c);
            return;
        }
    if (method == EVHTTP_REQ_GET && strcmp(path, "/ledger") == 0)
        get_ledger(c, evhttp_uri_get_query(uri));
    else if (method == EVHTTP_REQ_GET && strncmp(path, "/things/", 8) == 0)
        get_thing(c, path + 8);
    else
        send_error(c, 404, "no such control endpoint");
}

void control_on_request(struct evhttp_request *request, void *context)
{
    struct control c = {.server = context, .request = request};
    buffer_init(&c.out, ANSWER_CEILING);
    if (read_wish(&c))
        dispatch(&c);
    json_object_put(c.wish);
    buffer_free(&c.out);
}
