#include "base/error.h"
#include "pg/failure.h"
#include "pg/secure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const variables[] = {"PGHOST",    "PGHOSTADDR",    "PGSERVICE",
                                        "PGSSLMODE", "PGSSLROOTCERT", "SSL_CERT_FILE"};

static int clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        (void)unsetenv(variables[i]);
    (void)setenv("HOME", "/nonexistent", 1);
    return 0;
}

static void expect_one(const char *conninfo, const char *host, const char *hostaddr,
                       const char *mode, const char *authorities)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    struct pg_security found = pg_secure(options, host, hostaddr);
    assert_string_equal(found.sslmode != NULL ? found.sslmode : "-", mode);
    assert_string_equal(found.sslrootcert != NULL ? found.sslrootcert : "-", authorities);
    PQconninfoFree(options);
}

static void expect(const char *conninfo, const char *mode, const char *authorities)
{
    expect_one(conninfo, NULL, NULL, mode, authorities);
}

#define SYSTEM "/etc/ssl/certs/ca-certificates.crt"

static void another_machine_is_verified(void **state)
{
    (void)state;
    expect("host=db", "verify-full", SYSTEM);
    expect("postgresql://u@db/x", "verify-full", SYSTEM);
    expect("host=10.0.0.1", "verify-full", SYSTEM);
    expect("host=128.0.0.1", "verify-full", SYSTEM);
    expect("host=2001:db8::1", "verify-full", SYSTEM);
    expect("hostaddr=10.0.0.1", "verify-full", SYSTEM);
    expect("host=localhost,db", "verify-full", SYSTEM);
    expect("host=localhost.example.com", "verify-full", SYSTEM);
    expect("host=db sslrootcert=/ca.pem", "verify-full", "-");
}

static void an_address_of_ours_under_the_name_of_another_is_verified(void **state)
{
    (void)state;
    expect("host=db hostaddr=127.0.0.1", "verify-full", SYSTEM);
    expect("host=localhost hostaddr=10.0.0.1", "verify-full", SYSTEM);
}

static void this_machine_is_left_to_libpq(void **state)
{
    (void)state;
    static const char *const here[] = {"",
                                       "dbname=x",
                                       "host=/run/postgresql",
                                       "host=@socket",
                                       "host=localhost",
                                       "host=LocalHost",
                                       "host=127.0.0.1",
                                       "host=127.9.9.9",
                                       "host=::1",
                                       "host=localhost,/run/postgresql,127.0.0.1",
                                       "host=localhost hostaddr=::1",
                                       "postgresql://u@[::1]:5/x"};
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++)
        expect(here[i], "-", "-");
}

static void what_leaves_it_to_the_other_end_is_no_statement(void **state)
{
    (void)state;
    expect("host=db sslmode=prefer", "verify-full", SYSTEM);
    expect("host=db sslmode=allow", "verify-full", SYSTEM);
    (void)setenv("PGSSLMODE", "prefer", 1);
    expect("host=db", "verify-full", SYSTEM);
}

static void a_statement_stands(void **state)
{
    (void)state;
    expect("host=db sslmode=disable", "-", "-");
    expect("host=db sslmode=require", "-", "-");
    expect("host=db sslmode=verify-ca sslrootcert=/ca.pem", "-", "-");
    expect("host=db sslmode=verify-ca", "-", SYSTEM);
    expect("host=127.0.0.1 sslmode=verify-full", "-", SYSTEM);
    (void)setenv("PGSSLMODE", "require", 1);
    expect("host=db", "-", "-");
    (void)setenv("PGSSLROOTCERT", "/ca.pem", 1);
    (void)setenv("PGSSLMODE", "verify-full", 1);
    expect("host=db", "-", "-");
}

static void hosts_are_judged_one_by_one(void **state)
{
    (void)state;
    expect_one("host=localhost,db", "localhost", NULL, "-", "-");
    expect_one("host=localhost,db", "db", NULL, "verify-full", SYSTEM);
    expect_one("host=db,db hostaddr=10.0.0.1,10.0.0.2", "db", "10.0.0.2", "verify-full", SYSTEM);
}

static void the_environment_names_hosts_too(void **state)
{
    (void)state;
    (void)setenv("PGHOST", "db", 1);
    expect("dbname=x", "verify-full", SYSTEM);
    expect("host=localhost", "-", "-");
    (void)unsetenv("PGHOST");
    (void)setenv("PGHOSTADDR", "10.0.0.1", 1);
    expect("", "verify-full", SYSTEM);
    (void)unsetenv("PGHOSTADDR");
    expect("service=prod", "verify-full", "-");
    (void)setenv("PGSERVICE", "prod", 1);
    expect("", "verify-full", "-");
    expect("host=localhost", "-", "-");
    (void)unsetenv("PGSERVICE");
    (void)setenv("SSL_CERT_FILE", "/own.pem", 1);
    expect("host=db", "verify-full", "/own.pem");
}

static void what_is_not_verified_is_told(void **state)
{
    (void)state;
    struct error why;
    assert_true(pg_insecure("host=db sslmode=disable password=hunter2", &why));
    assert_non_null(strstr(why.message, "without TLS"));
    assert_null(strstr(why.detail, "hunter2"));
    assert_true(pg_insecure("host=db sslmode=require", &why));
    assert_non_null(strstr(why.hint, "verify-full"));
    static const char *const secure[] = {"host=db",
                                         "host=db sslmode=prefer",
                                         "host=db sslmode=verify-ca",
                                         "host=db sslmode=require sslrootcert=/ca.pem",
                                         "host=localhost sslmode=disable",
                                         "host=/run sslmode=disable",
                                         "no string of that kind"};
    for (size_t i = 0; i < sizeof secure / sizeof secure[0]; i++)
        assert_false(pg_insecure(secure[i], &why));
}

static void failures_have_hints(void **state)
{
    (void)state;
    assert_non_null(strstr(pg_failure_hint("server does not support SSL, but SSL was required", ""),
                           "verify-full"));
    assert_non_null(strstr(pg_failure_hint("SSL error: certificate verify failed "
                                           "certificate has expired",
                                           ""),
                           "clock"));
    assert_string_equal(pg_failure_hint("what nobody has heard", "otherwise"), "otherwise");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(another_machine_is_verified, clean),
        cmocka_unit_test_setup(an_address_of_ours_under_the_name_of_another_is_verified, clean),
        cmocka_unit_test_setup(this_machine_is_left_to_libpq, clean),
        cmocka_unit_test_setup(what_leaves_it_to_the_other_end_is_no_statement, clean),
        cmocka_unit_test_setup(a_statement_stands, clean),
        cmocka_unit_test_setup(hosts_are_judged_one_by_one, clean),
        cmocka_unit_test_setup(the_environment_names_hosts_too, clean),
        cmocka_unit_test_setup(what_is_not_verified_is_told, clean),
        cmocka_unit_test_setup(failures_have_hints, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
