#include "source/eventhubs/whereabouts.h"

#include "base/random.h"
#include "source/eventhubs/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const int64_t START_US = 1000 * SECOND_US;

static struct random seeded(uint64_t seed)
{
    struct random random;
    random_seed(&random, seed);
    return random;
}

/* The IoT hub names the known endpoint until it is believed. Returns the time. */
static int64_t hear_the_same(struct whereabouts *w, int64_t now_us, struct random *random)
{
    for (unsigned i = 0; i < EVENTHUBS_SAME_ANSWERS; i++) {
        assert_true(whereabouts_missed(w, now_us));
        if (w->ask_at_us > now_us)
            now_us = w->ask_at_us;
        assert_true(whereabouts_due(w, now_us));
        whereabouts_same(w, now_us, random);
    }
    return now_us;
}

static void nobody_is_asked_without_need(void **state)
{
    (void)state;
    struct random random = seeded(1);
    struct whereabouts w = {0};
    assert_false(whereabouts_due(&w, START_US));
    /* the regular look at the IoT hub is no answer to a question that nobody has */
    whereabouts_same(&w, START_US, &random);
    assert_true(whereabouts_missed(&w, START_US));
    assert_true(whereabouts_due(&w, START_US));
}

static void an_answer_that_is_too_early_is_not_believed(void **state)
{
    (void)state;
    struct random random = seeded(2);
    struct whereabouts w = {0};
    assert_true(whereabouts_missed(&w, START_US));
    whereabouts_same(&w, START_US, &random);
    assert_false(whereabouts_due(&w, START_US));
    /* asked again by itself, though nobody is told again */
    assert_true(whereabouts_due(&w, START_US + EVENTHUBS_ASK_SAME_BASE_US));
    /* and who is told so meanwhile may still come back */
    assert_true(whereabouts_missed(&w, START_US + 1));
    whereabouts_arrived(&w);
    assert_false(whereabouts_due(&w, START_US + SECOND_US));
}

static void the_iot_hub_is_asked_ever_less_often_and_then_believed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct random random = seeded(seed);
        struct whereabouts w = {0};
        int64_t now_us = START_US;
        int64_t most_us = EVENTHUBS_ASK_SAME_BASE_US;
        for (unsigned i = 0; i < EVENTHUBS_SAME_ANSWERS; i++) {
            assert_true(whereabouts_missed(&w, now_us));
            whereabouts_same(&w, now_us, &random);
            int64_t wait_us = w.ask_at_us - now_us;
            assert_true(wait_us >= most_us / 2 && wait_us <= most_us);
            now_us = w.ask_at_us;
            most_us *= 2;
        }
        assert_false(whereabouts_due(&w, now_us)); /* nobody is told so any more */
        assert_false(whereabouts_missed(&w, now_us));
    }
}

static void what_is_final_is_looked_up_without_hurry(void **state)
{
    (void)state;
    struct random random = seeded(3);
    struct whereabouts w = {0};
    (void)hear_the_same(&w, START_US, &random);
    for (int i = 0; i < 20; i++) {
        int64_t now_us = w.ask_at_us;
        assert_false(whereabouts_missed(&w, now_us));
        assert_true(whereabouts_due(&w, now_us));
        whereabouts_same(&w, now_us, &random);
        assert_true(w.ask_at_us - now_us >= EVENTHUBS_ASK_SAME_CAP_US / 2);
        assert_true(w.ask_at_us - now_us <= EVENTHUBS_ASK_SAME_CAP_US);
    }
}

static void an_old_answer_counts_for_nothing(void **state)
{
    (void)state;
    struct random random = seeded(4);
    struct whereabouts w = {0};
    (void)hear_the_same(&w, START_US, &random);
    int64_t now_us = w.missed_us + EVENTHUBS_MISSED_FORGET_US;
    assert_false(whereabouts_missed(&w, now_us));
    now_us += EVENTHUBS_MISSED_FORGET_US + 1;
    assert_true(whereabouts_missed(&w, now_us));
    assert_true(whereabouts_due(&w, now_us));
}

static void silence_is_no_answer(void **state)
{
    (void)state;
    struct whereabouts w = {0};
    for (int64_t i = 0; i < 50; i++) {
        int64_t now_us = START_US + i * EVENTHUBS_ASK_AGAIN_US;
        assert_true(whereabouts_missed(&w, now_us));
        assert_true(whereabouts_due(&w, now_us));
        whereabouts_unanswered(&w, now_us);
        assert_false(whereabouts_due(&w, now_us + EVENTHUBS_ASK_AGAIN_US - 1));
    }
}

static void another_endpoint_begins_anew(void **state)
{
    (void)state;
    struct random random = seeded(6);
    struct whereabouts w = {0};
    int64_t now_us = hear_the_same(&w, START_US, &random);
    assert_false(whereabouts_missed(&w, now_us));
    whereabouts_arrived(&w);
    assert_true(whereabouts_missed(&w, now_us + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_asked_without_need),
        cmocka_unit_test(an_answer_that_is_too_early_is_not_believed),
        cmocka_unit_test(the_iot_hub_is_asked_ever_less_often_and_then_believed),
        cmocka_unit_test(what_is_final_is_looked_up_without_hurry),
        cmocka_unit_test(an_old_answer_counts_for_nothing),
        cmocka_unit_test(silence_is_no_answer),
        cmocka_unit_test(another_endpoint_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
