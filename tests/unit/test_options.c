#include "bin/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGUMENTS_MAX = 8 };

/* Every test begins with an environment that says nothing. */
static int forget_environment(void **state)
{
    static const char *const names[] = {
        "DATABASE",  "NAME",     "SECRETS", "HTTP_ADDRESS", "HTTP_PORT",   "LOG_FORMAT",
        "LOG_LEVEL", "CAPACITY", "TTL_MS",  "DRAIN_MS",     "AUTONOMY_MS", "SQL_DIR",
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char variable[64] = "HOLDFAST_";
        (void)snprintf(variable + 9, sizeof variable - 9, "%s", names[i]);
        if (unsetenv(variable) != 0)
            return -1;
        (void)snprintf(variable + 9, sizeof variable - 9, "%s_FILE", names[i]);
        if (unsetenv(variable) != 0)
            return -1;
    }
    return 0;
}

static bool parse(struct options *options, const char *command, const char *const *arguments,
                  struct error *err)
{
    char *argv[ARGUMENTS_MAX + 1] = {NULL};
    int argc = 0;
    for (; arguments[argc] != NULL; argc++) {
        assert_true(argc < ARGUMENTS_MAX);
        argv[argc] = strdup(arguments[argc]);
    }
    bool ok = options_parse(options, command, argc, argv, err);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return ok;
}

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void accept(struct options *options, const char *command, const char *const *arguments)
{
    struct error err = {0};
    if (!parse(options, command, arguments, &err))
        fail_msg("%s (%s)", err.message, err.hint);
}

