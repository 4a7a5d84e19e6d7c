#include "core/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TTL INT64_C(5000000)
#define MARGIN (TTL / 5)

static void trust_counts_from_when_the_call_was_sent(void **state)
{
    (void)state;
    struct lease lease;
    lease_init(&lease, TTL);
    assert_false(lease_trusted(&lease, 0));
    /* The answer took 900 ms: they are lost, not won. */
    lease_taken(&lease, 1000000, 1900000);
    assert_true(lease_trusted(&lease, 1000000 + TTL - MARGIN - 1));
    assert_false(lease_trusted(&lease, 1000000 + TTL - MARGIN));
}

static void a_slow_answer_does_not_stretch_trust(void **state)
{
    (void)state;
    struct lease lease;
    lease_init(&lease, TTL);
    lease_taken(&lease, 0, 0);
    assert_false(lease_ping_due(&lease, 100));
    assert_true(lease_ping_due(&lease, TTL / 3));
    lease_ping_sent(&lease, TTL / 3);
    assert_false(lease_ping_due(&lease, TTL)); /* one on the wire is enough */
    lease_ping_answered(&lease);               /* whenever it comes */
    assert_int_equal(lease.trusted_until_us, TTL / 3 + TTL - MARGIN);
}

static void a_slow_join_is_followed_by_a_ping_at_once(void **state)
{
    (void)state;
    struct lease lease;
    lease_init(&lease, TTL);
    /* Counted from the answer, the first ping would come after the end of the trust. */
    lease_taken(&lease, 0, TTL - MARGIN - TTL / 6);
    assert_true(lease_ping_due(&lease, TTL - MARGIN - TTL / 6));
    lease_taken(&lease, 0, TTL / 4);
    assert_false(lease_ping_due(&lease, TTL / 3 - 1));
    assert_true(lease_ping_due(&lease, TTL / 3));
}

/* On a database where each join takes so long, giving up and joining again would go on for ever. */
static void a_join_slower_than_the_trust_is_decided_by_the_first_ping(void **state)
{
    (void)state;
    struct lease lease;
    int64_t now = 2 * TTL;
    lease_init(&lease, TTL);
    lease_taken(&lease, 0, now);
    assert_false(lease_trusted(&lease, now));
    assert_int_equal(lease_remaining_us(&lease, now), 0);
    assert_false(lease_doubtful(&lease, now));
    assert_true(lease_ping_due(&lease, now));
    lease_ping_sent(&lease, now);
    assert_int_equal(lease_next_us(&lease), now + TTL - MARGIN);
    assert_false(lease_doubtful(&lease, now + TTL - MARGIN - 1));
    lease_ping_answered(&lease);
    assert_true(lease_trusted(&lease, now + TTL - MARGIN - 1));
    assert_true(lease_doubtful(&lease, now + TTL - MARGIN));

    /* Unanswered it is in doubt after one time of trust, and has not been trusted at all. */
    lease_taken(&lease, 0, now);
    lease_ping_sent(&lease, now);
    assert_false(lease_trusted(&lease, now + 1));
    assert_true(lease_doubtful(&lease, now + TTL - MARGIN));
}

static void a_join_in_time_gives_no_more_than_trust(void **state)
{
    (void)state;
    struct lease lease;
    lease_init(&lease, TTL);
    lease_taken(&lease, 1000000, 1000000 + TTL - MARGIN - 1);
    assert_false(lease_doubtful(&lease, 1000000 + TTL - MARGIN - 1));
    assert_true(lease_doubtful(&lease, 1000000 + TTL - MARGIN));
    lease_lost(&lease);
    assert_true(lease_doubtful(&lease, 0));
}

static void an_answer_after_the_loss_brings_nothing_back(void **state)
{
    (void)state;
    struct lease lease;
    lease_init(&lease, TTL);
    lease_taken(&lease, 0, 0);
    lease_ping_sent(&lease, 2000000);
    lease_lost(&lease);
    lease_ping_answered(&lease);
    assert_false(lease_trusted(&lease, 2000001));
    assert_int_equal(lease_remaining_us(&lease, 1), 0);
    assert_int_equal(lease_next_us(&lease), INT64_MAX);
}

static void an_answer_to_no_ping_brings_nothing(void **state)
{
    (void)state;
    struct lease lease;
    lease_init(&lease, TTL);
    lease_taken(&lease, 0, 0);
    lease_ping_answered(&lease);
    assert_int_equal(lease.trusted_until_us, TTL - MARGIN);
}

static void it_says_when_to_look_again(void **state)
{
    (void)state;
    struct lease lease;
    lease_init(&lease, TTL);
    lease_taken(&lease, 0, 0);
    assert_int_equal(lease_next_us(&lease), TTL / 3);
    lease_ping_sent(&lease, TTL / 3);
    assert_int_equal(lease_next_us(&lease), TTL - MARGIN);
    assert_int_equal(lease_remaining_us(&lease, 1000000), TTL - MARGIN - 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trust_counts_from_when_the_call_was_sent),
        cmocka_unit_test(a_slow_answer_does_not_stretch_trust),
        cmocka_unit_test(a_slow_join_is_followed_by_a_ping_at_once),
        cmocka_unit_test(a_join_slower_than_the_trust_is_decided_by_the_first_ping),
        cmocka_unit_test(a_join_in_time_gives_no_more_than_trust),
        cmocka_unit_test(an_answer_after_the_loss_brings_nothing_back),
        cmocka_unit_test(an_answer_to_no_ping_brings_nothing),
        cmocka_unit_test(it_says_when_to_look_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
