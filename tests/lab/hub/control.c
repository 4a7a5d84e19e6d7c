#include "hub/control.h"

#include "base/clock.h"
#include "base/memory.h"
#include "hub/body.h"
#include "hub/connection.h"
#include "hub/control_log.h"
#include "hub/links.h"
#include "hub/reader.h"
#include "hub/redirect.h"
#include "hub/system_properties.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { REQUEST_CEILING = 4 << 20 };

struct control {
    struct hub *hub;
    struct generator *generator;
    struct replay *replay;
    struct evhttp *http;
};

static void reply(struct evhttp_request *request, int code, struct json_object *root)
{
    struct evbuffer *out = evbuffer_new();
    if (out == NULL)
        abort();
    evbuffer_add_printf(out, "%s\n", json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN));
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "application/json");
    evhttp_send_reply(request, code, NULL, out);
    evbuffer_free(out);
    json_object_put(root);
}

static void reply_error(struct evhttp_request *request, const struct error *err)
{
    struct json_object *root = json_object_new_object();
    json_object_object_add(root, "error", json_object_new_string(err->message));
    reply(request, HTTP_BADREQUEST, root);
}

static bool do_generate(struct control *c, struct json_object *body, struct json_object *out,
                        struct error *err)
{
    (void)out;
    struct json_object *size = body_member(body, "size");
    struct generator_options options = {
        .devices = body_int(body, "devices", 200),
        .prefix = body_text(body, "prefix", "device-"),
        .properties = body_int(body, "properties", 8),
        .rate = body_double(body, "rate", 2000),
        .events = body_int(body, "events", 0),
        .seconds = body_double(body, "seconds", 0),
        .size_min = body_int(size, "min", 0),
        .size_max = body_int(size, "max", body_int(size, "min", 0)),
        .preload = json_object_get_boolean(body_member(body, "preload")),
    };
    return generator_start(c->generator, &options, err);
}

static bool do_replay(struct control *c, struct json_object *body, struct json_object *out,
                      struct error *err)
{
    (void)out;
    const char *csv = body_text(body, "dir", NULL);
    const char *json = body_text(body, "json_dir", NULL);
    double rate = body_double(body, "rate", 0);
    if ((csv == NULL) == (json == NULL) || rate < 0)
        return error_set(err, "a folder \"dir\" or \"json_dir\" is needed, and \"rate\" must not "
                              "be negative");
    return replay_start(c->replay, csv ? csv : json, json != NULL, rate, err);
}

static bool do_stop(struct control *c, struct json_object *body, struct json_object *out,
                    struct error *err)
{
    (void)body;
    (void)err;
    generator_stop(c->generator);
    replay_stop(c->replay);
    json_object_object_add(out, "emitted", json_object_new_int64(hub_emitted(c->hub)));
    return true;
}

/* What base64 stands for, in place; false if it is none. */
static bool decode(char *text, struct slice *bytes)
{
    size_t n = strlen(text);
    size_t padding = n > 1 ? (size_t)(text[n - 1] == '=') + (size_t)(text[n - 2] == '=') : 0;
    unsigned char *to = xmalloc(n + 3);
    int got = EVP_DecodeBlock(to, (const unsigned char *)text, (int)n);
    if (got >= 0)
        memcpy(text, to, (size_t)got);
    free(to);
    *bytes = (struct slice){text, got >= 0 ? (size_t)got - padding : 0};
    return got >= 0;
}

static bool send_events(struct control *c, struct json_object *body, int64_t count,
                        const struct system_properties *properties, struct error *err)
{
    struct json_object *raw = body_member(body, "raw");
    const char *device = body_text(body, "device", NULL);
    const char *encoded = body_text(body, "bytes", NULL);
    int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
    char *bytes = encoded != NULL ? xstrdup(encoded) : NULL;
    struct slice decoded = {NULL, 0};
    if (bytes != NULL && !decode(bytes, &decoded)) {
        free(bytes);
        return error_set(err, "\"bytes\" is no base64");
    }
    struct telemetry telemetry = {
        .device = slice_from(device),
        .module = slice_from(body_text(body, "module", NULL)),
        .generation = slice_from(devices_get(c->hub->devices, slice_from(device))->generation),
        .body = bytes != NULL ? decoded
                : raw
                    ? slice_from(json_object_get_string(raw))
                    : slice_from(json_object_to_json_string_ext(body_member(body, "body"), flags)),
    };
    system_properties_apply(properties, &telemetry);
    for (int64_t i = 0; i < count; i++)
        hub_append_telemetry(c->hub, (int)body_int(body, "partition", -1), &telemetry);
    hub_appended(c->hub);
    free(bytes);
    return true;
}

