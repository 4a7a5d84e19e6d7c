#include "source/eventhubs/sas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void matches_a_signature_made_elsewhere(void **state)
{
    (void)state;
    /* Python: base64(hmac_sha256(b"secretkey", quote(audience) + b"\n1700000000")) */
    static const char expected[] =
        "SharedAccessSignature sr=sb%3A%2F%2Flocalhost%3A5672%2Ftelemetry&sig="
        "XSFT8UkK6RXKKvcXt3WnnxPPON%2B2yyqPqyCOHikus4Y%3D"
        "&se=1700000000&skn=hold%20fast";
    struct buffer out;
    buffer_init(&out, 4096);
    assert_true(sas_append(&out, SLICE_LITERAL("sb://localhost:5672/telemetry"),
                           SLICE_LITERAL("hold fast"), SLICE_LITERAL("secretkey"), 1700000000));
    assert_string_equal(buffer_text(&out), expected);
    buffer_free(&out);
}

static void encodes_as_browsers_do(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 4096);
    assert_true(sas_append_encoded(&out, SLICE_LITERAL("aZ09-_.!~*'()/:$ +=\xc3\xa9")));
    assert_true(sas_append_encoded(&out, (struct slice){"\0", 1}));
    assert_string_equal(buffer_text(&out), "aZ09-_.!~*'()%2F%3A%24%20%2B%3D%C3%A9%00");
    buffer_free(&out);
}

static void leaves_nothing_behind_when_there_is_no_room(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 60);
    assert_true(buffer_append_text(&out, "kept"));
    assert_false(sas_append(&out, SLICE_LITERAL("sb://localhost/telemetry"), SLICE_LITERAL("n"),
                            SLICE_LITERAL("k"), 1));
    assert_int_equal(out.n, 4);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_a_signature_made_elsewhere),
        cmocka_unit_test(encodes_as_browsers_do),
        cmocka_unit_test(leaves_nothing_behind_when_there_is_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
