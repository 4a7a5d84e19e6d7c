#include "thingworx/rest.h"

#include "base/clock.h"
#include "thingworx/call.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <strings.h>

enum { ANSWER_CEILING = 16 * 1024 * 1024, PATH_CEILING = 4096 };

static char nothing[] = "";

/* Splits the path at its slashes and decodes each part. False if there are too many. */
static bool split_path(struct call *call, const char *uri)
{
    size_t n = strcspn(uri, "?#");
    for (size_t i = 0; i < CALL_SEGMENTS; i++)
        call->segments[i] = nothing;
    if (n == 0 || uri[0] != '/' || n > PATH_CEILING)
        return false;
    for (const char *p = uri + 1; p <= uri + n;) {
        size_t part = strcspn(p, "/?#");
        char raw[PATH_CEILING + 1];
        if (call->n_segments == CALL_SEGMENTS)
            return false;
        memcpy(raw, p, part);
        raw[part] = '\0';
        char *decoded = evhttp_uridecode(raw, 0, NULL);
        call->segments[call->n_segments++] = decoded != NULL ? decoded : nothing;
        p += part + 1;
    }
    return true;
}

static void free_path(struct call *call)
{
    for (size_t i = 0; i < CALL_SEGMENTS; i++)
        if (call->segments[i] != nothing)
            free(call->segments[i]);
}

static const char *header(const struct call *call, const char *name)
{
    const char *value = evhttp_find_header(evhttp_request_get_input_headers(call->request), name);
    return value != NULL ? value : "";
}

static bool is_segment(const struct call *call, size_t i, const char *text)
{
    return strcmp(call->segments[i], text) == 0;
}

static bool is_probe(const struct call *call)
{
    return call->n_segments == 2 && (is_segment(call, 1, "ready") || is_segment(call, 1, "health"));
}

/* Key, content type and Accept, in the platform's order. */
static bool check_headers(struct call *call)
{
    const char *key = header(call, "appKey");
    if (*key == '\0' ||
        (call->server->app_key != NULL && strcmp(key, call->server->app_key) != 0)) {
        call_answer(call, 401, "Unauthorized");
        return false;
    }
    const char *type = header(call, "Content-Type");
    size_t n = strcspn(type, "; ");
    if (call->method != EVHTTP_REQ_GET &&
        (n != strlen("application/json") || strncasecmp(type, "application/json", n) != 0)) {
        call_answer(call, 403, "Content type [%s] is not allowed", type);
        return false;
    }
    if (strstr(header(call, "Accept"), "application/json") == NULL) {
        call_answer(call, 406, "Not Acceptable");
        return false;
    }
    return true;
}

static void describe_thing(struct call *call)
{
    struct buffer *out = &call->answer.body;
    call->answer.type = "application/json;charset=UTF-8";
    (void)buffer_append_text(out, "{\"name\":\"");
    (void)buffer_append_json(out, slice_from(call->thing->name));
    (void)buffer_printf(out, "\",\"enabled\":%s}", call->thing->enabled ? "true" : "false");
}

static void route_thing(struct call *call)
{
    if (call->thing == NULL) {
        call_answer(call, 404, "Entity Not Found : [%s]", call->segments[2]);
        return;
    }
    bool properties = call->n_segments == 5 && is_segment(call, 3, "Properties");
    bool services = call->n_segments == 5 && is_segment(call, 3, "Services");
    if (bulk_is_called(call))
        bulk_write(call);
    else if (call_writes(call))
        properties_write(call);
    else if (call->n_segments == 3 && call->method == EVHTTP_REQ_GET)
        describe_thing(call);
    else if (properties && call->method == EVHTTP_REQ_GET)
        properties_read(call);
    else if (services && call->method == EVHTTP_REQ_POST)
        services_thing(call);
    else if (properties || services || call->n_segments == 3)
        call_answer(call, 405, "Method Not Allowed");
    else
        call_answer(call, 404, "Not Found");
}

static void route(struct call *call, const struct fault_effect *effect)
{
    if (is_probe(call)) {
        bool up = is_segment(call, 1, "health") || !effect->not_ready;
        call_answer(call, up ? 200 : 503, up ? "OK" : "NOT READY");
        return;
    }
    if (!check_headers(call))
        return;
    if (call->n_segments >= 3 && is_segment(call, 1, "Things"))
        route_thing(call);
    else if (call->n_segments == 5 && is_segment(call, 1, "Resources") &&
             is_segment(call, 2, "EntityServices") && is_segment(call, 3, "Services") &&
             call->method == EVHTTP_REQ_POST)
        services_entity(call);
    else
        call_answer(call, 404, "Not Found");
}

static void answer_fault(struct call *call, const struct fault *fault)
{
    static const char page[] = "<!doctype html><html lang=\"en\"><head><title>HTTP Status %d"
                               "</title></head><body><h1>HTTP Status %d</h1><hr class=\"line\" />"
                               "<h3>Apache Tomcat</h3></body></html>";
    if (fault->body != NULL)
        call_answer(call, fault->status, "%s", fault->body);
    else if (fault->html)
        call_answer(call, fault->status, page, fault->status, fault->status);
    else
        call_answer(call, fault->status, "Fault %d", fault->status);
    if (fault->html)
        call->answer.type = "text/html;charset=utf-8";
    call->answer.retry_after = fault->retry_after;
}

/* A fault that answers, closes or hangs keeps the request from being applied. */
static bool kept_from_applying(const struct fault_effect *effect)
{
    return effect->close || effect->hang || effect->status != NULL;
}

static void handle(struct call *call, struct fault_effect *effect)
{
    struct server *server = call->server;
    int64_t now_us = clock_now_us();
    struct fault_target target = {
        .probe = is_probe(call),
        .thing = is_segment(call, 1, "Things") ? slice_from(call->segments[2]) : slice_from(""),
    };
    faults_apply(&server->faults, &target, false, now_us, effect);
    if (!kept_from_applying(effect) && call_writes(call)) {
        call_read(call);
        target.update = &server->update;
        if (!bulk_is_called(call)) /* which meets them Thing by Thing */
            faults_apply(&server->faults, &target, true, now_us, effect);
    }
    if (effect->status != NULL)
        answer_fault(call, effect->status);
    else if (!kept_from_applying(effect))
        route(call, effect);
}

void rest_on_request(struct evhttp_request *request, void *context)
{
    struct server *server = context;
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    size_t n = evbuffer_get_length(body);
    struct fault_effect effect = {.close = false};
    struct call call = {
        .server = server,
        .request = request,
        .method = evhttp_request_get_command(request),
        .body = {n > 0 ? (const char *)evbuffer_pullup(body, -1) : "", n},
        .answer = {.status = 200, .type = "text/plain;charset=UTF-8"},
    };
    buffer_init(&call.answer.body, ANSWER_CEILING);
    server->counters.requests++;
    server->counters.bytes += n;
    bool ok = split_path(&call, evhttp_request_get_uri(request));
    if (ok && is_segment(&call, 1, "Things"))
        call.thing = model_seen(&server->model, slice_from(call.segments[2]));
    reply_begin(server, call.thing);
    if (ok && is_segment(&call, 0, "Thingworx"))
        handle(&call, &effect);
    else
        call_answer(&call, 404, "Not Found");
    free_path(&call);
    reply_finish(server, request, call.thing, &effect, &call.answer);
}
