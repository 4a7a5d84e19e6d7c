#include "thingworx_fixture.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <cmocka.h>

static void sends_what_thingworx_wants(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    struct answer a = ask(f, "Pump 1/\xc3\xbc%*", 0);
    assert_int_equal(a.class, ANSWER_ACCEPTED);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.text, "");
    struct server *s = &f->server;
    assert_string_equal(s->path,
                        "/Thingworx/Things/Pump%201%2F%C3%BC%25%2A/Services/UpdatePropertyValues");
    assert_string_equal(s->body, "{\"values\":{}}");
    assert_non_null(strstr(s->headers, "appKey: key-1\n"));
    assert_non_null(strstr(s->headers, "Content-Type: application/json\n"));
    assert_non_null(strstr(s->headers, "Accept: application/json\n"));
    assert_non_null(strstr(s->headers, "User-Agent: holdfast/" HOLDFAST_VERSION " (node-1)\n"));
    assert_null(strstr(s->headers, "Expect"));
    assert_null(strstr(s->headers, "Cookie"));
    ask(f, "..", 0);
    assert_string_equal(s->path, "/Thingworx/Things/%2E%2E/Services/UpdatePropertyValues");
}

static void keeps_its_connections(void **state)
{
    struct fixture *f = *state;
    f->config.max_in_flight = 4;
    fixture_open(f, NULL);
    for (int i = 0; i < 50; i++)
        assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
    assert_true(f->server.connections <= 2); /* the probe may have one of its own */
    struct answer a[4] = {{0}};
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 4; i++)
            assert_true(post(f, "a", 0, &a[i]));
        assert_false(thingworx_ready_to_send(f->tw, clock_now_us()));
        assert_false(post(f, "a", 0, &a[0]));
        unsigned expected = (unsigned)round + 1;
        WAIT_UNTIL(f, a[0].count == expected && a[1].count == expected && a[2].count == expected &&
                          a[3].count == expected);
    }
    assert_true(f->server.connections <= 5);
    struct thingworx_counters c = thingworx_count(f->tw);
    assert_int_equal(c.requests, 130);
    assert_int_equal(c.answers[ANSWER_ACCEPTED], 130);
    assert_int_equal(c.in_flight, 0);
    assert_int_equal(c.body_bytes, 130 * 13);
    assert_int_equal(f->states, 0);
    assert_true(f->capacity > 0);
}

static void large_bodies_arrive(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    static char body[1024 * 1024];
    memset(body, 'x', sizeof(body));
    const size_t sizes[] = {0, 1, 65535, 65536, 65537, 100000, sizeof(body)};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct answer a = {0};
        assert_true(thingworx_post(f->tw, SLICE_LITERAL("a"), SLICE_LITERAL("S"),
                                   (struct slice){body, sizes[i]}, 0, &a, clock_now_us()));
        WAIT_UNTIL(f, a.count > 0);
        assert_int_equal(a.class, ANSWER_ACCEPTED);
        assert_int_equal(f->server.body_n, sizes[i]);
    }
    f->server.status = 413;
    assert_int_equal(ask(f, "a", 0).class, ANSWER_TOO_LARGE);
}

static void closing_and_cancelling_in_flight(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    f->server.hang = true;
    struct answer a[8] = {{0}};
    for (int i = 0; i < 8; i++)
        assert_true(post(f, "a", 0, &a[i]));
    WAIT_UNTIL(f, f->server.held_count == 8);
    thingworx_cancel(f->tw);
    assert_int_equal(thingworx_count(f->tw).in_flight, 0);
    f->server.held_count = 0;
    f->server.hang = false;
    assert_int_equal(ask(f, "b", 0).class, ANSWER_ACCEPTED);
    f->server.hang = true;
    for (int i = 0; i < 8; i++)
        assert_true(post(f, "a", 0, &a[i]));
    WAIT_UNTIL(f, f->server.held_count == 8);
    thingworx_close(f->tw);
    f->tw = NULL;
    run_for(f, 50 * MS_US);
    for (int i = 0; i < 8; i++)
        assert_int_equal(a[i].count, 0);
}

static void reconfigures_under_load(void **state)
{
    struct fixture *f = *state;
    fixture_add_other(f);
    f->config.base_url_count = 1;
    fixture_open(f, NULL);
    f->server.hang = true;
    struct answer a = {0};
    assert_true(post(f, "a", 0, &a));
    WAIT_UNTIL(f, f->server.held_count == 1);
    struct error err = {0};
    const char *bad[] = {f->other_url, "nonsense"};
    f->config.base_urls = bad;
    f->config.base_url_count = 2;
    assert_false(thingworx_reconfigure(f->tw, &f->config, &err));
    assert_true(strlen(err.hint) > 0);
    bad[1] = f->other_url;
    assert_false(thingworx_reconfigure(f->tw, &f->config, &err));
    f->config.base_url_count = 1;
    f->config.app_key = "key-9";
    assert_true(thingworx_reconfigure(f->tw, &f->config, &err));
    assert_int_equal(ask(f, "b", 0).class, ANSWER_ACCEPTED);
    assert_int_equal(f->other.posts, 1);
    assert_non_null(strstr(f->other.headers, "appKey: key-9\n"));
    assert_int_equal(a.count, 0);
    evhttp_send_reply(f->server.held[0], 200, "x", NULL);
    WAIT_UNTIL(f, a.count == 1);
    assert_int_equal(a.class, ANSWER_ACCEPTED);
    assert_int_equal(a.endpoint, UINT32_MAX);
}

