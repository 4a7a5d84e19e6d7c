#include "thingworx_fixture.h"

#include "base/clock.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

/* ---- the server ---- */

static struct bufferevent *on_connection(struct event_base *base, void *ctx)
{
    struct server *server = ctx;
    server->connections++;
    return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
}

static void record(struct server *server, struct evhttp_request *req)
{
    struct evkeyval *header;
    size_t n = 0;
    (void)snprintf(server->path, sizeof(server->path), "%s", evhttp_request_get_uri(req));
    for (header = evhttp_request_get_input_headers(req)->tqh_first; header != NULL;
         header = header->next.tqe_next)
        n += (size_t)snprintf(server->headers + n, sizeof(server->headers) - n, "%s: %s\n",
                              header->key, header->value);
    struct evbuffer *in = evhttp_request_get_input_buffer(req);
    server->body_n = evbuffer_get_length(in);
    memset(server->body, 0, sizeof(server->body));
    evbuffer_copyout(in, server->body, sizeof(server->body) - 1);
}

static void on_post(struct server *server, struct evhttp_request *req)
{
    server->posts++;
    record(server, req);
    struct evkeyvalq *out = evhttp_request_get_output_headers(req);
    const char *key = evhttp_find_header(evhttp_request_get_input_headers(req), "appKey");
    int status = server->status;
    if (server->good_key != NULL && (key == NULL || strcmp(key, server->good_key) != 0))
        status = 401;
    else if (server->bad_thing != NULL && strstr(server->path, server->bad_thing) != NULL)
        status = server->bad_status;
    if (server->hang && server->held_count < 64) {
        server->held[server->held_count++] = req;
        return;
    }
    if (server->retry_after != NULL)
        evhttp_add_header(out, "Retry-After", server->retry_after);
    struct evbuffer *body = evbuffer_new();
    if (server->page != NULL) {
        evhttp_add_header(out, "Content-Type", "text/html;charset=utf-8");
        evbuffer_add(body, server->page, strlen(server->page));
    } else if (status >= 400) {
        evbuffer_add_printf(body, "refused\n  with %d", status);
    }
    evhttp_send_reply(req, status, "x", body);
    evbuffer_free(body);
}

static void on_request(struct evhttp_request *req, void *ctx)
{
    struct server *server = ctx;
    if (evhttp_request_get_command(req) == EVHTTP_REQ_POST) {
        on_post(server, req);
        return;
    }
    server->probes++;
    assert_string_equal(evhttp_request_get_uri(req), "/Thingworx/ready");
    assert_null(evhttp_find_header(evhttp_request_get_input_headers(req), "appKey"));
    evhttp_send_reply(req, server->ready_status, "x", NULL);
}

void server_start(struct server *server, struct event_base *base, int port)
{
    server->http = evhttp_new(base);
    evhttp_set_bevcb(server->http, on_connection, server);
    evhttp_set_gencb(server->http, on_request, server);
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(server->http, "127.0.0.1", (ev_uint16_t)port);
    assert_non_null(bound);
    struct sockaddr_in at = {0};
    socklen_t n = sizeof(at);
    assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&at, &n), 0);
    server->port = ntohs(at.sin_port);
    server->status = server->ready_status = 200;
}

void server_stop(struct server *server)
{
    if (server->http != NULL)
        evhttp_free(server->http);
    server->http = NULL;
    server->held_count = 0;
}

/* ---- the client under test ---- */

static void on_answered(void *ctx, void *request_ctx, const struct thingworx_answer *answer)
{
    struct answer *a = request_ctx;
    (void)ctx;
    a->count++;
    a->class = answer->class;
    a->status = answer->status;
    a->endpoint = answer->endpoint;
    a->confirmed = answer->refusal_confirmed;
    a->retry_after_us = answer->retry_after_us;
    a->at_us = clock_now_us();
    (void)snprintf(a->text, sizeof(a->text), "%s", answer->text);
}

static void on_capacity(void *ctx)
{
    struct fixture *f = ctx;
    assert_true(thingworx_ready_to_send(f->tw, clock_now_us()));
    f->capacity++;
}

static void on_state(void *ctx, const char *state, const struct error *why)
{
    struct fixture *f = ctx;
    f->states++;
    (void)snprintf(f->state, sizeof(f->state), "%s", state);
    assert_int_equal(why == NULL, strcmp(state, "ok") == 0);
    if (why != NULL) {
        assert_true(strlen(why->message) > 0);
        assert_true(strlen(why->hint) > 0);
    }
}

