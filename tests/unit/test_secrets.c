#include "node/secrets.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { TOO_LONG = 64 * 1024 + 1 };

struct place {
    char outer[64]; /* holds the folder, and "outside" beside it */
    char folder[80];
};

static void put_at(const char *folder, const char *name, const char *bytes, size_t n)
{
    char *path = xasprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static void put(const struct place *place, const char *name, const char *text)
{
    put_at(place->folder, name, text, strlen(text));
}

static int make_place(void **state)
{
    struct place *place = xcalloc(1, sizeof *place);
    (void)snprintf(place->outer, sizeof place->outer, "/tmp/holdfast-secrets-XXXXXX");
    if (mkdtemp(place->outer) == NULL)
        return -1;
    (void)snprintf(place->folder, sizeof place->folder, "%s/in", place->outer);
    *state = place;
    return mkdir(place->folder, 0700);
}

static int remove_place(void **state)
{
    static const char *const names[] = {"in/hub-a",   "in/.hidden", "in/sub/x", "in/sub",
                                        "in/outside", "in",         "outside"};
    struct place *place = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = xasprintf("%s/%s", place->outer, names[i]);
        (void)remove(path);
        free(path);
    }
    int status = rmdir(place->outer);
    free(place);
    return status;
}

static void expect(const char *folder, const char *name, const char *value)
{
    struct error err = {0};
    char *secret = secret_read(folder, name, &err);
    if (secret == NULL)
        fail_msg("%s: %s", err.message, err.detail);
    assert_string_equal(secret, value);
    secret_free(secret);
}

/* The error says which secret, why and what to do. */
static struct error refuse(const char *folder, const char *name, const char *why)
{
    struct error err = {0};
    char *secret = secret_read(folder, name, &err);
    if (secret != NULL)
        fail_msg("\"%s\" was read", name);
    assert_non_null(strstr(err.message, name));
    assert_non_null(strstr(err.detail, why));
    assert_true(err.hint[0] != '\0');
    assert_null(strstr(err.message, "hunter2"));
    assert_null(strstr(err.detail, "hunter2"));
    assert_null(strstr(err.hint, "hunter2"));
    return err;
}

static void a_file_holds_it(void **state)
{
    static const struct {
        const char *text, *value;
    } files[] = {
        {"hunter2", "hunter2"},
        {"hunter2\n", "hunter2"},
        {"hunter2\r\n\n", "hunter2"},
        {" two\nlines \n", " two\nlines "},
    };
    const struct place *place = *state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        put(place, "hub-a", files[i].text);
        expect(place->folder, "hub-a", files[i].value);
    }
}

static void the_longest_is_read_whole_and_a_longer_one_not_at_all(void **state)
{
    const struct place *place = *state;
    char *text = xcalloc(1, TOO_LONG + 1);
    memset(text, 'x', TOO_LONG);
    put_at(place->folder, "hub-a", text, TOO_LONG);
    (void)refuse(place->folder, "hub-a", "too long");
    text[TOO_LONG - 1] = '\0';
    put(place, "hub-a", text);
    expect(place->folder, "hub-a", text);
    free(text);
}

