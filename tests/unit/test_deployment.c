#include "core/deployment.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TTL_MS = 5000 };

/* What was found, as "level subject; " one after the other. Every finding that is not ok says what
 * to do. */
static void note(void *ctx, enum finding_level level, const char *subject, const struct error *what)
{
    char *text = ctx;
    size_t n = strlen(text);
    assert_true(what->message[0] != '\0');
    assert_true(level == FINDING_OK || what->hint[0] != '\0');
    (void)snprintf(text + n, 1000 - n, "%s %s; ", finding_level_name(level), subject);
}

static struct server_facts healthy(void)
{
    return (struct server_facts){.version = 150020,
                                 .version_text = "15.20",
                                 .login = "connector",
                                 .node = true,
                                 .owner_exists = true,
                                 .owner_serves = true,
                                 .extension = true,
                                 .schema = true,
                                 .missing_functions = "",
                                 .synchronous_commit = "on",
                                 .standby_names = "",
                                 .wal_level = "replica",
                                 .fsync = true,
                                 .full_page_writes = true,
                                 .track_activities = true,
                                 .max_connections = 400,
                                 .reserved_connections = 5,
                                 .used_connections = 40,
                                 .login_limit = -1,
                                 .database_limit = -1,
                                 .max_locks = 64,
                                 .keepalive_idle_s = 2,
                                 .keepalive_interval_s = 1,
                                 .keepalive_count = 3,
                                 .user_timeout_ms = 5000};
}

static const char *found(const struct server_facts *facts)
{
    static char text[1000];
    text[0] = '\0';
    deployment_server(facts, TTL_MS, note, text);
    return text;
}

static void a_healthy_server(void **state)
{
    (void)state;
    struct server_facts facts = healthy();
    assert_string_equal(found(&facts), "ok login; ok server; ");
}

/* One fault at a time: the finding, and what is still fine. */
#define WITH(change, expected)                                                                     \
    do {                                                                                           \
        struct server_facts f = healthy();                                                         \
        change;                                                                                    \
        assert_string_equal(found(&f), expected);                                                  \
    } while (0)

static void each_fault_of_the_login(void **state)
{
    (void)state;
    WITH(f.version = 130012, "error server; ok server; ");
    WITH(f.read_only = true, "error server; ok server; ");
    WITH(f.owner_exists = false, "error roles; ok server; ");
    WITH(f.owner_serves = false, "error roles; ok server; ");
    WITH(f.extension = false, "error roles; ok server; ");
    WITH(f.schema = false, "error schema; ok server; ");
    WITH(f.node = false, "error login; ok server; ");
    WITH(f.superuser = true, "warning login; ok server; ");
    WITH(f.owner = true, "warning login; ok server; ");
    WITH(f.writes_tables = true, "warning login; ok server; ");
    WITH(f.missing_functions = "join", "error login; ok server; ");
}

static void each_setting_that_weakens_a_promise(void **state)
{
    (void)state;
    WITH(f.fsync = false, "ok login; error fsync; ");
    WITH(f.full_page_writes = false, "ok login; error full_page_writes; ");
    WITH(f.track_activities = false, "ok login; error track_activities; ");
    WITH(f.synchronous_commit = "off", "ok login; warning synchronous_commit; ");
    WITH(f.synchronous_commit = "local", "ok login; ok server; ");
    WITH((f.synchronous_commit = "local", f.standby_names = "b"),
         "ok login; warning synchronous_commit; ");
    WITH(f.wal_level = "minimal", "ok login; warning wal_level; ");
    WITH(f.max_locks = 10, "ok login; warning max_locks_per_transaction; ");
    WITH(f.unix_socket = true, "ok login; warning network; ");
    WITH(f.user_timeout_ms = 0, "ok login; warning tcp_user_timeout; ");
    WITH(f.user_timeout_ms = 900000, "ok login; warning tcp_user_timeout; ");
    WITH(f.keepalive_idle_s = 7200, "ok login; warning tcp_keepalives; ");
}

static void room_for_connections(void **state)
{
    (void)state;
    WITH(f.used_connections = 355, "ok login; ok server; ");
    WITH(f.used_connections = 356, "ok login; warning max_connections; ");
    WITH(f.used_connections = 392, "ok login; warning max_connections; ");
    WITH(f.used_connections = 393, "ok login; error max_connections; ");
    WITH(f.login_limit = 2, "ok login; error connection limit; ");
    WITH(f.login_limit = 30, "ok login; warning connection limit; ");
    WITH((f.login_limit = 30, f.database_limit = 2), "ok login; error connection limit; ");
    WITH((f.login_limit = 2, f.superuser = true), "warning login; ok server; ");
}

static const char *lease_found(struct lease_facts facts)
{
    static char text[1000];
    text[0] = '\0';
    deployment_lease(&facts, note, text);
    return text;
}

/* A ping goes out every third of the TTL, and trust ends a fifth before it: 2333 ms are left. */
static void the_time_to_live_fits_the_way(void **state)
{
    (void)state;
    struct lease_facts f = {TTL_MS, TTL_MS, TTL_MS, 300, 900};
    assert_string_equal(lease_found(f), "ok lease; ");
    f.worst_us = 500000;
    assert_string_equal(lease_found(f), "ok lease; ");
    f.worst_us = 500001;
    assert_string_equal(lease_found(f), "warning lease; ");
    f.worst_us = 2333000;
    assert_string_equal(lease_found(f), "warning lease; ");
    f.worst_us = 2334000;
    assert_string_equal(lease_found(f), "error lease; ");
}

static void the_server_must_know_the_time_to_live(void **state)
{
    (void)state;
    struct lease_facts f = {TTL_MS, TTL_MS, 0, 300, 900};
    assert_string_equal(lease_found(f), "error lease; ");
    f = (struct lease_facts){TTL_MS, 0, TTL_MS, 300, 900};
    assert_string_equal(lease_found(f), "error lease; ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_server),
        cmocka_unit_test(each_fault_of_the_login),
        cmocka_unit_test(each_setting_that_weakens_a_promise),
        cmocka_unit_test(room_for_connections),
        cmocka_unit_test(the_time_to_live_fits_the_way),
        cmocka_unit_test(the_server_must_know_the_time_to_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
