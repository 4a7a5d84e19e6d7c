#include "core/notice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void each_notice_is_for_whom_it_concerns(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        bool leader;
        struct notice wanted; /* for session 3 */
    } cases[] = {
        {"assignment 3", false, {.refresh = true}},
        {"assignment 12 3 17", false, {.refresh = true}},
        {"assignment 33 13 31", false, {0}},
        {"assignment 33", true, {.tend = true}},
        {"assignment", false, {.poll = true}},
        {"leader 3", false, {.poll = true}},
        {"leader 4", false, {0}},
        {"leader 4", true, {.poll = true, .tend = true}},
        {"members", false, {0}},
        {"members", true, {.tend = true}},
        {"config", false, {.poll = true}},
        {"config", true, {.poll = true, .tend = true}},
        {"assignments 3", false, {.poll = true}}, /* some later version's */
        {"", false, {.poll = true}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct notice notice = notice_read(cases[i].payload, 3, cases[i].leader);
        assert_int_equal(notice.refresh, cases[i].wanted.refresh);
        assert_int_equal(notice.poll, cases[i].wanted.poll);
        assert_int_equal(notice.tend, cases[i].wanted.tend);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_notice_is_for_whom_it_concerns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