static bool do_send(struct control *c, struct json_object *body, struct json_object *out,
                    struct error *err)
{
    int bodies = (body_member(body, "raw") != NULL) + (body_member(body, "body") != NULL) +
                 (body_member(body, "bytes") != NULL);
    int64_t partition = body_int(body, "partition", -1);
    int64_t count = body_int(body, "count", 1);
    if (body_text(body, "device", NULL) == NULL || bodies != 1)
        return error_set(err, "a \"device\" and one of \"body\", \"raw\" and \"bytes\" are needed");
    if (partition >= c->hub->options.partitions)
        return error_set(err, "there is no partition %lld", (long long)partition);
    struct system_properties properties;
    bool ok = system_properties_read(&properties, body_member(body, "system"),
                                     body_member(body, "properties"), err);
    if (ok)
        ok = send_events(c, body, count, &properties, err);
    system_properties_free(&properties);
    json_object_object_add(out, "sent", json_object_new_int64(count));
    return ok;
}

static bool do_fault(struct control *c, struct json_object *body, struct json_object *out,
                     struct error *err)
{
    (void)out;
    return faults_begin(c->hub, body, err);
}

static bool do_settings(struct control *c, struct json_object *body, struct json_object *out,
                        struct error *err)
{
    if (!settings_apply(&c->hub->options.settings, body, err))
        return false;
    settings_show(&c->hub->options.settings, out);
    return true;
}

static bool renew(struct control *c, const char *name, bool keep, const char *condition,
                  struct error *err)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "The messaging entity 'sb://localhost/%.100s' could not be found. "
                   "TrackingId:%s_G0",
                   c->hub->options.name, c->hub->instance);
    /* The readers first: they know their logs. */
    links_close_all(c->hub, condition, text);
    return hub_renew(c->hub, name, keep, err);
}

static bool do_rename(struct control *c, struct json_object *body, struct json_object *out,
                      struct error *err)
{
    (void)out;
    const char *name = body_text(body, "hub", "");
    bool keep = json_object_get_boolean(body_member(body, "keep"));
    if (*name == '\0' || strlen(name) > 64 || strpbrk(name, "/ ") != NULL)
        return error_set(err, "a name \"hub\" is needed, without slashes and spaces");
    redirect_lag(c->hub, (int)body_int(body, "lag", 0));
    return renew(c, name, keep, "amqp:not-found", err);
}

static bool do_recreate(struct control *c, struct json_object *body, struct json_object *out,
                        struct error *err)
{
    (void)body;
    (void)out;
    return renew(c, NULL, false, "amqp:link:detach-forced", err);
}

static struct json_object *readers_state(const struct partition *p)
{
    struct json_object *readers = json_object_new_array();
    const struct reader *r;
    DL_FOREACH(p->readers, r)
    {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "name", json_object_new_string(r->name));
        json_object_object_add(o, "consumer_group", json_object_new_string(r->group));
        json_object_object_add(o, "epoch", r->has_epoch ? json_object_new_int64(r->epoch) : NULL);
        json_object_object_add(o, "credit", json_object_new_int(pn_link_credit(r->link)));
        json_object_object_add(o, "position", json_object_new_int64(r->position));
        json_object_array_add(readers, o);
    }
    return readers;
}

static struct json_object *partitions_state(const struct hub *hub)
{
    struct json_object *partitions = json_object_new_array();
    for (int i = 0; i < hub->options.partitions; i++) {
        const struct partition *p = &hub->partitions[i];
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "id", json_object_new_string(p->id));
        json_object_object_add(o, "begin", json_object_new_int64(partition_log_begin(p->log)));
        json_object_object_add(o, "last", json_object_new_int64(partition_log_next(p->log) - 1));
        json_object_object_add(o, "sent", json_object_new_int64(p->sent));
        json_object_object_add(o, "receivers", readers_state(p));
        json_object_array_add(partitions, o);
    }
    return partitions;
}

