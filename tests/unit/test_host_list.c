#include "pg/host_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The hosts as "host/hostaddr/port", parted by blanks; "-" for what is left to libpq. */
static void expect(const char *conninfo, const char *wanted)
{
    struct pg_host_list list;
    char found[512] = "";
    size_t n = 0;
    pg_host_list_read(&list, conninfo);
    for (size_t i = 0; i < list.count; i++) {
        const struct pg_host *h = &list.host[i];
        n += (size_t)snprintf(found + n, sizeof found - n, "%s%s/%s/%s", i > 0 ? " " : "",
                              h->host ? h->host : "-", h->hostaddr ? h->hostaddr : "-",
                              h->port ? h->port : "-");
    }
    pg_host_list_free(&list);
    assert_string_equal(found, wanted);
}

static void hosts_are_taken_apart_as_libpq_pairs_them(void **state)
{
    (void)state;
    expect("host=a,b port=1,2 dbname=x", "a/-/1 b/-/2");
    expect("host=a,b port=1", "a/-/1 b/-/1");
    expect("host=a,b", "a/-/- b/-/-");
    expect("host=a,b hostaddr=10.0.0.1,10.0.0.2 port=5", "a/10.0.0.1/5 b/10.0.0.2/5");
    expect("hostaddr=10.0.0.1,10.0.0.2", "-/10.0.0.1/- -/10.0.0.2/-");
    expect("postgresql://u@a:1,[::1]:2/x", "a/-/1 ::1/-/2");
    expect("host=/run/postgresql,db", "/run/postgresql/-/- db/-/-");
}

static void what_libpq_must_judge_stays_whole(void **state)
{
    (void)state;
    expect("", "-/-/-");
    expect("dbname=x", "-/-/-");
    expect("host=a,,b", "-/-/-");
    expect("host=a,", "-/-/-");
    expect("host=a,b hostaddr=10.0.0.1", "-/-/-");
    expect("host=a,b port=1,2,3", "-/-/-");
    expect("host=a,b port=1,", "-/-/-");
    expect("no connection string", "-/-/-");
}

static void too_many_stay_whole(void **state)
{
    (void)state;
    char text[256] = "host=a";
    for (int i = 1; i < PG_HOSTS_MAX; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), ",a");
    struct pg_host_list list;
    pg_host_list_read(&list, text);
    assert_int_equal(list.count, PG_HOSTS_MAX);
    pg_host_list_free(&list);
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), ",a");
    expect(text, "-/-/-");
}

static void a_name_tells_hosts_apart(void **state)
{
    (void)state;
    char name[32];
    char host[] = "a", address[] = "10.0.0.1", port[] = "1";
    pg_host_name(&(struct pg_host){.host = host, .hostaddr = address, .port = port}, name,
                 sizeof name);
    assert_string_equal(name, "a:1");
    pg_host_name(&(struct pg_host){.hostaddr = address}, name, sizeof name);
    assert_string_equal(name, "10.0.0.1");
    pg_host_name(&(struct pg_host){0}, name, sizeof name);
    assert_string_equal(name, "the default host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_taken_apart_as_libpq_pairs_them),
        cmocka_unit_test(what_libpq_must_judge_stays_whole),
        cmocka_unit_test(too_many_stay_whole),
        cmocka_unit_test(a_name_tells_hosts_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
