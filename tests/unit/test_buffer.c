#include "base/buffer.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void it_grows_up_to_its_ceiling_and_not_beyond(void **state)
{
    static const size_t ceilings[] = {1, 255, 256, 257, 1000};
    (void)state;
    for (size_t i = 0; i < sizeof ceilings / sizeof ceilings[0]; i++) {
        struct buffer b;
        buffer_init(&b, ceilings[i]);
        for (size_t n = 0; n < ceilings[i]; n++)
            assert_true(buffer_append(&b, "x", 1));
        assert_int_equal(b.n, ceilings[i]);
        assert_true(b.capacity <= ceilings[i] + 1);
        assert_int_equal(strlen(buffer_text(&b)), ceilings[i]); /* room for the NUL */
        assert_true(buffer_append(&b, NULL, 0));
        assert_false(buffer_append(&b, "x", 1));
        assert_int_equal(b.n, ceilings[i]);
        buffer_free(&b);
    }
}

static void an_overflow_stays_until_it_is_cleared(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 8);
    assert_true(buffer_append_text(&b, "12345"));
    assert_false(buffer_append_text(&b, "6789"));
    assert_true(b.overflowed);
    assert_false(buffer_append_text(&b, "6")); /* would fit */
    assert_false(buffer_append_slice(&b, SLICE_LITERAL("")));
    assert_false(buffer_printf(&b, "%d", 6));
    assert_false(buffer_append_json(&b, SLICE_LITERAL("")));
    assert_null(buffer_reserve(&b, 0));
    assert_string_equal(buffer_text(&b), "12345");
    buffer_clear(&b);
    assert_true(buffer_append_text(&b, "12345678"));
    assert_string_equal(buffer_text(&b), "12345678");
    buffer_free(&b);
    assert_string_equal(buffer_text(&b), "");
    assert_true(buffer_append_text(&b, "again"));
    buffer_free(&b);
}

static void huge_sizes_do_not_wrap_around(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 100);
    assert_true(buffer_append_text(&b, "abc"));
    assert_null(buffer_reserve(&b, SIZE_MAX));
    buffer_cut(&b, b.n);
    assert_null(buffer_reserve(&b, SIZE_MAX - 2));
    assert_string_equal(buffer_text(&b), "abc");
    buffer_free(&b);
    buffer_init(&b, SIZE_MAX);
    assert_true(buffer_append_text(&b, "no ceiling at all"));
    assert_string_equal(buffer_text(&b), "no ceiling at all");
    buffer_free(&b);
}

static void room_that_is_reserved_may_be_used_in_part(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 1000);
    assert_true(buffer_append_text(&b, "ab"));
    char *to = buffer_reserve(&b, 998);
    assert_non_null(to);
    memset(to, 'c', 998);
    b.n += 3;
    assert_string_equal(buffer_text(&b), "abccc");
    assert_true(slice_equal(buffer_slice(&b), SLICE_LITERAL("abccc")));
    assert_non_null(buffer_reserve(&b, 995));
    assert_null(buffer_reserve(&b, 996));
    buffer_free(&b);
}

static void bytes_are_dropped_in_front_and_cut_behind(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 8);
    buffer_drop(&b, 1);
    buffer_cut(&b, 1);
    assert_int_equal(b.n, 0);
    assert_true(buffer_append_text(&b, "12345678"));
    buffer_drop(&b, 0);
    buffer_drop(&b, 3);
    assert_string_equal(buffer_text(&b), "45678");
    assert_true(buffer_append_text(&b, "9ab")); /* the room is there again */
    assert_false(buffer_append_text(&b, "c"));
    buffer_cut(&b, 4);
    assert_string_equal(buffer_text(&b), "4567");
    assert_true(buffer_append_text(&b, "x"));
    buffer_cut(&b, 100);
    assert_string_equal(buffer_text(&b), "4567x");
    buffer_drop(&b, 5);
    assert_string_equal(buffer_text(&b), "");
    assert_true(buffer_append_text(&b, "y"));
    buffer_drop(&b, SIZE_MAX);
    assert_int_equal(b.n, 0);
    buffer_free(&b);
}

