/* The small deciders below the lanes: bisect, poison, due. */
#include "core/bisect.h"
#include "core/due.h"
#include "core/poison.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void without_trouble_all_rows_go(void **state)
{
    (void)state;
    struct bisect b = {0};
    assert_int_equal(bisect_allowed(&b), UINT32_MAX);
    bisect_accepted(&b, 100);
    assert_int_equal(bisect_allowed(&b), UINT32_MAX);
    bisect_again(&b, 7);
    assert_int_equal(bisect_allowed(&b), 7);
    bisect_again(&b, 7);
    bisect_accepted(&b, 7);
    assert_int_equal(bisect_allowed(&b), UINT32_MAX);
    bisect_split(&b, 9);
    assert_int_equal(bisect_allowed(&b), 4);
    bisect_split(&b, 4);
    assert_int_equal(bisect_allowed(&b), 2);
    bisect_accepted(&b, 2);
    assert_int_equal(bisect_allowed(&b), UINT32_MAX);
}

static void what_was_refused_together_stays_together(void **state)
{
    (void)state;
    struct bisect b = {0};
    assert_false(bisect_refused(&b, 10));
    assert_int_equal(bisect_allowed(&b), 5);
    bisect_again(&b, 5);
    assert_int_equal(bisect_allowed(&b), 5);
    bisect_accepted(&b, 5);
    /* It is among the other five. */
    assert_int_equal(bisect_allowed(&b), 2);
    assert_false(bisect_refused(&b, 2));
    assert_int_equal(bisect_allowed(&b), 1);
    assert_true(bisect_refused(&b, 1));
    /* Found; what is left of the ten goes without newer rows. */
    assert_int_equal(bisect_allowed(&b), 4);
    assert_false(bisect_refused(&b, 4));
    assert_int_equal(bisect_allowed(&b), 2);
    bisect_accepted(&b, 2);
    assert_int_equal(bisect_allowed(&b), 1);
    bisect_accepted(&b, 1);
    /* The last one goes alone before it is blamed. */
    assert_int_equal(bisect_allowed(&b), 1);
    bisect_accepted(&b, 1);
    assert_int_equal(bisect_allowed(&b), UINT32_MAX);
}

static void rows_may_vanish(void **state)
{
    (void)state;
    struct bisect b = {0};
    bisect_again(&b, 5);
    bisect_removed(&b, 5, 3);
    assert_int_equal(bisect_allowed(&b), 5);
    bisect_removed(&b, 4, 3);
    assert_int_equal(bisect_allowed(&b), 4);
    bisect_removed(&b, 0, 3);
    assert_int_equal(bisect_allowed(&b), 1);
    bisect_removed(&b, 0, 1);
    assert_int_equal(bisect_allowed(&b), UINT32_MAX);
    assert_false(bisect_refused(&b, 8));
    assert_int_equal(bisect_horizon(&b), 8);
    bisect_removed(&b, 2, 6);
    assert_int_equal(bisect_allowed(&b), 1);
    assert_int_equal(bisect_horizon(&b), 2);
}

/* Whatever rows are bad, exactly they are found, in order, within the requests that bisecting
 * costs. */
static void exactly_the_bad_rows_are_found(void **state)
{
    (void)state;
    for (unsigned bad = 0; bad < 1u << 12; bad++) {
        struct bisect b = {0};
        uint32_t at = 0;
        unsigned found = 0;
        unsigned requests = 0;
        while (at < 12) {
            uint32_t n = bisect_allowed(&b);
            if (n > 12 - at)
                n = 12 - at;
            requests++;
            if (((bad >> at) & ((1u << n) - 1)) == 0) {
                bisect_accepted(&b, n);
                at += n;
            } else if (bisect_refused(&b, n)) {
                found |= 1u << at++;
            }
        }
        assert_int_equal(found, bad);
        assert_true(requests <= 1 + 6 * (unsigned)__builtin_popcount(bad));
    }
}

static void names_of_refused_properties(void **state)
{
    (void)state;
    struct poison p = {0};
    assert_false(poison_knows(&p, SLICE_LITERAL("a")));
    poison_forget(&p, SLICE_LITERAL("a"));
    poison_remember(&p, SLICE_LITERAL("a"));
    poison_remember(&p, SLICE_LITERAL("a"));
    poison_remember(&p, SLICE_LITERAL("b"));
    assert_int_equal(p.count, 2);
    assert_true(poison_knows(&p, SLICE_LITERAL("a")));
    assert_true(poison_knows(&p, SLICE_LITERAL("b")));
    assert_false(poison_knows(&p, SLICE_LITERAL("c")));
    poison_forget(&p, SLICE_LITERAL("c"));
    poison_forget(&p, SLICE_LITERAL("a"));
    assert_false(poison_knows(&p, SLICE_LITERAL("a")));
    assert_true(poison_knows(&p, SLICE_LITERAL("b")));
    static const char letters[] = "cdefghijklmnop";
    for (const char *c = letters; *c != '\0'; c++)
        poison_remember(&p, (struct slice){c, 1});
    assert_int_equal(p.count, POISON_MAX);
    assert_false(poison_knows(&p, SLICE_LITERAL("b")));
    for (size_t i = 0; i < POISON_MAX; i++)
        assert_true(poison_knows(&p, (struct slice){letters + sizeof letters - 2 - i, 1}));
}

static void things_come_out_when_due(void **state)
{
    enum { THINGS = 300 };
    static struct due things[THINGS];
    static bool in[THINGS];
    (void)state;
    struct due_heap heap = {0};
    assert_null(due_first(&heap));
    struct random random;
    random_seed(&random, 1);
    for (int step = 0; step < 20000; step++) {
        size_t i = random_below(&random, THINGS);
        if (in[i]) {
            due_remove(&heap, &things[i]);
        } else {
            things[i].at_us = (int64_t)random_below(&random, 100);
            due_add(&heap, &things[i]);
        }
        in[i] = !in[i];
        int64_t least = INT64_MAX;
        size_t count = 0;
        for (size_t k = 0; k < THINGS; k++)
            if (in[k]) {
                least = things[k].at_us < least ? things[k].at_us : least;
                count++;
            }
        assert_int_equal(heap.n, count);
        if (count > 0)
            assert_int_equal(due_first(&heap)->at_us, least);
        else
            assert_null(due_first(&heap));
    }
    due_heap_free(&heap);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_trouble_all_rows_go),
        cmocka_unit_test(what_was_refused_together_stays_together),
        cmocka_unit_test(rows_may_vanish),
        cmocka_unit_test(exactly_the_bad_rows_are_found),
        cmocka_unit_test(names_of_refused_properties),
        cmocka_unit_test(things_come_out_when_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
