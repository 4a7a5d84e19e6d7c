/* The node's HTTP endpoint, asked by a client on the same loop. */
#include "admin/http.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct event_base *base;
static struct metrics *metrics;
static struct metric *gauge;
static struct admin_http *http;
static struct error err;
static bool ready;

/* The last answer. */
static int status;
static char body[8192];
static char type[128];
static char policy[128];
static const char *host = "localhost";

static bool on_ready(void *ctx, struct buffer *why)
{
    assert_ptr_equal(ctx, &ready);
    if (!ready)
        (void)buffer_append_text(why, "the lease is not trusted");
    return ready;
}

static void on_scrape(void *ctx)
{
    assert_ptr_equal(ctx, &ready);
    metric_add(gauge, 1);
}

static void on_page(void *ctx, bool fragment, struct buffer *html)
{
    assert_ptr_equal(ctx, &ready);
    (void)buffer_append_text(html, fragment ? "<p>inside" : "<html>whole");
}

static struct admin_http_config config = {
    .address = "127.0.0.1",
    .name = "node-1",
    .page_policy = "default-src 'none'; connect-src 'self'",
    .limits = {.connections = 4,
               .connections_per_peer = 4,
               .head_ms = 30000,
               .idle_ms = 30000,
               .stall_ms = 30000,
               .request_ms = 30000},
};

static int set_up(void **state)
{
    (void)state;
    struct admin_http_handlers handlers = {&ready, on_ready, on_scrape, on_page};
    ready = true;
    base = event_base_new();
    metrics = metrics_create();
    gauge = metric_gauge(metrics, "scrapes", "Scrapes.", NULL);
    http = admin_http_start(base, &config, metrics, handlers, &err);
    assert_non_null(http);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    admin_http_stop(http);
    metrics_free(metrics);
    event_base_free(base);
    return 0;
}

static void on_answer(struct evhttp_request *request, void *context)
{
    (void)context;
    (void)event_base_loopbreak(base);
    status = 0;
    if (request == NULL)
        return;
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    int n = evbuffer_remove(input, body, sizeof body - 1);
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *found = evhttp_find_header(headers, "Content-Type");
    body[n > 0 ? n : 0] = '\0';
    (void)snprintf(type, sizeof type, "%s", found != NULL ? found : "");
    found = evhttp_find_header(headers, "Content-Security-Policy");
    (void)snprintf(policy, sizeof policy, "%s", found != NULL ? found : "");
    status = evhttp_request_get_response_code(request);
}

static void ask(enum evhttp_cmd_type method, const char *path)
{
    struct evhttp_connection *connection =
        evhttp_connection_base_new(base, NULL, "127.0.0.1", admin_http_port(http));
    struct evhttp_request *request = evhttp_request_new(on_answer, NULL);
    (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Host", host);
    assert_int_equal(evhttp_make_request(connection, request, method, path), 0);
    (void)event_base_dispatch(base);
    evhttp_connection_free(connection);
}

static void test_health(void **state)
{
    (void)state;
    ready = false;
    ask(EVHTTP_REQ_GET, "/healthz");
    assert_int_equal(status, 200);
    assert_string_equal(body, "ok\n");
    ask(EVHTTP_REQ_HEAD, "/healthz?x=1");
    assert_int_equal(status, 200);
    assert_string_equal(body, "");
}

static void test_readiness_says_why(void **state)
{
    (void)state;
    ask(EVHTTP_REQ_GET, "/readyz");
    assert_int_equal(status, 200);
    ready = false;
    ask(EVHTTP_REQ_GET, "/readyz");
    assert_int_equal(status, 503);
    assert_string_equal(body, "not ready: the lease is not trusted\n");
}

static void test_metrics_are_fresh(void **state)
{
    (void)state;
    ask(EVHTTP_REQ_GET, "/metrics");
    assert_int_equal(status, 200);
    assert_string_equal(type, "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(strstr(body, "# TYPE scrapes gauge\nscrapes 1\n"));
    ask(EVHTTP_REQ_GET, "/metrics");
    assert_non_null(strstr(body, "\nscrapes 2\n"));
}

static void test_the_page_and_its_inside(void **state)
{
    (void)state;
    ask(EVHTTP_REQ_GET, "/");
    assert_int_equal(status, 200);
    assert_string_equal(type, "text/html; charset=utf-8");
    assert_string_equal(body, "<html>whole");
    assert_string_equal(policy, config.page_policy);
    ask(EVHTTP_REQ_GET, "/fragment");
    assert_string_equal(body, "<p>inside");
    assert_string_equal(policy, "default-src 'none'; frame-ancestors 'none'");
}

static void test_a_page_for_nobody(void **state)
{
    (void)state;
    struct admin_http_config other = config;
    other.page_for = PAGE_FOR_NOBODY;
    admin_http_stop(http);
    http =
        admin_http_start(base, &other, NULL, (struct admin_http_handlers){.page = on_page}, &err);
    ask(EVHTTP_REQ_GET, "/");
    assert_int_equal(status, 404);
    ask(EVHTTP_REQ_GET, "/fragment");
    assert_int_equal(status, 404);
}

static void test_everything_else_is_refused(void **state)
{
    (void)state;
    ask(EVHTTP_REQ_GET, "/metricsx");
    assert_int_equal(status, 404);
    ask(EVHTTP_REQ_POST, "/metrics");
    assert_int_equal(status, 405);
    ask(EVHTTP_REQ_DELETE, "/");
    assert_int_equal(status, 405);
}

static void test_names(void **state)
{
    (void)state;
    host = "evil.example.com";
    ask(EVHTTP_REQ_GET, "/metrics");
    assert_int_equal(status, 421);
    assert_non_null(strstr(body, "--http-hosts"));
    host = "NODE-1:9464";
    ask(EVHTTP_REQ_GET, "/metrics");
    assert_int_equal(status, 200);
    assert_non_null(strstr(body, "holdfast_http_refused_total{reason=\"host\"} 1\n"));
    host = "localhost";
}

static void test_a_bad_address_and_a_taken_port(void **state)
{
    (void)state;
    struct admin_http_handlers none = {0};
    struct admin_http_config other = config;
    other.address = "localhost";
    assert_null(admin_http_start(base, &other, metrics, none, &err));
    assert_non_null(strstr(err.message, "localhost"));
    assert_non_null(strstr(err.hint, "127.0.0.1"));
    other.address = "127.0.0.1";
    other.port = admin_http_port(http);
    assert_null(admin_http_start(base, &other, metrics, none, &err));
    assert_non_null(strstr(err.hint, "another port"));
    admin_http_stop(NULL);
}

static void test_without_handlers(void **state)
{
    (void)state;
    struct admin_http_handlers none = {0};
    admin_http_stop(http);
    http = admin_http_start(base, &config, NULL, none, &err);
    assert_non_null(http);
    static const char *const paths[] = {"/healthz", "/readyz", "/metrics"};
    ask(EVHTTP_REQ_GET, "/");
    assert_int_equal(status, 404);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        ask(EVHTTP_REQ_GET, paths[i]);
        assert_int_equal(status, 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_health, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_readiness_says_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metrics_are_fresh, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_page_and_its_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_page_for_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_everything_else_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_bad_address_and_a_taken_port, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_handlers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
