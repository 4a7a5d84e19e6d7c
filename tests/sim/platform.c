#include "platform.h"

#include "base/memory.h"
#include "checks.h"
#include "hub.h"
#include "thingworx/http.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { ROWS_MAX = 64, THING_MAX = 32, NUMBER_DIGITS = 16 };

/* One request, from the node to ThingWorx and back. */
struct exchange {
    int references;
    struct http *http; /* NULL: nobody waits for the answer any more */
    int node, url;
    bool post, answered;
    char thing[THING_MAX];
    uint64_t values[ROWS_MAX];
    size_t count;
    http_done done;
    void *ctx;
    struct http_result result;
    struct exchange *next, *prev;
};

struct http {
    int node;
    void (*drained)(void *ctx);
    void *ctx;
    struct exchange *list;
};

struct platform {
    struct world *world;
    enum platform_state state[PLATFORM_URLS];
    int max_rows; /* more in one request are too much: 413 */
};

const char *platform_state_name(enum platform_state state)
{
    static const char *const names[] = {"ok",     "unavailable", "starting",  "nothing found",
                                        "broken", "forbids",     "throttles", "loses replies",
                                        "hangs",  "slow",        "gone"};
    return names[state];
}

struct platform *platform_create(struct world *w, int max_rows)
{
    struct platform *p = xcalloc(1, sizeof *p);
    p->world = w;
    p->max_rows = max_rows;
    return p;
}

void platform_free(struct platform *p)
{
    free(p);
}

void platform_set(struct platform *p, int url, enum platform_state state)
{
    world_trace(p->world, "ThingWorx %d: %s", url, platform_state_name(state));
    if (state == PLATFORM_BROKEN || state == PLATFORM_NOTHING_FOUND || state == PLATFORM_STARTING)
        check_gave_up(p->world);
    p->state[url] = state;
}

static void unref(struct exchange *x)
{
    if (--x->references == 0)
        free(x);
}

static void drop_exchange(void *ctx, uint64_t number)
{
    (void)number;
    unref(ctx);
}

/* ---- the node's end ----------------------------------------------------------------------- */

static void give(struct exchange *x, const struct http_result *result)
{
    struct http *http = x->http;
    DL_DELETE(http->list, x);
    x->http = NULL;
    if (result->outcome != HTTP_ANSWERED)
        check_unknown(the_world, x->values, x->count);
    x->done(x->ctx, result);
    unref(x);
    if (http->drained != NULL)
        http->drained(http->ctx);
}

static void on_answer(void *ctx, uint64_t number)
{
    struct exchange *x = ctx;
    (void)number;
    if (x->http != NULL)
        give(x, &x->result);
    unref(x);
}

static void on_time_out(void *ctx, uint64_t number)
{
    struct exchange *x = ctx;
    (void)number;
    if (x->http != NULL)
        give(x, &(struct http_result){
                    .outcome = HTTP_FAILED, .retry_after_us = -1, .text = slice_from("timed out")});
    unref(x);
}

/* ---- ThingWorx's end ---------------------------------------------------------------------- */

static void answer(struct exchange *x, enum http_outcome outcome, int status)
{
    struct world *w = the_world;
    x->result = (struct http_result){.outcome = outcome,
                                     .status = status,
                                     .retry_after_us = status == 429 ? 300000 : -1,
                                     .text = slice_from("model")};
    x->references++;
    world_at(w, w->now_us + world_latency(w, x->node), x->node, on_answer, drop_exchange, x, 0);
}

static bool is_poisoned(const struct exchange *x, int *status)
{
    static const int statuses[] = {404, 500, 400};
    struct hub_value v;
    for (size_t i = 0; i < x->count; i++) {
        if (!hub_decode(x->values[i], &v))
            continue;
        struct hub_event event = hub_event(the_world, v.log, v.partition, v.sequence);
        *status = statuses[v.sequence % 3];
        if (event.poison == v.row)
            return true;
    }
    return false;
}

static int take(struct exchange *x)
{
    const struct platform *p = the_world->platform;
    int status = 200;
    if (p->max_rows > 0 && (int)x->count > p->max_rows)
        return 413;
    if (is_poisoned(x, &status))
        return status;
    check_accepted(the_world, x->values, x->count);
    return 200;
}

static void on_worked(void *ctx, uint64_t quietly)
{
    struct exchange *x = ctx;
    int status = x->post ? take(x) : 200;
    if (!quietly)
        answer(x, HTTP_ANSWERED, status);
    unref(x);
}

static void work(struct exchange *x, int64_t low_us, int64_t high_us, bool quietly)
{
    struct world *w = the_world;
    x->references++;
    world_at(w, w->now_us + world_between(w, low_us, high_us), NOWHERE, on_worked, drop_exchange, x,
             quietly);
}

