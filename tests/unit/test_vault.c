#include "base/vault.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* Does the kernel say of the memory at this address that it has the flag (see proc(5), smaps)? */
static bool has_flag(const void *memory, const char *flag)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    assert_non_null(file);
    char line[512];
    bool inside = false, found = false;
    while (fgets(line, sizeof line, file) != NULL) {
        char *end = NULL;
        uintptr_t from = strtoumax(line, &end, 16); /* "7f00-7f01 rw-p ..." begins a mapping */
        if (end != line && *end == '-')
            inside = from <= (uintptr_t)memory && (uintptr_t)memory < strtoumax(end + 1, NULL, 16);
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    (void)fclose(file);
    return found;
}

static void it_is_locked_and_in_no_core_file(void **state)
{
    (void)state;
    char *secret = vault_copy("hunter2 and more", 7);
    assert_string_equal(secret, "hunter2");
    assert_true(has_flag(secret, " lo"));
    assert_true(has_flag(secret, " dd"));
    vault_free(secret);
}

static void it_is_empty_and_large_enough(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4079, 4080, 4081, 65538, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *memory = vault_alloc(sizes[i]);
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(memory[at], 0);
        memset(memory, 'x', sizes[i]);
        vault_free(memory);
    }
    char *empty = vault_copy("", 0);
    assert_string_equal(empty, "");
    vault_free(empty);
    vault_free(NULL);
}

/* Two secrets are never neighbours on a page, so giving one back does not unlock the other. */
static void each_has_pages_of_its_own(void **state)
{
    (void)state;
    char *one = vault_copy("one", 3), *two = vault_copy("two", 3);
    vault_free(one);
    assert_true(has_flag(two, " lo"));
    assert_string_equal(two, "two");
    vault_free(two);
}

/* As a last resort unlocked, but never a node that does not start. Root may lock what it wants, so
 * there is nothing to see then but that it works. */
static void it_works_where_nothing_may_be_locked(void **state)
{
    (void)state;
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &old), 0);
    struct rlimit none = {0, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    char *secret = vault_copy("hunter2", 7);
    assert_string_equal(secret, "hunter2");
    assert_true(has_flag(secret, " dd"));
    vault_free(secret);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &old), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_locked_and_in_no_core_file),
        cmocka_unit_test(it_is_empty_and_large_enough),
        cmocka_unit_test(each_has_pages_of_its_own),
        cmocka_unit_test(it_works_where_nothing_may_be_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
