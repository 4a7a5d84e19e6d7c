/* The head of a request: what is read, what is refused, and that nothing depends on how the bytes
 * were cut into packets. */
#include "admin/http_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct http_request request;

static enum http_verdict read_bytes(const char *bytes, size_t n)
{
    /* On the heap, so that the sanitizer sees a byte too far. */
    char *copy = malloc(n + 1);
    memcpy(copy, bytes, n);
    char *exact = realloc(copy, n > 0 ? n : 1);
    enum http_verdict verdict = http_request_read((struct slice){exact, n}, &request);
    request.path.p = request.path.n > 0 ? bytes + (request.path.p - exact) : NULL;
    request.host.p = request.host.n > 0 ? bytes + (request.host.p - exact) : NULL;
    free(exact);
    return verdict;
}

static void reads(const char *text, const char *path, const char *host)
{
    size_t n = strlen(text);
    if (read_bytes(text, n) != HTTP_WHOLE)
        fail_msg("refused %s (%s)", text, request.why);
    assert_int_equal(request.size, n);
    assert_true(slice_equal(request.path, slice_from(path)));
    assert_true(slice_equal(request.host, slice_from(host)));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(read_bytes(text, i), HTTP_MORE);
    assert_int_equal(read_bytes(text, n), HTTP_WHOLE);
}

static void refuses_bytes(const char *bytes, size_t n, int status)
{
    if (read_bytes(bytes, n) != HTTP_REFUSED)
        fail_msg("took %s", bytes);
    assert_int_equal(request.status, status);
    assert_non_null(request.why);
}

static void refuses(const char *text, int status)
{
    refuses_bytes(text, strlen(text), status);
}

static void test_requests(void **state)
{
    (void)state;
    reads("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", "a");
    assert_true(request.keep);
    assert_false(request.head);
    reads("HEAD /metrics?x=1?/y HTTP/1.1\r\nhOsT:\t localhost:9464 \t\r\nAccept: */*\r\n\r\n",
          "/metrics", "localhost:9464");
    assert_true(request.head);
    reads("GET /a HTTP/1.0\r\n\r\n", "/a", "");
    assert_false(request.keep);
    reads("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade , CLOSE\r\nX-Empty:\r\n\r\n", "/a",
          "a");
    assert_false(request.keep);
    reads("GET /a HTTP/1.1\r\nHost: a\r\nConnection: closed\r\nContent-Length: 0\r\n\r\n", "/a",
          "a");
    assert_true(request.keep);
    reads("GET /a HTTP/1.1\r\nHost: a\r\nX-Name: caf\xc3\xa9 \xff\r\n\r\n", "/a", "a");
}

static void test_what_follows_stays(void **state)
{
    (void)state;
    static const char two[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b";
    assert_int_equal(read_bytes(two, sizeof two - 1), HTTP_WHOLE);
    assert_int_equal(request.size, strlen(two) - strlen("POST /b"));
}

static void test_methods(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST",  "PUT",     "DELETE", "PATCH", "OPTIONS",
                                          "TRACE", "CONNECT", "get",    "GETS",  "PROPFIND",
                                          "QUERY", "G",       "*",      "HEADX", "PRI"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char text[128] = "";
        (void)snprintf(text, sizeof text, "%s / HTTP/1.1\r\n", methods[i]);
        refuses(text, 405);
    }
    refuses("OPTIONS * HTTP/1.1\r\n", 405);
    refuses("CONNECT a:1 HTTP/1.1\r\n", 405);
}