/* With base URLs that cannot be used nothing is sent; what waits goes out when they are put right.
 */
static void bad_base_urls_are_put_right(void **state)
{
    struct fixture *f = *state;
    struct thingworx_config good = f->config;
    const char *bad[][2] = {{"http://name.example/Thingworx"}, /* no resolver given */
                            {"ftp://127.0.0.1/"},
                            {"http://127.0.0.1:99999/Thingworx"},
                            {f->url, f->url}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f->config.base_urls = bad[i];
        f->config.base_url_count = bad[i][1] != NULL ? 2 : 1;
        fixture_open(f, NULL);
        WAIT_UNTIL(f, strcmp(f->state, "unreachable") == 0);
        assert_false(thingworx_ready_to_send(f->tw, clock_now_us()));
        assert_null(thingworx_base_url(f->tw, 0, &(enum breaker_state){BREAKER_CLOSED}));
        thingworx_restart(f->tw);
        thingworx_cancel(f->tw);
        struct error err = {0};
        assert_true(thingworx_reconfigure(f->tw, &good, &err));
        assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
        WAIT_UNTIL(f, strcmp(f->state, "ok") == 0);
        thingworx_close(f->tw);
        f->tw = NULL;
    }
}

static unsigned threads(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void on_query(struct evdns_server_request *req, void *ctx)
{
    unsigned *queries = ctx;
    const char *name = req->questions[0]->name;
    ev_uint32_t address = htonl(INADDR_LOOPBACK);
    ++*queries;
    bool known = strcasecmp(name, "twx.holdfast.test") == 0; /* evdns asks in MiXed case */
    if (known && req->questions[0]->type == EVDNS_TYPE_A)
        evdns_server_request_add_a_reply(req, name, 1, &address, 60);
    evdns_server_request_respond(req, known ? 0 : 3);
}

static void names_are_resolved_on_the_loop(void **state)
{
    struct fixture *f = *state;
    unsigned queries = 0;
    evutil_socket_t fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    evutil_make_socket_nonblocking(fd);
    struct evdns_server_port *server =
        evdns_add_server_port_with_base(f->base, fd, 0, on_query, &queries);
    struct evdns_base *dns = evdns_base_new(f->base, 0);
    assert_int_equal(evdns_base_nameserver_sockaddr_add(dns, (struct sockaddr *)&at, n, 0), 0);
    (void)snprintf(f->url, sizeof(f->url), "http://twx.holdfast.test:%d", f->server.port);
    struct error err = {0};
    unsigned before = threads();
    fixture_open(f, dns);
    assert_false(thingworx_ready_to_send(f->tw, clock_now_us()));
    struct answer a[8] = {{0}};
    assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
    for (int i = 0; i < 8; i++) /* more handles than have seen the route */
        assert_true(post(f, "a", 0, &a[i]));
    WAIT_UNTIL(f, a[7].count + a[6].count + a[5].count + a[0].count == 4);
    assert_int_equal(threads(), before);
    assert_true(queries >= 1);
    char host[64];
    (void)snprintf(host, sizeof(host), "Host: twx.holdfast.test:%d\n", f->server.port);
    assert_non_null(strstr(f->server.headers, host));
    /* a name that nobody knows; and closing while it is asked for */
    (void)snprintf(f->url, sizeof(f->url), "http://unknown.holdfast.test:%d", f->server.port);
    assert_true(thingworx_reconfigure(f->tw, &f->config, &err));
    WAIT_UNTIL(f, strcmp(f->state, "unreachable") == 0);
    (void)snprintf(f->url, sizeof(f->url), "http://twx.holdfast.test:%d", f->server.port);
    assert_true(thingworx_reconfigure(f->tw, &f->config, &err));
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    thingworx_close(f->tw);
    f->tw = NULL;
    run_for(f, 50 * MS_US);
    evdns_base_free(dns, 1);
    evdns_close_server_port(server);
    run_for(f, 20 * MS_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(sends_what_thingworx_wants),
        CASE(keeps_its_connections),
        CASE(large_bodies_arrive),
        CASE(closing_and_cancelling_in_flight),
        CASE(reconfigures_under_load),
        CASE(bad_base_urls_are_put_right),
        CASE(names_are_resolved_on_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