static void a_file_that_holds_none_is_refused(void **state)
{
    const struct place *place = *state;
    put(place, "hub-a", "");
    (void)refuse(place->folder, "hub-a", "empty");
    put(place, "hub-a", "\n\r\n");
    (void)refuse(place->folder, "hub-a", "empty");
    put_at(place->folder, "hub-a", "hunter2\0tail", 12);
    (void)refuse(place->folder, "hub-a", "NUL");
    char *folder = xasprintf("%s/sub", place->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    free(folder);
    (void)refuse(place->folder, "sub", "directory");
}

static void the_environment_holds_it_when_no_file_does(void **state)
{
    const struct place *place = *state;
    assert_int_equal(setenv("HOLDFAST_SECRET_HUB_A_V2", "hunter2", 1), 0);
    expect(NULL, "hub-a.v2", "hunter2");
    expect(place->folder, "Hub-A_v2", "hunter2");
    assert_int_equal(setenv("HOLDFAST_SECRET_HUB_A", "from the environment", 1), 0);
    expect(place->folder, "hub-a", "from the environment");
    put(place, "hub-a", "from the file");
    expect(place->folder, "hub-a", "from the file");
    assert_int_equal(setenv("HOLDFAST_SECRET_HUB_A", "", 1), 0);
    (void)refuse(NULL, "hub-a", "environment has none");
    assert_int_equal(unsetenv("HOLDFAST_SECRET_HUB_A"), 0);
    assert_int_equal(unsetenv("HOLDFAST_SECRET_HUB_A_V2"), 0);
}

/* What systemd has loaded comes before the environment, and behind the folder. */
static void a_credential_holds_it_when_the_folder_does_not(void **state)
{
    const struct place *place = *state;
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", place->outer, 1), 0);
    assert_int_equal(setenv("HOLDFAST_SECRET_OUTSIDE", "from the environment", 1), 0);
    expect(NULL, "outside", "from the environment");
    put_at(place->outer, "outside", "from systemd\n", 13);
    expect(NULL, "outside", "from systemd");
    expect(place->folder, "outside", "from systemd");
    char *path = secret_path(place->folder, "outside", NULL);
    assert_non_null(path);
    assert_null(strstr(path, "/in/"));
    free(path);
    assert_true(secret_stamp(place->folder, "outside") != 0);
    put(place, "outside", "from the folder");
    expect(place->folder, "outside", "from the folder");
    (void)refuse(place->folder, "hub-a", "No such file");
    (void)refuse(NULL, "../in/outside", "");
    assert_int_equal(unsetenv("HOLDFAST_SECRET_OUTSIDE"), 0);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

static void a_missing_one_is_an_error_with_a_hint(void **state)
{
    const struct place *place = *state;
    struct error err = refuse(place->folder, "hub-a", "No such file");
    assert_non_null(strstr(err.detail, place->folder));
    assert_non_null(strstr(err.hint, "--secrets"));
    assert_non_null(strstr(err.hint, "HOLDFAST_SECRET_"));
    (void)refuse(NULL, "hub-a", "No secrets folder");
    (void)refuse("/nowhere/at/all", "hub-a", "No such file");
}

static void names_cannot_leave_the_folder(void **state)
{
    static const char *const names[] = {
        "../outside", "sub/../../outside", "sub/x",     "/etc/passwd", "..", ".", ".hidden", "",
        "a b",        "hub-a\n",           "h\xc3\xbc", "a%2fb",
    };
    const struct place *place = *state;
    put_at(place->outer, "outside", "hunter2", 7);
    put(place, ".hidden", "hunter2");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct error err = refuse(place->folder, names[i], "");
        assert_non_null(strstr(err.message, "not a name"));
    }
}

/* Who may change rows could name any secret an application key, and have it sent. */
static void only_application_keys_are_sent(void **state)
{
    static const char *const others[] = {
        "HostName=h;SharedAccessKeyName=n;SharedAccessKey=hunter2=",
        "*:*:*:*:hunter2",
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
        "hunter 2",
        "hunter2\nhunter3",
        "hunter\xc3\xbc",
    };
    const struct place *place = *state;
    struct error err;
    put(place, "hub-a", "4f2e1c3a-0000-4111-8222-333344445555\n");
    char *key = secret_read_app_key(place->folder, "hub-a", &err);
    assert_string_equal(key, "4f2e1c3a-0000-4111-8222-333344445555");
    secret_free(key);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        put(place, "hub-a", others[i]);
        assert_null(secret_read_app_key(place->folder, "hub-a", &err));
        assert_non_null(strstr(err.message, "no application key"));
        assert_null(strstr(err.detail, "hunter"));
    }
    char long_one[300] = "";
    memset(long_one, 'a', sizeof long_one - 1);
    put(place, "hub-a", long_one);
    assert_null(secret_read_app_key(place->folder, "hub-a", &err));
    assert_null(secret_read_app_key(place->folder, "none", &err));
}

static void freeing_nothing_is_legal(void **state)
{
    (void)state;
    secret_free(NULL);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(a_file_holds_it),
        WITH_PLACE(the_longest_is_read_whole_and_a_longer_one_not_at_all),
        WITH_PLACE(a_file_that_holds_none_is_refused),
        WITH_PLACE(the_environment_holds_it_when_no_file_does),
        WITH_PLACE(a_credential_holds_it_when_the_folder_does_not),
        WITH_PLACE(a_missing_one_is_an_error_with_a_hint),
        WITH_PLACE(names_cannot_leave_the_folder),
        WITH_PLACE(only_application_keys_are_sent),
        cmocka_unit_test(freeing_nothing_is_legal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
