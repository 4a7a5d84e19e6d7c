/* Who asks the HTTP port, and under which name. */
#include "admin/http_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct http_peer peer(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return http_peer_of((const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return http_peer_of((const struct sockaddr *)&v6);
}

static bool same(const char *a, const char *b)
{
    struct http_peer one = peer(a), other = peer(b);
    return http_peer_equal(&one, &other);
}

static void test_loopback(void **state)
{
    (void)state;
    static const char *const near[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    static const char *const far[] = {"128.0.0.1", "10.0.0.1",        "0.0.0.0", "::",
                                      "fe80::1",   "::ffff:10.0.0.1", "2001::1", "7f00::1"};
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++)
        assert_true(peer(near[i]).loopback);
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
        assert_false(peer(far[i]).loopback);
}

static void test_who_is_one_peer(void **state)
{
    (void)state;
    assert_true(same("10.0.0.1", "10.0.0.1"));
    assert_true(same("10.0.0.1", "::ffff:10.0.0.1"));
    assert_false(same("10.0.0.1", "10.0.0.2"));
    assert_true(same("2001:db8::1", "2001:db8::ffff:1")); /* a host has its whole /64 */
    assert_false(same("2001:db8::1", "2001:db8:0:1::1"));
    assert_false(same("::1", "127.0.0.1"));
}

static bool allowed(const char *host)
{
    /* On the heap, so that the sanitizer sees a byte too far. */
    size_t n = strlen(host);
    char *copy = malloc(n > 0 ? n : 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = host[i];
    bool yes = http_host_allowed((struct slice){copy, n}, "node-1", "plant.example.com, other");
    free(copy);
    return yes;
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "127.0.0.1",      "127.0.0.1:9464",    "10.1.2.3:1",   "[::1]",      "[::1]:9464",
        "[2001:db8::1]:", "localhost",         "LocalHost:80", "localhost.", "node-1",
        "NODE-1:9464",    "plant.example.com", "other:12345",  "localhost:",
    };
    static const char *const bad[] = {
        "",
        ":",
        ":80",
        "evil.example.com",
        "localhost.evil",
        "evil.localhost",
        "127.0.0.1.evil",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "::1",
        "[::1",
        "[]",
        "[127.0.0.1]",
        "[::1]x",
        "[::1]:x",
        "[::1]:1234567",
        "[::1%lo]",
        "localhost:x",
        "localhost:80:80",
        "localhost:123456",
        "node-1 ",
        "node-11",
        "node",
        "plant.example.com,other",
        "a@localhost",
        "localhost/",
        ".",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!allowed(good[i]))
            fail_msg("refused \"%s\"", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (allowed(bad[i]))
            fail_msg("allowed \"%s\"", bad[i]);
}

static void test_lists(void **state)
{
    (void)state;
    assert_false(http_host_allowed(SLICE_LITERAL("any"), NULL, NULL));
    assert_false(http_host_allowed(SLICE_LITERAL("any"), "", " , ,"));
    assert_true(http_host_allowed(SLICE_LITERAL("any"), NULL, "a,*"));
    assert_true(http_host_allowed(SLICE_LITERAL("any:1"), NULL, ",any"));
    assert_false(http_host_allowed(SLICE_LITERAL("*"), NULL, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_who_is_one_peer),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