static bool on_wanted(void *ctx, const void *request_ctx)
{
    const struct fixture *f = ctx;
    assert_non_null(request_ctx);
    return !f->unwanted;
}

static void on_guard(evutil_socket_t fd, short what, void *ctx)
{
    struct fixture *f = ctx;
    (void)fd;
    (void)what;
    f->late = true;
}

int fixture_setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    f->base = event_base_new();
    f->guard = evtimer_new(f->base, on_guard, f);
    random_seed(&f->random, 42);
    server_start(&f->server, f->base, 0);
    (void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d/Thingworx", f->server.port);
    f->urls[0] = f->url;
    f->config = (struct thingworx_config){.name = "main",
                                          .base_urls = f->urls,
                                          .base_url_count = 1,
                                          .app_key = "key-1",
                                          .node = "node-1",
                                          .max_in_flight = 8,
                                          .request_timeout_ms = 30000,
                                          .settle_ms = -1,
                                          .random = &f->random};
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    thingworx_close(f->tw);
    server_stop(&f->server);
    server_stop(&f->other);
    event_free(f->guard);
    event_base_free(f->base);
    free(f);
    return 0;
}

struct thingworx_handlers fixture_handlers(struct fixture *f)
{
    return (struct thingworx_handlers){.ctx = f,
                                       .answered = on_answered,
                                       .capacity = on_capacity,
                                       .wanted = on_wanted,
                                       .state = on_state};
}

bool steady_for_a_while(void *ctx)
{
    struct fixture *f = ctx;
    if (f->steady_asks == 0)
        return false;
    f->steady_asks--;
    return true;
}

void fixture_open(struct fixture *f, struct evdns_base *dns)
{
    f->tw = thingworx_open(f->base, dns, &f->config, fixture_handlers(f));
    assert_non_null(f->tw);
}

void fixture_add_other(struct fixture *f)
{
    server_start(&f->other, f->base, 0);
    (void)snprintf(f->other_url, sizeof(f->other_url), "http://127.0.0.1:%d", f->other.port);
    f->urls[1] = f->other_url;
    f->config.base_url_count = 2;
}

void fixture_guard(struct fixture *f)
{
    const struct timeval patience = {60, 0};
    evtimer_add(f->guard, &patience);
}

void fixture_step(struct fixture *f)
{
    event_base_loop(f->base, EVLOOP_ONCE);
    assert_false(f->late);
}

void run_for(struct fixture *f, int64_t us)
{
    int64_t until = clock_now_us() + us;
    while (clock_now_us() < until) {
        event_base_loopexit(f->base, &(struct timeval){0, 5000});
        event_base_loop(f->base, 0);
    }
}

bool post_at(struct fixture *f, const char *thing, int64_t refused_since_us, struct answer *a,
             int64_t now_us)
{
    return thingworx_post(f->tw, slice_from(thing), SLICE_LITERAL("UpdatePropertyValues"),
                          SLICE_LITERAL("{\"values\":{}}"), refused_since_us, a, now_us);
}

bool post(struct fixture *f, const char *thing, int64_t refused_since_us, struct answer *a)
{
    return post_at(f, thing, refused_since_us, a, clock_now_us());
}

struct answer ask(struct fixture *f, const char *thing, int64_t refused_since_us)
{
    struct answer a = {0};
    WAIT_UNTIL(f, thingworx_ready_to_send(f->tw, clock_now_us()));
    assert_true(post(f, thing, refused_since_us, &a));
    WAIT_UNTIL(f, a.count > 0);
    assert_int_equal(a.count, 1);
    return a;
}

void send_round(struct fixture *f, struct refusals *r)
{
    static const char *const things[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        struct answer a = {0};
        if (!post(f, things[i], r->since_us[i], &a))
            continue;
        WAIT_UNTIL(f, a.count > 0);
        if (a.class == ANSWER_ACCEPTED)
            r->since_us[i] = 0;
        else if (r->since_us[i] == 0)
            r->since_us[i] = a.at_us;
        r->confirmed += a.confirmed;
    }
    run_for(f, 20 * MS_US);
}

unsigned confirmed_within(struct fixture *f, int64_t us)
{
    struct refusals r = {0};
    for (int64_t until = clock_now_us() + us; clock_now_us() < until;)
        send_round(f, &r);
    return r.confirmed;
}