static void test_request_lines(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "\r\n",
        "GET\r\n",
        "GET \r\n",
        "GET /\r\n",
        "GET / \r\n",
        " GET / HTTP/1.1\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET\t/ HTTP/1.1\r\n",
        "GET /  HTTP/1.1\r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET / http/1.1\r\n",
        "GET / HTTP/1.10\r\n",
        "GET / HTTP\r\n",
        "GET a HTTP/1.1\r\n",
        "GET * HTTP/1.1\r\n",
        "GET http://a/ HTTP/1.1\r\n",
        "GET /#a HTTP/1.1\r\n",
        "GET /\xc3\xa9 HTTP/1.1\r\n",
        "G\x01T / HTTP/1.1\r\n",
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\r\r\n",
        "GET / HT\rTP/1.1",
        "\x16\x03\x01\x02",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        refuses(lines[i], 400);
    refuses_bytes("GET /\0 HTTP/1.1\r\n", 17, 400);
    refuses("GET / HTTP/2.0\r\n", 505);
    refuses("GET / HTTP/1.2\r\n", 505);
    refuses("GET / HTTP/0.9\r\n", 505);
}

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        int status;
    } cases[] = {
        {"\r\n", 400}, /* no Host */
        {"Host: a\r\nHost: a\r\n", 400},
        {"Host:\r\n", 400},
        {"Host : a\r\n", 400},
        {" Host: a\r\n", 400},
        {"Host: a\r\n b\r\n", 400}, /* folded */
        {"Host: a\r\n\tb\r\n", 400},
        {": a\r\n", 400},
        {"Host\r\n", 400},
        {"Ho st: a\r\n", 400},
        {"Ho\x7f: a\r\n", 400},
        {"Host: a\rb\r\n", 400},
        {"Host: a\nX: b\r\n", 400},
        {"Host: a\r\nContent-Length: 1\r\n", 413},
        {"Host: a\r\nContent-Length: 00\r\n", 413},
        {"Host: a\r\nContent-Length: 18446744073709551616\r\n", 413},
        {"Host: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n", 400},
        {"Host: a\r\nContent-Length: 0, 0\r\n", 400},
        {"Host: a\r\nContent-Length: -0\r\n", 400},
        {"Host: a\r\nContent-Length: +0\r\n", 400},
        {"Host: a\r\nContent-Length:\r\n", 400},
        {"Host: a\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Host: a\r\nTransfer-Encoding: identity\r\n", 400},
        {"Host: a\r\nTransfer-Encoding : chunked\r\n", 400},
        {"Host: a\r\nExpect: 100-continue\r\n", 417},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256] = "";
        (void)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s\r\n", cases[i].fields);
        refuses(text, cases[i].status);
    }
}

/* `n` bytes of the form: before, a run of x, after. */
static char *padded(const char *before, const char *after, size_t n)
{
    char *text = malloc(n + 1);
    size_t head = strlen(before), tail = strlen(after);
    memcpy(text, before, head);
    memset(text + head, 'x', n - head - tail);
    memcpy(text + n - tail, after, tail);
    text[n] = '\0';
    return text;
}

static void test_openmetrics_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        bool wanted;
    } cases[] = {
        {"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         true},
        {"text/plain, Application/OpenMetrics-Text ; q=0.75", true},
        {"text/plain;version=0.0.4", false},
        {"*/*", false},
        {"", false},
        {",;,", false},
        {"application/openmetrics-text;q=0", false},
        {"application/openmetrics-texts", false},
        {"q=0", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: %s\r\n\r\n",
                       cases[i].accept);
        assert_int_equal(http_request_read(slice_from(text), &request), HTTP_WHOLE);
        if (request.openmetrics != cases[i].wanted)
            fail_msg("Accept: %s", cases[i].accept);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const char end[] = " HTTP/1.1\r\nHost: a\r\n\r\n";
    char *text = padded("GET /", end, HTTP_TARGET_CEILING + strlen(end) - strlen(" HTTP/1.1"));
    assert_int_equal(read_bytes(text, strlen(text)), HTTP_WHOLE);
    free(text);
    text = padded("GET /", end, HTTP_TARGET_CEILING + strlen(end) - strlen(" HTTP/1.1") + 1);
    refuses(text, 414);
    free(text);
    text = padded("GET /", "", HTTP_TARGET_CEILING + 1); /* no end of the line in sight */
    refuses(text, 414);
    free(text);
    text = padded("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n", HTTP_HEAD_CEILING);
    assert_int_equal(read_bytes(text, strlen(text)), HTTP_WHOLE);
    free(text);
    text = padded("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n", HTTP_HEAD_CEILING + 1);
    refuses(text, 431);
    assert_int_equal(read_bytes(text, HTTP_HEAD_CEILING - 1), HTTP_MORE);
    refuses_bytes(text, HTTP_HEAD_CEILING, 431);
    free(text);
}

static void test_number_of_fields(void **state)
{
    (void)state;
    char text[2048] = "GET / HTTP/1.1\r\nHost: a\r\n";
    size_t n = strlen(text);
    for (int i = 1; i < HTTP_FIELDS_CEILING; i++, n += 6)
        memcpy(text + n, "X: y\r\n", 7);
    memcpy(text + n, "\r\n", 3);
    assert_int_equal(read_bytes(text, n + 2), HTTP_WHOLE);
    memcpy(text + n, "X: y\r\n", 7);
    refuses_bytes(text, n + 6, 431);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),         cmocka_unit_test(test_what_follows_stays),
        cmocka_unit_test(test_methods),          cmocka_unit_test(test_request_lines),
        cmocka_unit_test(test_fields),           cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_number_of_fields), cmocka_unit_test(test_openmetrics_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