static bool do_state(struct control *c, struct json_object *body, struct json_object *out,
                     struct error *err)
{
    (void)body;
    (void)err;
    const struct hub *hub = c->hub;
    int connections;
    const struct connection *connection;
    DL_COUNT(hub->connections, connection, connections);
    bool running = generator_running(c->generator) || replay_running(c->replay);
    json_object_object_add(out, "hub", json_object_new_string(hub->options.name));
    json_object_object_add(out, "generation", json_object_new_int(hub->generation));
    json_object_object_add(out, "created_ms", json_object_new_int64(hub->created_ms));
    json_object_object_add(out, "emitted", json_object_new_int64(hub_emitted(hub)));
    json_object_object_add(out, "running", json_object_new_boolean(running));
    json_object_object_add(out, "skipped", json_object_new_int64(replay_skipped(c->replay)));
    json_object_object_add(out, "connections", json_object_new_int(connections));
    json_object_object_add(out, "connected", json_object_new_int64(hub->connected));
    json_object_object_add(out, "redirected", json_object_new_int64(hub->redirected));
    json_object_object_add(out, "tokens_refused", json_object_new_int64(hub->tokens_refused));
    json_object_object_add(out, "stolen", json_object_new_int64(hub->stolen));
    json_object_object_add(out, "cpu_us", json_object_new_int64(clock_cpu_us()));
    json_object_object_add(out, "partitions", partitions_state(hub));
    return true;
}

static struct json_object *read_body(struct evhttp_request *request)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(request);
    size_t n = evbuffer_get_length(in);
    if (n == 0)
        return json_object_new_object();
    char *text = xstrndup((const char *)evbuffer_pullup(in, -1), n);
    struct json_object *body = json_tokener_parse(text);
    free(text);
    if (json_object_is_type(body, json_type_object))
        return body;
    json_object_put(body);
    return NULL;
}

static void on_request(struct evhttp_request *request, void *arg)
{
    static const struct {
        const char *path;
        enum evhttp_cmd_type method;
        bool (*run)(struct control *c, struct json_object *body, struct json_object *out,
                    struct error *err);
    } routes[] = {
        {"/generate", EVHTTP_REQ_POST, do_generate}, {"/replay", EVHTTP_REQ_POST, do_replay},
        {"/stop", EVHTTP_REQ_POST, do_stop},         {"/send", EVHTTP_REQ_POST, do_send},
        {"/fault", EVHTTP_REQ_POST, do_fault},       {"/rename", EVHTTP_REQ_POST, do_rename},
        {"/recreate", EVHTTP_REQ_POST, do_recreate}, {"/state", EVHTTP_REQ_GET, do_state},
        {"/settings", EVHTTP_REQ_POST, do_settings}, {"/settings", EVHTTP_REQ_GET, do_settings},
    };
    struct control *c = arg;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    if (strcmp(path, "/log") == 0 && method == EVHTTP_REQ_GET) {
        control_log_send(c->hub, request);
        return;
    }
    struct error err = {0};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(path, routes[i].path) != 0 || method != routes[i].method)
            continue;
        struct json_object *body = read_body(request);
        struct json_object *out = json_object_new_object();
        bool ok = body ? routes[i].run(c, body, out, &err)
                       : error_set(&err, "the body is no JSON object");
        json_object_put(body);
        if (ok) {
            reply(request, HTTP_OK, out);
        } else {
            json_object_put(out);
            reply_error(request, &err);
        }
        return;
    }
    error_set(&err, "there is no such endpoint: %s", path);
    reply_error(request, &err);
}

struct control *control_open(struct hub *hub, struct generator *generator, struct replay *replay,
                             evutil_socket_t listener)
{
    struct control *c = xcalloc(1, sizeof *c);
    c->hub = hub;
    c->generator = generator;
    c->replay = replay;
    c->http = evhttp_new(hub->loop);
    if (c->http == NULL || evhttp_accept_socket(c->http, listener) != 0)
        abort();
    evhttp_set_max_body_size(c->http, REQUEST_CEILING);
    evhttp_set_gencb(c->http, on_request, c);
    return c;
}

void control_close(struct control *c)
{
    evhttp_free(c->http);
    free(c);
}
