/* Rows that are places in an event's body come out as the texts that translate() makes of it: in a
 * parcel, and in bodies of every size. */
#include "core/bulk_body.h"
#include "core/parcel.h"
#include "core/pool.h"
#include "core/row_write.h"
#include "core/translate.h"
#include "core/update_body.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { RANDOM_EVENTS = 300, STEP = 53 };

static const struct translate_rules rules = {{NULL, 0}};
static struct pool pool;

static struct parcel *make(const char *json, bool in_place, int64_t time_ms)
{
    struct rows rows;
    struct error why;
    rows_init(&rows);
    bool ok = in_place ? translate_in_place(slice_from(json), time_ms, &rules, &rows, &why)
                       : translate(slice_from(json), time_ms, &rules, &rows, &why);
    assert_true(ok);
    struct parcel_origin origin = {.device = SLICE_LITERAL("d"), .pool = &pool};
    struct parcel *parcel = parcel_create(&rows, &origin);
    rows_free(&rows);
    return parcel;
}

static void same_text(const struct buffer *a, const struct buffer *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->data, b->data, a->n);
}

static void same_rows(const struct parcel *a, const struct parcel *b)
{
    struct buffer x, y;
    buffer_init(&x, TRANSLATE_TEXT_MAX);
    buffer_init(&y, TRANSLATE_TEXT_MAX);
    assert_int_equal(a->row_count, b->row_count);
    for (uint32_t i = 0; i < a->row_count; i++) {
        assert_true(parcel_row(a, i, &x));
        assert_true(parcel_row(b, i, &y));
        assert_true(slice_equal(parcel_property(a, i), parcel_property(b, i)));
    }
    if (a->row_count > 0)
        same_text(&x, &y);
    buffer_free(&x);
    buffer_free(&y);
}

/* The body of two such parcels, of at most so many rows and bytes. */
static uint32_t fill(struct buffer *body, const struct parcel *parcel, uint32_t rows, size_t bytes,
                     const char *thing)
{
    uint32_t n = 0;
    buffer_clear(body);
    if (thing == NULL)
        update_body_begin(body);
    else
        bulk_body_begin(body);
    for (int time = 0; time < 2 && n < rows; time++)
        n += thing == NULL ? update_body_rows(body, parcel, rows - n, bytes)
                           : bulk_body_rows(body, slice_from(thing), parcel, rows - n, bytes);
    if (thing == NULL)
        update_body_end(body);
    else
        bulk_body_end(body);
    return n;
}

static void same_bodies(struct parcel *a, struct parcel *b, const char *thing)
{
    struct buffer x, y;
    size_t ceiling = TRANSLATE_TEXT_MAX + UPDATE_BODY_FIXED + 4096;
    buffer_init(&x, ceiling);
    buffer_init(&y, ceiling);
    uint32_t all = fill(&x, a, UINT32_MAX, SIZE_MAX / 2, thing);
    assert_int_equal(all, 2 * a->row_count);
    size_t whole = x.n;
    for (size_t bytes = whole < 2000 ? 0 : whole - 2000; bytes <= whole; bytes += STEP) {
        a->next_row = b->next_row = (uint32_t)(bytes % a->row_count);
        uint32_t rows = 1 + (uint32_t)(bytes / STEP % all);
        uint32_t n = fill(&x, a, rows, bytes, thing);
        assert_int_equal(n, fill(&y, b, rows, bytes, thing));
        assert_true(n >= 1 && n <= rows);
        assert_true(n == 1 || x.n <= bytes);
        same_text(&x, &y);
    }
    a->next_row = b->next_row = 0;
    buffer_free(&x);
    buffer_free(&y);
}

static void compare(const char *json, int64_t time_ms)
{
    struct parcel *texts = make(json, false, time_ms), *places = make(json, true, time_ms);
    same_rows(texts, places);
    if (texts->row_count > 0) {
        same_bodies(texts, places, NULL);
        same_bodies(texts, places, "device-00001");
        same_bodies(texts, places,
                    "\"odd\\ \xc3\xa4 \x01 name that is longer than what is copied "
                    "with one size for all, to be sure");
    }
    parcel_free(texts);
    parcel_free(places);
}

static void test_every_kind_of_value(void **state)
{
    (void)state;
    compare("{}", 1);
    compare("{\"only\":null}", 1);
    compare("{\"n\":21.53,\"l\":9007199254740993,\"b\":true,\"f\":false,\"s\":\"run\",\"e\":\"\","
            "\"o\":{\"a\":[1]},\"a\":[1,{\"b\":2}],\"z\":[],\"x\":null,\"\":0}",
            1634630768641);
    compare(" { \"a\" : -0.0 , \"a\" : 1E5 , \"b\":\"\\u00e4\\n\\\"\" } ", 0);
    compare("{\"a name of more than sixteen bytes\":\"and a text of more than sixteen bytes\"}",
            253402300799999);
    compare("{\"plain\":1,\"esc\\u0061ped\":2}", 7);
    compare("{\"n\":1}", INT64_MIN);
}

static void put_random(struct buffer *json, struct random *random)
{
    static const char *const values[] = {"1",
                                         "-2.50",
                                         "1e9",
                                         "true",
                                         "false",
                                         "null",
                                         "\"\"",
                                         "\"x\"",
                                         "{}",
                                         "[1,2,3]",
                                         "123456789012345678",
                                         "\"a longer text than most\"",
                                         "[[],{\"q\":\"w\"}]"};
    uint64_t members = random_below(random, 12);
    buffer_append_text(json, "{");
    for (uint64_t i = 0; i < members; i++) {
        if (i > 0)
            buffer_append_text(json, random_below(random, 4) == 0 ? " ,\n" : ",");
        buffer_printf(json, "\"%.*s%llu\":", (int)random_below(random, 20), "abcdefghijklmnopqrst",
                      (unsigned long long)random_below(random, 9));
        buffer_append_text(json, values[random_below(random, sizeof values / sizeof values[0])]);
    }
    buffer_append_text(json, "}");
}

static void test_random_events(void **state)
{
    (void)state;
    struct random random;
    struct buffer json;
    random_seed(&random, 1);
    buffer_init(&json, 4096);
    for (int i = 0; i < RANDOM_EVENTS; i++) {
        buffer_clear(&json);
        put_random(&json, &random);
        compare(buffer_text(&json), (int64_t)random_below(&random, UINT64_C(253402300800000)));
    }
    buffer_free(&json);
}

static void test_the_pool_keeps_common_sizes(void **state)
{
    (void)state;
    struct pool own = {.kept = 0};
    void *a = pool_take(&own, 100), *b = pool_take(&own, 100), *large = pool_take(&own, 5000);
    pool_give(&own, a, 100);
    pool_give(&own, b, 100);
    pool_give(&own, large, 5000);
    assert_int_equal(own.kept, 2 * POOL_STEP);
    assert_ptr_equal(pool_take(&own, POOL_STEP), b);
    assert_ptr_equal(pool_take(&own, 1), a);
    assert_int_equal(own.kept, 0);
    pool_give(&own, a, 1);
    own.kept = POOL_KEEPS; /* as if it were full */
    pool_give(&own, b, POOL_STEP);
    assert_int_equal(own.kept, POOL_KEEPS);
    pool_free(&own);
    assert_null(own.free[0]);
    pool_give(NULL, pool_take(NULL, 10), 10);
}

static int tear_down(void **state)
{
    (void)state;
    pool_free(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_value),
        cmocka_unit_test(test_random_events),
        cmocka_unit_test(test_the_pool_keeps_common_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
