#include "pg/connection.h"
#include "pg/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *conninfo, const char *text)
{
    char *scrubbed = pg_scrub(conninfo);
    assert_string_equal(scrubbed, text);
    free(scrubbed);
}

static void what_tells_databases_apart_is_kept(void **state)
{
    (void)state;
    expect("host=a,b port=1,2 dbname=x user=u", "host=a,b port=1,2 dbname=x user=u");
    expect("postgresql://u@a:1,b:2/x?target_session_attrs=read-write",
           "host=a,b port=1,2 dbname=x user=u");
    expect("user=u dbname=x", "dbname=x user=u");
    expect("postgresql://[::1]/x", "host=::1 dbname=x");
    expect("", "");
}

/* Every way that libpq knows to write one, also those that nobody uses. */
static void no_password_is_shown(void **state)
{
    static const char *const forms[] = {
        "postgresql://u:hunter2@a/x",
        "postgres://u:hunter2@a/x?sslmode=require",
        "postgresql://u:hun:hunter2@a/x",
        "postgresql://u:%68unter2@a/x",
        "postgresql://u@a/x?password=hunter2",
        "postgresql://u@a/x?p%61ssword=hunter2",
        "postgresql://u@a/x?sslpassword=hunter2&application_name=y@z",
        "host=a dbname=x user=u password=hunter2",
        "password=hunter2 host=a dbname=x user=u",
        "host=a dbname=x user=u password = hunter2",
        "host=a dbname=x user=u password\t=\n'my hunter2'",
        "host=a dbname=x user=u password='it\\'s hunter2'",
        "host=a dbname=x user=u password=my\\ hunter2",
        "host=a dbname=x user=u password=a&hunter2",
        "host=a dbname=x user=u password='a://b:c@hunter2'",
        "host=a dbname=x user=u sslpassword=hunter2 sslkey=k",
        "host=a dbname=x user=u password=one password=hunter2",
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        expect(forms[i], "host=a dbname=x user=u");
}

static void on_resolved(void *ctx, const char *hostaddr, const struct error *err)
{
    assert_null(hostaddr);
    assert_non_null(err);
    *(struct error *)ctx = *err;
}

static void nothing_is_shown_of_what_libpq_cannot_read(void **state)
{
    static const char *const forms[] = {
        "host=a password=my hunter2",
        "host=a password='hunter2",
        "postgresql://u:%zzhunter2@a/x",
        "postgresql://u:hunter2@[a/x",
        "hunter2",
        "postgresql://u:p@a/x?hunter2",
        "host=a pasword=hunter2",
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct error err = {0};
        expect(forms[i], "(not a valid connection string)");
        assert_null(pg_resolve_start(NULL, forms[i], NULL, on_resolved, &err));
        assert_non_null(strstr(err.message, "not valid"));
        assert_non_null(strstr(err.hint, "%XX"));
        assert_null(strstr(err.detail, "hunter2"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_tells_databases_apart_is_kept),
        cmocka_unit_test(no_password_is_shown),
        cmocka_unit_test(nothing_is_shown_of_what_libpq_cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
