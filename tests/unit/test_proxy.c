#include "source/eventhubs/proxy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void takes_places_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {{"proxy.example:3128", "proxy.example", 3128},
                {"http://10.0.0.1:80", "10.0.0.1", 80},
                {"http://proxy:65535/", "proxy", 65535},
                {"[::1]:8080", "::1", 8080}};
    char *host;
    uint16_t port;
    struct error err;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(proxy_parse(good[i].text, &host, &port, &err));
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
        free(host);
    }
    static const char *const bad[] = {"",
                                      "proxy",
                                      "proxy:",
                                      ":1",
                                      "p:0",
                                      "p:65536",
                                      "p:1x",
                                      "::1",
                                      "[]:1",
                                      "https://p:1",
                                      "http://u:p@h:1",
                                      "h/x:1",
                                      "http://h:1/x/",
                                      "99999999999999999999:1 "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (proxy_parse(bad[i], &host, &port, &err))
            fail_msg("accepted '%s'", bad[i]);
}

/* What a proxy makes of an answer that arrives byte by byte. */
static enum proxy_step after(const char *answer, const char *host, char request[256],
                             struct error *err)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct proxy *proxy = proxy_open(pair[0], host, 5671);
    enum proxy_step step = proxy_advance(proxy, err);
    ssize_t n = read(pair[1], request, 255);
    request[n > 0 ? n : 0] = '\0';
    for (const char *p = answer; *p != '\0' && step == PROXY_WANTS_READ; p++) {
        assert_int_equal(write(pair[1], p, 1), 1);
        step = proxy_advance(proxy, err);
    }
    (void)close(pair[1]);
    if (step == PROXY_WANTS_READ)
        step = proxy_advance(proxy, err);
    proxy_free(proxy);
    (void)close(pair[0]);
    return step;
}

static void asks_and_understands_the_answer(void **state)
{
    (void)state;
    char request[256];
    struct error err;
    assert_int_equal(after("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n", "hub.example",
                           request, &err),
                     PROXY_READY);
    assert_string_equal(request,
                        "CONNECT hub.example:5671 HTTP/1.1\r\nHost: hub.example:5671\r\n\r\n");
    assert_int_equal(after("HTTP/1.0 200 OK\r\n\r\n", "::1", request, &err), PROXY_READY);
    assert_non_null(strstr(request, "CONNECT [::1]:5671 "));
    static const struct {
        const char *answer;
        enum proxy_step step;
        const char *detail;
    } bad[] = {{"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", PROXY_REFUSED, "407"},
               {"HTTP/1.1 403 Forbidden\r\n\r\n", PROXY_REFUSED, "403"},
               {"HTTP/1.1 503 Busy\r\n\r\n", PROXY_FAILED, "503"},
               {"AMQP\r\n\r\n", PROXY_REFUSED, "AMQP"},
               {"HTTP/1.1 200", PROXY_FAILED, "closed"},
               {"", PROXY_FAILED, "closed"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(after(bad[i].answer, "h", request, &err), bad[i].step);
        assert_non_null(strstr(err.detail, bad[i].detail));
        assert_non_null(strstr(err.message, "h:5671"));
    }
}

static void an_answer_without_end_is_refused(void **state)
{
    (void)state;
    char *endless = calloc(1, 10001);
    memset(endless, 'x', 10000);
    char request[256];
    struct error err;
    assert_int_equal(after(endless, "h", request, &err), PROXY_REFUSED);
    free(endless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_places_apart),
        cmocka_unit_test(asks_and_understands_the_answer),
        cmocka_unit_test(an_answer_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