static void formats(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 10);
    assert_true(buffer_printf(&b, "%s", ""));
    assert_true(buffer_printf(&b, "%d-%s", 12345, "abcd"));
    assert_string_equal(buffer_text(&b), "12345-abcd");
    assert_false(buffer_printf(&b, "%c", 'x'));
    assert_string_equal(buffer_text(&b), "12345-abcd");
    buffer_free(&b);
}

static void json_strings(void **state)
{
    static const struct {
        struct slice text;
        const char *inside;
    } rows[] = {
        {SLICE_LITERAL(""), ""},
        {SLICE_LITERAL("plain / text"), "plain / text"},
        {SLICE_LITERAL("\"\\"), "\\\"\\\\"},
        {SLICE_LITERAL("a\0b\n\x1f\x7f"), "a\\u0000b\\u000a\\u001f\x7f"},
        {SLICE_LITERAL("M\xc3\xbcller \xf0\x9f\x98\x80"), "M\xc3\xbcller \xf0\x9f\x98\x80"},
        {SLICE_LITERAL("\xff\x80z"), "\\ufffd\\ufffdz"},
        {SLICE_LITERAL("\xc3\"x"), "\\ufffd\\\"x"}, /* the quote is not swallowed */
        {SLICE_LITERAL("cut \xe2\x82"), "cut \\ufffd\\ufffd"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer b;
        buffer_init(&b, 100);
        assert_true(buffer_append_json(&b, rows[i].text));
        assert_string_equal(buffer_text(&b), rows[i].inside);
        buffer_free(&b);
    }
    struct buffer b;
    buffer_init(&b, 5);
    assert_false(buffer_append_json(&b, SLICE_LITERAL("\n")));
    assert_true(b.overflowed);
    buffer_free(&b);
}

static void utf8_sequences(void **state)
{
    static const struct {
        struct slice text;
        size_t length;
    } rows[] = {
        {SLICE_LITERAL(""), 0},
        {SLICE_LITERAL("\0"), 1},
        {SLICE_LITERAL("ab"), 1},
        {SLICE_LITERAL("\x80"), 0},
        {SLICE_LITERAL("\xc1\xbf"), 0}, /* overlong */
        {SLICE_LITERAL("\xc2\x80"), 2},
        {SLICE_LITERAL("\xc2"), 0},
        {SLICE_LITERAL("\xc2\xc2"), 0},
        {SLICE_LITERAL("\xe0\x9f\xbf"), 0}, /* overlong */
        {SLICE_LITERAL("\xe0\xa0\x80"), 3},
        {SLICE_LITERAL("\xe2\x82"), 0},
        {SLICE_LITERAL("\xed\x9f\xbf"), 3},
        {SLICE_LITERAL("\xed\xa0\x80"), 0}, /* a surrogate */
        {SLICE_LITERAL("\xef\xbf\xbf"), 3},
        {SLICE_LITERAL("\xf0\x8f\xbf\xbf"), 0}, /* overlong */
        {SLICE_LITERAL("\xf0\x90\x80\x80"), 4},
        {SLICE_LITERAL("\xf0\x90\x80"), 0},
        {SLICE_LITERAL("\xf4\x8f\xbf\xbf"), 4},
        {SLICE_LITERAL("\xf4\x90\x80\x80"), 0}, /* beyond U+10FFFF */
        {SLICE_LITERAL("\xf5\x80\x80\x80"), 0},
        {SLICE_LITERAL("\xff"), 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(utf8_length(rows[i].text), rows[i].length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_up_to_its_ceiling_and_not_beyond),
        cmocka_unit_test(an_overflow_stays_until_it_is_cleared),
        cmocka_unit_test(huge_sizes_do_not_wrap_around),
        cmocka_unit_test(room_that_is_reserved_may_be_used_in_part),
        cmocka_unit_test(bytes_are_dropped_in_front_and_cut_behind),
        cmocka_unit_test(formats),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(utf8_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
