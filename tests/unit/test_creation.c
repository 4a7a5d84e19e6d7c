#include "core/creation.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int64_t now = SECOND_US;

static enum creation_news answered(struct creation *c, int status)
{
    enum answer_class class = answer_classify(status, status == 0, false);
    if (status == 403)
        class = ANSWER_SUSPECT; /* as the client has it of a single service */
    return creation_answered(c, class, status, now);
}

static void a_missing_thing_is_made_step_by_step(void **state)
{
    (void)state;
    struct creation c = {.step = CREATION_DONE};
    creation_begin(&c, true, 2, now);
    assert_int_equal(c.step, CREATION_CREATE);
    assert_int_equal(answered(&c, 200), CREATION_CREATED);
    assert_int_equal(c.step, CREATION_ENABLE);
    assert_int_equal(answered(&c, 200), CREATION_NOTHING);
    assert_int_equal(c.step, CREATION_PROPERTY);
    assert_int_equal(answered(&c, 200), CREATION_ADDED);
    assert_int_equal(c.property, 1);
    assert_int_equal(answered(&c, 200), CREATION_ADDED);
    assert_int_equal(c.step, CREATION_RESTART);
    assert_int_equal(answered(&c, 200), CREATION_FINISHED);
    assert_int_equal(c.step, CREATION_DONE);
}

/* Two nodes at once, or one after the other: whoever is second finds everything there. */
static void who_comes_second_finds_it_there(void **state)
{
    (void)state;
    struct creation c = {.step = CREATION_DONE};
    creation_begin(&c, true, 2, now);
    assert_int_equal(answered(&c, 500), CREATION_NOTHING); /* exists already */
    assert_int_equal(answered(&c, 200), CREATION_NOTHING);
    assert_int_equal(answered(&c, 403), CREATION_NOTHING); /* defined already */
    assert_int_equal(answered(&c, 200), CREATION_ADDED);
    assert_int_equal(answered(&c, 200), CREATION_FINISHED);
}

static void a_platform_that_does_not_know_yet_is_asked_again(void **state)
{
    (void)state;
    struct creation c = {.step = CREATION_DONE};
    creation_begin(&c, true, 1, now);
    assert_int_equal(answered(&c, 200), CREATION_CREATED);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(answered(&c, 404), CREATION_NOTHING);
        assert_int_equal(c.step, CREATION_ENABLE);
        assert_true(c.next_us > now);
        now = c.next_us;
    }
    assert_int_equal(answered(&c, 200), CREATION_NOTHING);
    assert_int_equal(answered(&c, 404), CREATION_NOTHING);
    assert_int_equal(c.step, CREATION_PROPERTY);
    assert_int_equal(answered(&c, 200), CREATION_ADDED);
    assert_int_equal(answered(&c, 404), CREATION_NOTHING);
    assert_int_equal(c.step, CREATION_RESTART);
    now += CREATION_SYNC_MS * MS_US; /* it is gone again */
    assert_int_equal(answered(&c, 404), CREATION_FINISHED);
    /* Made, and then never seen: an alarm. */
    c = (struct creation){.step = CREATION_DONE};
    creation_begin(&c, true, 1, now);
    assert_int_equal(answered(&c, 200), CREATION_CREATED);
    now += CREATION_SYNC_MS * MS_US;
    assert_int_equal(answered(&c, 404), CREATION_REFUSED);
    assert_int_equal(c.step, CREATION_CREATE);
}

static void no_rights_and_no_template_are_said_once(void **state)
{
    (void)state;
    struct creation c = {.step = CREATION_DONE};
    creation_begin(&c, true, 1, now);
    assert_int_equal(answered(&c, 403), CREATION_REFUSED);
    assert_true(c.next_us >= now + SECOND_US);
    assert_int_equal(c.step, CREATION_CREATE);
    assert_int_equal(answered(&c, 403), CREATION_NOTHING);
    assert_int_equal(answered(&c, 200), CREATION_CREATED);
    /* No such template: neither made by this, nor there. */
    c = (struct creation){.step = CREATION_DONE};
    creation_begin(&c, true, 1, now);
    assert_int_equal(answered(&c, 404), CREATION_NOTHING);
    assert_int_equal(c.step, CREATION_ENABLE);
    assert_int_equal(answered(&c, 404), CREATION_REFUSED);
    assert_int_equal(c.status, 404);
    assert_int_equal(c.step, CREATION_CREATE);
    assert_int_equal(answered(&c, 404), CREATION_NOTHING);
    assert_int_equal(answered(&c, 404), CREATION_NOTHING);
}

static void an_outage_is_waited_for(void **state)
{
    (void)state;
    struct creation c = {.step = CREATION_DONE};
    creation_begin(&c, false, 1, now);
    assert_int_equal(c.step, CREATION_ENABLE);
    int64_t waited = 0;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(answered(&c, i % 2 ? 503 : 0), CREATION_NOTHING);
        assert_int_equal(c.step, CREATION_ENABLE);
        waited = c.next_us - now;
        assert_in_range(waited, 1, 10 * SECOND_US);
        now = c.next_us;
    }
    assert_int_equal(waited, 10 * SECOND_US);
    assert_int_equal(answered(&c, 401), CREATION_NOTHING);
    assert_int_equal(answered(&c, 500), CREATION_NOTHING); /* it may be enabled all the same */
    assert_int_equal(c.step, CREATION_PROPERTY);
}

static void a_row_tells_name_and_base_type(void **state)
{
    (void)state;
    struct slice name, type;
    assert_true(creation_learn(
        SLICE_LITERAL("{\"name\":\"a\\\"b\",\"time\":1,\"quality\":\"GOOD\",\"value\":{\"value\":"
                      "{\"baseType\":\"X\"},\"baseType\":\"JSON\"}}"),
        &name, &type));
    assert_true(slice_equal(name, SLICE_LITERAL("a\\\"b")));
    assert_true(slice_equal(type, SLICE_LITERAL("JSON")));
    assert_false(creation_learn(SLICE_LITERAL("{\"name\":\"a\",\"value\":1}"), &name, &type));
    assert_false(creation_learn(SLICE_LITERAL("{\"name\":\"a\"}"), &name, &type));
    assert_false(creation_learn(SLICE_LITERAL("{}"), &name, &type));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_thing_is_made_step_by_step),
        cmocka_unit_test(who_comes_second_finds_it_there),
        cmocka_unit_test(a_platform_that_does_not_know_yet_is_asked_again),
        cmocka_unit_test(no_rights_and_no_template_are_said_once),
        cmocka_unit_test(an_outage_is_waited_for),
        cmocka_unit_test(a_row_tells_name_and_base_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
