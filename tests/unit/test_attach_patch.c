#include "source/eventhubs/attach_patch.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BYTES(literal) ((struct slice){(literal), sizeof(literal) - 1})

/* Fourteen members: nulls, and in the end properties; none of a length that matters. */
#define MEMBERS "\x40\x43\x41\x40\x40\x40\x40\x40\x40\x40\x40\x40"
#define PROPERTIES "\xc1\x05\x02\xa3\x01k\x41"
#define ATTACH                                                                                     \
    "\0\0\0\x22\x02\0\0\x01"                                                                       \
    "\0\x53\x12\xc0\x15\x0e" MEMBERS "\x40" PROPERTIES
#define PATCHED                                                                                    \
    "\0\0\0\x2d\x02\0\0\x01"                                                                       \
    "\0\x53\x12\xd0\0\0\0\x1d\0\0\0\x0e" MEMBERS "\xe0\x04\x01\xa3\x01"                            \
    "c" PROPERTIES
/* The same with a desired capability of its own, and without properties. */
#define DESIRED                                                                                    \
    "\0\0\0\x22\x02\0\0\x01"                                                                       \
    "\0\x53\x12\xc0\x15\x0e" MEMBERS "\x41" PROPERTIES
#define BARE                                                                                       \
    "\0\0\0\x1c\x02\0\0\x01"                                                                       \
    "\0\x53\x12\xc0\x0f\x0e" MEMBERS "\x40\x40"
#define HEARTBEAT "\0\0\0\x08\x02\0\0\0"
#define FLOW "\0\0\0\x0c\x02\0\0\0\0\x53\x13\x45"

static void check(struct slice in, struct slice expected, size_t left)
{
    struct buffer out;
    buffer_init(&out, 4096);
    bool ok;
    assert_int_equal(attach_patch(in, "c", &out, &ok), in.n - left);
    assert_true(ok);
    assert_int_equal(out.n, expected.n);
    assert_memory_equal(out.data, expected.p, expected.n);
    buffer_free(&out);
}

static void patches_the_attach_of_a_reader(void **state)
{
    (void)state;
    check(BYTES(ATTACH), BYTES(PATCHED), 0);
    check(BYTES("AMQP\x03\x01\0\0AMQP\0\x01\0\0" FLOW ATTACH HEARTBEAT),
          BYTES("AMQP\x03\x01\0\0AMQP\0\x01\0\0" FLOW PATCHED HEARTBEAT), 0);
}

static void leaves_everything_else_alone(void **state)
{
    (void)state;
    check(BYTES(FLOW HEARTBEAT), BYTES(FLOW HEARTBEAT), 0);
    check(BYTES(DESIRED), BYTES(DESIRED), 0);
    check(BYTES(BARE), BYTES(BARE), 0);
}

static void waits_for_the_rest_of_a_frame(void **state)
{
    (void)state;
    struct slice in = BYTES(FLOW ATTACH);
    size_t flow = sizeof FLOW - 1;
    for (size_t n = flow; n < in.n; n++)
        check((struct slice){in.p, n}, BYTES(FLOW), n - flow);
}

static void says_when_there_is_no_room(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 20);
    bool ok;
    (void)attach_patch(BYTES(ATTACH), "c", &out, &ok);
    assert_false(ok);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_the_attach_of_a_reader),
        cmocka_unit_test(leaves_everything_else_alone),
        cmocka_unit_test(waits_for_the_rest_of_a_frame),
        cmocka_unit_test(says_when_there_is_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