static void on_arrival(void *ctx, uint64_t number)
{
    struct exchange *x = ctx;
    struct world *w = the_world;
    (void)number;
    switch (w->platform->state[x->url]) {
    case PLATFORM_OK:
        work(x, 500, 8000, false);
        break;
    case PLATFORM_SLOW:
        work(x, 20000, 1800000, false);
        break;
    case PLATFORM_UNAVAILABLE:
        answer(x, HTTP_ANSWERED, 503);
        break;
    case PLATFORM_STARTING:
        answer(x, HTTP_ANSWERED, 404);
        break;
    case PLATFORM_NOTHING_FOUND:
        answer(x, HTTP_ANSWERED, x->post ? 404 : 200);
        break;
    case PLATFORM_BROKEN:
        answer(x, HTTP_ANSWERED, x->post ? 500 : 200);
        break;
    case PLATFORM_FORBIDS:
        answer(x, HTTP_ANSWERED, 401);
        break;
    case PLATFORM_THROTTLES:
        answer(x, HTTP_ANSWERED, 429);
        break;
    case PLATFORM_LOSES_REPLIES:
        work(x, 500, 8000, x->post && world_chance(w, 50));
        break;
    case PLATFORM_HANGS:
        if (world_chance(w, 60))
            work(x, 1000, 9000000, true);
        break;
    case PLATFORM_GONE:
    case PLATFORM_STATES:
        answer(x, HTTP_UNREACHABLE, 0);
        break;
    }
    unref(x);
}

static void on_the_wire(void *ctx, uint64_t number)
{
    struct exchange *x = ctx;
    struct world *w = the_world;
    (void)number;
    world_at(w, w->now_us + world_latency(w, x->node), NOWHERE, on_arrival, drop_exchange, x, 0);
}

/* ---- thingworx/http ----------------------------------------------------------------------- */

struct http *http_open(struct event_base *base, unsigned max_connections,
                       void (*drained)(void *ctx), void *ctx)
{
    (void)base;
    (void)max_connections;
    struct http *http = xcalloc(1, sizeof *http);
    *http = (struct http){.node = the_world->running, .drained = drained, .ctx = ctx};
    return http;
}

void http_cancel(struct http *http)
{
    struct exchange *x, *next;
    DL_FOREACH_SAFE(http->list, x, next)
    {
        DL_DELETE(http->list, x);
        x->http = NULL;
        check_unknown(the_world, x->values, x->count);
        unref(x);
    }
}

void http_close(struct http *http)
{
    if (http == NULL)
        return;
    http_cancel(http);
    free(http);
}

/* A request of the model is sent whole when it is asked for. */
void http_set_gate(struct http *http, bool (*open)(void *ctx), void *ctx)
{
    (void)http;
    (void)open;
    (void)ctx;
}

void http_set_max_connections(struct http *http, unsigned max_connections)
{
    (void)http;
    (void)max_connections;
}

void http_set_security(struct http *http, const struct http_security *security)
{
    (void)http;
    (void)security;
}

int64_t http_date_us(const char *date)
{
    (void)date; /* no answer here has one */
    return -1;
}

struct http_counters http_counters(const struct http *http)
{
    (void)http;
    return (struct http_counters){0};
}

/* The values in a body are the only numbers with so many digits. */
static void read_values(struct exchange *x, struct slice body)
{
    for (size_t i = 0; i < body.n;) {
        size_t digits = 0;
        while (i + digits < body.n && isdigit((unsigned char)body.p[i + digits]))
            digits++;
        if (digits >= NUMBER_DIGITS && x->count < ROWS_MAX)
            x->values[x->count++] = strtoull(body.p + i, NULL, 10);
        i += digits > 0 ? digits : 1;
    }
}

static void read_request(struct exchange *x, const struct http_request *request)
{
    const char *thing = strstr(request->url, "/Things/");
    x->url = strstr(request->url, "192.0.2.2") != NULL;
    x->post = request->post;
    if (thing != NULL)
        (void)snprintf(x->thing, sizeof x->thing, "%.*s", (int)strcspn(thing + 8, "/"), thing + 8);
    read_values(x, request->body);
}

void http_send(struct http *http, const struct http_request *request)
{
    struct world *w = the_world;
    struct exchange *x = xcalloc(1, sizeof *x), *other;
    *x = (struct exchange){.references = 3,
                           .http = http,
                           .node = http->node,
                           .done = request->done,
                           .ctx = request->ctx};
    read_request(x, request);
    DL_FOREACH(http->list, other)
    {
        if (x->post && other->post && strcmp(x->thing, other->thing) == 0)
            world_fail(w, "n%d has two requests at once for %s", x->node, x->thing);
    }
    if (x->post)
        check_posts(w, x->node, x->values, x->count);
    DL_APPEND(http->list, x);
    world_send(w, x->node, on_the_wire, drop_exchange, x, 0);
    world_at(w, w->now_us + request->timeout_ms * INT64_C(1000), x->node, on_time_out,
             drop_exchange, x, 0);
}

struct http_headers *http_headers_create(const char *const *lines, size_t count)
{
    (void)lines;
    (void)count;
    return NULL;
}

void http_headers_release(struct http_headers *headers)
{
    (void)headers;
}

struct http_route *http_route_create(const char *host, int port, const char *addresses)
{
    (void)host;
    (void)port;
    (void)addresses;
    return NULL;
}

void http_route_release(struct http_route *route)
{
    (void)route;
}
