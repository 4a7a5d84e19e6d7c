#include "thingworx/base_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void takes_urls_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *base, *host;
        int port;
        bool numeric;
    } good[] = {
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080/Thingworx", "127.0.0.1", 8080, true},
        {"https://twx.example.com/", "https://twx.example.com:443/Thingworx", "twx.example.com",
         443, false},
        {"http://h/Thingworx/", "http://h:80/Thingworx", "h", 80, false},
        {"http://h:1/proxy/Thingworx//", "http://h:1/proxy/Thingworx", "h", 1, false},
        {"https://[::1]:8443/Thingworx", "https://[::1]:8443/Thingworx", "::1", 8443, true},
        {"HTTP://Host.Example/a%20b", "http://Host.Example:80/a%20b", "Host.Example", 80, false},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct base_url url;
        struct error err = {0};
        assert_true(base_url_parse(good[i].text, &url, &err));
        assert_string_equal(url.text, good[i].base);
        assert_string_equal(url.host, good[i].host);
        assert_int_equal(url.port, good[i].port);
        assert_int_equal(url.numeric, good[i].numeric);
        base_url_free(&url);
    }
}

static void refuses_what_is_not_a_base_url(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "twx.example.com",
        "twx:8080/Thingworx",
        "ftp://h/Thingworx",
        "http://",
        "http://h:0",
        "http://h:99999",
        "http://h:x/",
        "http://h/a b",
        "http://h/?q=1",
        "http://h/#f",
        "http://[::1/",
        "file:///etc/passwd",
        "http://h\r\nX: y/",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct base_url url;
        struct error err = {0};
        if (base_url_parse(bad[i], &url, &err))
            fail_msg("accepted %s as %s", bad[i], url.text);
        assert_true(strlen(err.message) > 0);
        assert_true(strlen(err.hint) > 0);
        base_url_free(&url);
    }
}

static void never_repeats_a_password(void **state)
{
    (void)state;
    struct base_url url;
    struct error err = {0};
    assert_false(base_url_parse("https://user:secret@h/Thingworx", &url, &err));
    assert_null(strstr(err.message, "secret"));
    assert_null(strstr(err.detail, "secret"));
    assert_non_null(strstr(err.message, "password"));
    base_url_free(&url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_urls_apart),
        cmocka_unit_test(refuses_what_is_not_a_base_url),
        cmocka_unit_test(never_repeats_a_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
