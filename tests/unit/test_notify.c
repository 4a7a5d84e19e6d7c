#include "base/notify.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A manager's socket; `name` is its path, or begins with '@'. */
static int listen_at(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    memcpy(at.sun_path, name, n);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    else
        size++;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, size), 0);
    return fd;
}

static void arrives(const char *name)
{
    struct error err;
    int fd = listen_at(name);
    struct notify *notify = notify_open(name, &err);
    assert_non_null(notify);
    assert_true(notify_send(notify, "READY=1\nSTATUS=well\n"));
    char text[64] = "";
    assert_int_equal(recv(fd, text, sizeof text - 1, 0), strlen("READY=1\nSTATUS=well\n"));
    assert_string_equal(text, "READY=1\nSTATUS=well\n");
    notify_close(notify);
    (void)close(fd);
}

static void test_by_path(void **state)
{
    (void)state;
    char folder[] = "/tmp/holdfast-notify-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    (void)snprintf(path, sizeof path, "%s/socket", folder);
    arrives(path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_by_abstract_name(void **state)
{
    (void)state;
    char name[64];
    (void)snprintf(name, sizeof name, "@holdfast-notify-%d", (int)getpid());
    arrives(name);
}

static void test_what_is_no_address(void **state)
{
    (void)state;
    char great[256];
    memset(great, 'x', sizeof great - 1);
    great[0] = '/';
    great[sizeof great - 1] = '\0';
    const char *const wrong[] = {"", "/", "@", "relative", "vsock:2:1234", great};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct error err;
        assert_null(notify_open(wrong[i], &err));
        assert_non_null(strstr(err.message, "NOTIFY_SOCKET"));
        assert_string_not_equal(err.hint, "");
    }
    great[107] = '\0'; /* with its NUL as long as there is room */
    struct notify *notify = notify_open(great, NULL);
    assert_non_null(notify);
    notify_close(notify);
}

/* A manager that is away, or does not read, costs its news and nothing else. */
static void test_never_waits(void **state)
{
    (void)state;
    char name[64];
    (void)snprintf(name, sizeof name, "@holdfast-deaf-%d", (int)getpid());
    struct notify *notify = notify_open(name, NULL);
    assert_non_null(notify);
    assert_false(notify_send(notify, "WATCHDOG=1\n"));
    int fd = listen_at(name);
    int taken = 0;
    while (taken < 100000 && notify_send(notify, "WATCHDOG=1\n"))
        taken++;
    assert_in_range(taken, 1, 99999);
    char text[32];
    assert_true(recv(fd, text, sizeof text, 0) > 0);
    assert_true(notify_send(notify, "WATCHDOG=1\n"));
    notify_close(notify);
    (void)close(fd);
    assert_true(notify_send(NULL, "READY=1\n"));
}

static void test_watchdog(void **state)
{
    (void)state;
    assert_int_equal(notify_watchdog_us("30000000", "42", 42), 30000000);
    assert_int_equal(notify_watchdog_us("30000000", NULL, 42), 30000000);
    assert_int_equal(notify_watchdog_us("30000000", "43", 42), 0);
    assert_int_equal(notify_watchdog_us("30000000", "", 42), 0);
    assert_int_equal(notify_watchdog_us(NULL, "42", 42), 0);
    assert_int_equal(notify_watchdog_us("", "42", 42), 0);
    assert_int_equal(notify_watchdog_us("0", NULL, 42), 0);
    assert_int_equal(notify_watchdog_us("-5", NULL, 42), 0);
    assert_int_equal(notify_watchdog_us("5s", NULL, 42), 0);
    assert_int_equal(notify_watchdog_us("99999999999999999999", NULL, 42), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_path),
        cmocka_unit_test(test_by_abstract_name),
        cmocka_unit_test(test_what_is_no_address),
        cmocka_unit_test(test_never_waits),
        cmocka_unit_test(test_watchdog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
