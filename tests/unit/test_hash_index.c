#include "core/hash_index.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS = 400, STEPS = 40000, HASHES = 60 };

struct item {
    uint64_t hash;
    bool in;
};

static bool contains(const struct hash_index *index, const struct item *item)
{
    size_t at = hash_index_start(index, item->hash);
    const struct item *found;
    unsigned times = 0;
    while ((found = hash_index_next(index, item->hash, &at)) != NULL)
        times += found == item;
    assert_true(times <= 1);
    return times == 1;
}

static void test_empty(void **state)
{
    (void)state;
    struct hash_index index = {NULL, 0, 0};
    size_t at = hash_index_start(&index, 7);
    assert_null(hash_index_next(&index, 7, &at));
    at = 0;
    assert_null(hash_index_walk(&index, &at));
    hash_index_free(&index);
}

/* Against a list: many items share hashes, and hashes share places, so that runs are long, wrap
 * around, and lose items in their midst. */
static void test_as_a_list_does(void **state)
{
    (void)state;
    static struct item items[ITEMS];
    struct hash_index index = {NULL, 0, 0};
    struct random random;
    size_t count = 0;
    random_seed(&random, 42);
    for (size_t i = 0; i < ITEMS; i++) {
        uint64_t draw = random_below(&random, HASHES);
        items[i].hash = draw % 3 == 0 ? UINT64_MAX - draw : draw << (draw % 2 ? 40 : 0);
    }
    for (size_t step = 0; step < STEPS; step++) {
        struct item *item = &items[random_below(&random, step < STEPS / 2 ? ITEMS : ITEMS / 8)];
        if (item->in)
            hash_index_remove(&index, item->hash, item);
        else
            hash_index_add(&index, item->hash, item);
        item->in = !item->in;
        count += item->in ? 1 : (size_t)-1;
        assert_int_equal(index.count, count);
        assert_true(contains(&index, item) == item->in);
        if (step % 500 == 0)
            for (size_t i = 0; i < ITEMS; i++)
                assert_true(contains(&index, &items[i]) == items[i].in);
    }
    size_t at = 0, walked = 0;
    for (const struct item *item; (item = hash_index_walk(&index, &at)) != NULL; walked++)
        assert_true(item->in);
    assert_int_equal(walked, count);
    hash_index_free(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_as_a_list_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
