#include "source/eventhubs/limits.h"
#include "source/eventhubs/pauses.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct slice ONE = {"1", 1};
static const struct slice TWO = {"2", 1};

static struct pauses *make(struct random *random)
{
    random_seed(random, 7);
    return pauses_create(random);
}

static void most_ends_ask_for_no_pause(void **state)
{
    (void)state;
    struct random random;
    struct pauses *pauses = make(&random);
    static const enum source_end ends[] = {SOURCE_END_CLOSED,     SOURCE_END_STOLEN,
                                           SOURCE_END_LOST,       SOURCE_END_REFUSED,
                                           SOURCE_END_BAD_OFFSET, SOURCE_END_NOT_FOUND};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        pauses_add(pauses, ONE, ends[i], SECOND_US);
    assert_true(pauses_until(pauses, ONE) < 0);
    pauses_free(pauses);
}

static void throttling_waits_longer_each_time(void **state)
{
    (void)state;
    struct random random;
    struct pauses *pauses = make(&random);
    int64_t now_us = SECOND_US;
    int64_t most_us = EVENTHUBS_BUSY_BASE_US;
    for (int i = 0; i < 12; i++) {
        pauses_add(pauses, ONE, SOURCE_END_BUSY, now_us);
        int64_t wait_us = pauses_until(pauses, ONE) - now_us;
        assert_in_range(wait_us, most_us / 2, most_us);
        now_us += wait_us;
        most_us = 2 * most_us > EVENTHUBS_BUSY_CAP_US ? EVENTHUBS_BUSY_CAP_US : 2 * most_us;
    }
    assert_true(pauses_until(pauses, TWO) < 0); /* others do not suffer */
    /* forgotten after a while */
    now_us += EVENTHUBS_BUSY_FORGET_US + 1;
    pauses_add(pauses, ONE, SOURCE_END_BUSY, now_us);
    assert_in_range(pauses_until(pauses, ONE) - now_us, 0, EVENTHUBS_BUSY_BASE_US);
    pauses_free(pauses);
}

static void a_bad_message_is_not_read_again_in_haste(void **state)
{
    (void)state;
    struct random random;
    struct pauses *pauses = make(&random);
    for (int i = 0; i < 20; i++) {
        pauses_add(pauses, TWO, SOURCE_END_BAD_MESSAGE, 0);
        assert_true(pauses_until(pauses, TWO) >= EVENTHUBS_BAD_MESSAGE_LEAST_US);
    }
    pauses_free(pauses);
}

static void a_refusal_that_was_an_error_costs_no_move(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 7);
    for (int run = 0; run < 100; run++) {
        struct refused refused = {0};
        int64_t now_us = SECOND_US;
        int64_t least_us = SECOND_US;
        for (int i = 0; i < 12; i++) {
            int64_t wait_us = pauses_refused_us(&refused, now_us, &random);
            assert_in_range(wait_us, least_us, 2 * least_us);
            now_us += wait_us + 1;
            /* The node gives its partitions back after 15 s. */
            assert_true(i != 2 || now_us - SECOND_US < 15 * SECOND_US);
            least_us = least_us < 16 * SECOND_US ? 2 * least_us : 30 * SECOND_US;
        }
        (void)pauses_refused_us(&refused, now_us + EVENTHUBS_REFUSED_FORGET_US - 60 * SECOND_US,
                                &random);
        assert_true(refused.strikes > 12);
        now_us = refused.until_us + EVENTHUBS_REFUSED_FORGET_US + 1;
        assert_in_range(pauses_refused_us(&refused, now_us, &random), SECOND_US, 2 * SECOND_US);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_ends_ask_for_no_pause),
        cmocka_unit_test(throttling_waits_longer_each_time),
        cmocka_unit_test(a_refusal_that_was_an_error_costs_no_move),
        cmocka_unit_test(a_bad_message_is_not_read_again_in_haste),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