/* The error says what is wrong with what, and what to do. */
static struct error refuse(const char *command, const char *const *arguments, const char *what)
{
    struct options options;
    struct error err = {0};
    if (parse(&options, command, arguments, &err))
        fail_msg("accepted %s", arguments[0]);
    options_free(&options);
    if (strstr(err.message, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, what);
    assert_true(err.hint[0] != '\0');
    return err;
}

static void defaults_fill_what_is_not_given(void **state)
{
    (void)state;
    struct options o;
    accept(&o, "node", ARGUMENTS("--database", "dbname=x"));
    assert_string_equal(o.database, "dbname=x");
    assert_string_equal(o.http_address, "127.0.0.1");
    assert_string_equal(o.log_format, "logfmt");
    assert_string_equal(o.log_level, "info");
    assert_int_equal(o.http_port, 9464);
    assert_int_equal(o.capacity, 100);
    assert_int_equal(o.ttl_ms, 5000);
    assert_int_equal(o.drain_ms, 10000);
    assert_int_equal(o.autonomy_ms, 900000);
    assert_non_null(o.name); /* of the host */
    assert_null(o.secrets);
    assert_null(o.sql_dir);
    assert_false(o.check || o.discard || o.help);
    options_free(&o);
}

static void both_forms_of_a_value_are_read(void **state)
{
    (void)state;
    struct options o;
    accept(&o, "node",
           ARGUMENTS("--database=host=a dbname=b", "--name", "n1", "--http-port=0", "--ttl-ms",
                     "500", "--discard"));
    assert_string_equal(o.database, "host=a dbname=b");
    assert_string_equal(o.name, "n1");
    assert_int_equal(o.http_port, 0);
    assert_int_equal(o.ttl_ms, 500);
    assert_true(o.discard);
    options_free(&o);
    accept(&o, "migrate", ARGUMENTS("--database", "x", "--check", "--database=y"));
    assert_string_equal(o.database, "y"); /* the last one counts */
    assert_true(o.check);
    options_free(&o);
}

static void the_environment_stands_between_defaults_and_arguments(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(setenv("HOLDFAST_DATABASE", "dbname=env", 1), 0);
    assert_int_equal(setenv("HOLDFAST_TTL_MS", "700", 1), 0);
    assert_int_equal(setenv("HOLDFAST_CAPACITY", "7", 1), 0);
    assert_int_equal(setenv("HOLDFAST_LOG_LEVEL", "", 1), 0);
    accept(&o, "node", ARGUMENTS("--capacity=8"));
    assert_string_equal(o.database, "dbname=env");
    assert_int_equal(o.ttl_ms, 700);
    assert_int_equal(o.capacity, 8);
    assert_string_equal(o.log_level, "info"); /* empty is not given */
    options_free(&o);
}

static void say_in_file(const char *path, const char *text, size_t n)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void a_file_stands_in_for_a_value_of_the_environment(void **state)
{
    (void)state;
    struct options o;
    char path[] = "/tmp/holdfast-options-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    assert_int_equal(setenv("HOLDFAST_DATABASE_FILE", path, 1), 0);

    say_in_file(path, "dbname=x password='a b'\r\n\n", 25);
    accept(&o, "node", ARGUMENTS("--ttl-ms=600"));
    assert_string_equal(o.database, "dbname=x password='a b'");
    options_free(&o);
    accept(&o, "node", ARGUMENTS("--database=dbname=y"));
    assert_string_equal(o.database, "dbname=y"); /* an argument still wins */
    options_free(&o);

    say_in_file(path, "a\0b", 3);
    (void)refuse("node", ARGUMENTS("--ttl-ms=600"), "NUL");
    say_in_file(path, "\n", 1);
    struct error err = refuse("node", ARGUMENTS("--ttl-ms=600"), "empty");
    assert_non_null(strstr(err.hint, "HOLDFAST_DATABASE_FILE"));
    char *longest = calloc(1, 70000);
    assert_non_null(longest);
    memset(longest, 'x', 70000);
    say_in_file(path, longest, 70000);
    free(longest);
    (void)refuse("node", ARGUMENTS("--ttl-ms=600"), "too long");
    assert_int_equal(remove(path), 0);
    (void)refuse("node", ARGUMENTS("--ttl-ms=600"), "No such file");

    assert_int_equal(setenv("HOLDFAST_DATABASE", "dbname=z", 1), 0);
    (void)refuse("node", ARGUMENTS("--ttl-ms=600"),
                 "both HOLDFAST_DATABASE and HOLDFAST_DATABASE_FILE");
}

static void a_bad_environment_is_named(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(setenv("HOLDFAST_HTTP_PORT", "http", 1), 0);
    struct error err = refuse("node", ARGUMENTS("--database=x"), "http-port");
    assert_non_null(strstr(err.detail, "HOLDFAST_HTTP_PORT"));
    accept(&o, "migrate", ARGUMENTS("--database=x")); /* which has no port */
    options_free(&o);
}

static void what_is_unknown_is_refused(void **state)
{
    static const char *const unknown[] = {"--nonsense", "--nam", "--names=x", "name", "-n",
                                          "--",         "-",     "",          "--=x", "--Name=x"};
    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        (void)refuse("node", ARGUMENTS(unknown[i]), "does not take");
    (void)refuse("node", ARGUMENTS("--check"), "`holdfast node` does not take \"--check\"");
    (void)refuse("migrate", ARGUMENTS("--discard"), "does not take");
    (void)refuse("migrate", ARGUMENTS("--name=x"), "does not take");
    (void)refuse("mig", ARGUMENTS("--database=x"), "does not take");
}

static void what_is_not_a_usable_number_is_refused(void **state)
{
    static const char *const bad[] = {"--ttl-ms=",
                                      "--ttl-ms=5s",
                                      "--ttl-ms=0x1000",
                                      "--ttl-ms=1e3",
                                      "--ttl-ms=499",
                                      "--ttl-ms=600001",
                                      "--ttl-ms=-1",
                                      "--http-port=65536",
                                      "--http-port=-1",
                                      "--capacity=0",
                                      "--drain-ms=abc",
                                      "--autonomy-ms=99999999999999999999999",
                                      "--autonomy-ms=86400001"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error err = refuse("node", ARGUMENTS(bad[i]), "not a number that can be used");
        assert_non_null(strstr(err.hint, "from"));
    }
}

static void values_and_flags_are_told_apart(void **state)
{
    (void)state;
    (void)refuse("node", ARGUMENTS("--database=x", "--name"), "--name needs a value");
    (void)refuse("migrate", ARGUMENTS("--database=x", "--check=false"), "--check takes no value");
    (void)refuse("migrate", ARGUMENTS("--check="), "--check takes no value");
    (void)refuse("migrate", ARGUMENTS("--check", "false"), "does not take \"false\"");
}

static void the_whole_is_checked(void **state)
{
    (void)state;
    struct options o;
    struct error err = refuse("node", ARGUMENTS("--name=n"), "needs a database");
    assert_non_null(strstr(err.hint, "HOLDFAST_DATABASE"));
    (void)refuse("node", ARGUMENTS("--database=x", "--log-format=xml"), "log-format");
    (void)refuse("node", ARGUMENTS("--database=x", "--log-level=loud"), "log-level");
    accept(&o, "node", ARGUMENTS("--help")); /* asks for nothing else */
    assert_true(o.help);
    options_free(&o);
}

static void help_shows_what_a_subcommand_takes(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    options_help("migrate", out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "--check"));
    assert_non_null(strstr(text, "(HOLDFAST_DATABASE[_FILE])"));
    assert_non_null(strstr(text, "[logfmt]"));
    assert_null(strstr(text, "--discard"));
    free(text);
    out = open_memstream(&text, &n);
    assert_non_null(out);
    options_document(out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(
        text, "| `--ttl-ms` | `HOLDFAST_TTL_MS` | `HOLDFAST_TTL_MS_FILE` | 5000 | node check |"));
    free(text);
}

#define ALONE(test) cmocka_unit_test_setup(test, forget_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(defaults_fill_what_is_not_given),
        ALONE(both_forms_of_a_value_are_read),
        ALONE(the_environment_stands_between_defaults_and_arguments),
        ALONE(a_file_stands_in_for_a_value_of_the_environment),
        ALONE(a_bad_environment_is_named),
        ALONE(what_is_unknown_is_refused),
        ALONE(what_is_not_a_usable_number_is_refused),
        ALONE(values_and_flags_are_told_apart),
        ALONE(the_whole_is_checked),
        ALONE(help_shows_what_a_subcommand_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
