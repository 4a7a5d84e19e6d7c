/* Reading migrations/ and sql/, and what a node makes of the schema's version. */
#include "base/memory.h"
#include "pg/migrate.h"
#include "pg/sql_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* An empty tree with its folders. */
static int make_tree(void **state)
{
    char *dir = xstrdup("/tmp/holdfast-sql-XXXXXX");
    assert_non_null(mkdtemp(dir));
    static const char *const folders[] = {"migrations", "sql", "sql/20_b", "sql/10_a"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *path = xasprintf("%s/%s", dir, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
        free(path);
    }
    *state = dir;
    return 0;
}

static void put(const char *dir, const char *name, const char *text, size_t n)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
    free(path);
}

static void put_text(const char *dir, const char *name, const char *text)
{
    put(dir, name, text, strlen(text));
}

static int remove_tree(void **state)
{
    char *dir = *state;
    static const char *const names[] = {"migrations/0001_one.sql",
                                        "migrations/0002_two_more.sql",
                                        "sql/10_a/b.sql",
                                        "sql/20_b/a.sql",
                                        "sql/20_b/.hidden.sql",
                                        "sql/20_b/note.txt",
                                        "sql/90_last.sql",
                                        "sql/10_a",
                                        "sql/20_b",
                                        "sql",
                                        "migrations",
                                        "."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = xasprintf("%s/%s", dir, names[i]);
        if (unlink(path) != 0)
            (void)rmdir(path);
        free(path);
    }
    (void)rmdir(dir);
    free(dir);
    return 0;
}

static void fill(const char *dir)
{
    put_text(dir, "migrations/0002_two_more.sql", "SELECT 2;\n");
    put_text(dir, "migrations/0001_one.sql", "abc");
    put_text(dir, "sql/90_last.sql", "");
    put_text(dir, "sql/20_b/a.sql", "SELECT 'a';\n");
    put_text(dir, "sql/10_a/b.sql", "SELECT 'b';\n");
    put_text(dir, "sql/20_b/.hidden.sql", "x");
    put_text(dir, "sql/20_b/note.txt", "x");
}

static void reads_in_order(void **state)
{
    struct sql_files files;
    struct error err;
    fill(*state);
    assert_true(sql_files_read(&files, *state, &err));

    assert_int_equal(files.migrations.count, 2);
    assert_string_equal(files.migrations.file[0].path, "migrations/0001_one.sql");
    assert_string_equal(files.migrations.file[0].name, "one");
    assert_int_equal(files.migrations.file[0].version, 1);
    /* The well-known SHA-256 of "abc". */
    assert_string_equal(files.migrations.file[0].checksum,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(files.migrations.file[1].name, "two_more");

    assert_int_equal(files.objects.count, 3);
    assert_string_equal(files.objects.file[0].path, "sql/10_a/b.sql");
    assert_string_equal(files.objects.file[1].path, "sql/20_b/a.sql");
    assert_string_equal(files.objects.file[1].text, "SELECT 'a';\n");
    assert_string_equal(files.objects.file[2].path, "sql/90_last.sql");
    assert_string_equal(files.objects.file[2].text, "");
    sql_files_free(&files);
}

static void a_migration_says_whom_it_breaks(void **state)
{
    struct sql_files files;
    struct error err;
    fill(*state);
    assert_true(sql_files_read(&files, *state, &err));
    assert_int_equal(files.migrations.file[1].breaks_before, 0);
    sql_files_free(&files);
    put_text(*state, "migrations/0002_two_more.sql",
             "-- Drops what nobody calls any more.\n-- breaks: nodes before 0002, which call it\n"
             "SELECT 2;\n");
    assert_true(sql_files_read(&files, *state, &err));
    assert_int_equal(files.migrations.file[0].breaks_before, 0);
    assert_int_equal(files.migrations.file[1].breaks_before, 2);
    sql_files_free(&files);
    static const char *const bad[] = {"-- breaks: everything\n", "-- breaks: nodes before 0003\n",
                                      "-- breaks: nodes before 0\n", "-- breaks:\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_text(*state, "migrations/0002_two_more.sql", bad[i]);
        assert_false(sql_files_read(&files, *state, &err));
        assert_non_null(strstr(err.message, "does not say whom it breaks"));
    }
}

static void digest_follows_every_file(void **state)
{
    struct error err;
    int version = 0;
    char first[65];
    char second[65];
    fill(*state);
    assert_true(migrate_expected(*state, &version, first, &err));
    assert_int_equal(version, 2);
    assert_int_equal(strlen(first), 64);
    put_text(*state, "sql/90_last.sql", "-- changed\n");
    assert_true(migrate_expected(*state, &version, second, &err));
    assert_string_not_equal(first, second);
    put_text(*state, "sql/90_last.sql", "");
    assert_true(migrate_expected(*state, &version, second, &err));
    assert_string_equal(first, second);
}

static void refuses_what_is_no_sql(void **state)
{
    struct sql_files files;
    struct error err;
    assert_false(sql_files_read(&files, "/nowhere", &err));
    assert_non_null(strstr(err.hint, "HOLDFAST_SQL_DIR"));
    assert_false(sql_files_read(&files, *state, &err));
    assert_non_null(strstr(err.detail, "no .sql file"));
    fill(*state);
    put(*state, "sql/90_last.sql", "a\0b", 3);
    assert_false(sql_files_read(&files, *state, &err));
    assert_non_null(strstr(err.detail, "NUL"));

    size_t n = (1U << 20) + 1;
    char *big = xmalloc(n);
    memset(big, ' ', n);
    put(*state, "sql/90_last.sql", big, n);
    free(big);
    assert_false(sql_files_read(&files, *state, &err));
    assert_non_null(strstr(err.detail, "1 MiB"));
}

static void knows_its_own_schema_only(void **state)
{
    struct error err;
    (void)state;
    assert_true(migrate_known(2, "aa", 2, "aa", &err));
    assert_false(migrate_known(2, "aa", 3, "bb", &err));
    assert_non_null(strstr(err.hint, "newer build"));
    assert_false(migrate_known(2, "aa", 1, "aa", &err));
    assert_non_null(strstr(err.detail, "needs 2"));
    assert_non_null(strstr(err.hint, "holdfast migrate"));
    assert_false(migrate_known(2, "aa", 2, "ab", &err));
    assert_non_null(strstr(err.detail, "functions differ"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_in_order, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(a_migration_says_whom_it_breaks, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(digest_follows_every_file, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_sql, make_tree, remove_tree),
        cmocka_unit_test(knows_its_own_schema_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
