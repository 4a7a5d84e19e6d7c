/* How many requests a destination gets, how many rows a second, and whether it has the service. */
#include "core/bulk_mode.h"
#include "core/concurrency.h"
#include "core/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS ((int64_t)1000)

/* A platform that works on `workers` requests at once, each for `work_us`; answers come in rounds.
 * Returns the time that has passed. */
static int64_t serve(struct concurrency *c, unsigned workers, int64_t work_us, unsigned rounds,
                     int64_t now_us)
{
    for (unsigned i = 0; i < rounds; i++) {
        unsigned sent = c->limit;
        int64_t queues = (sent + workers - 1) / workers;
        for (unsigned n = 1; n <= sent; n++)
            concurrency_sent(c, n);
        now_us += queues * work_us;
        for (unsigned n = 0; n < sent; n++)
            concurrency_answered(c, queues * work_us, false, now_us);
    }
    return now_us;
}

static void it_finds_what_a_platform_can_do(void **state)
{
    (void)state;
    struct concurrency c;
    concurrency_init(&c, 64, true);
    assert_true(c.limit <= 2);
    (void)serve(&c, 8, 10 * MS, 200, 1);
    assert_in_range(c.limit, 7, 17);
    concurrency_init(&c, 64, true);
    (void)serve(&c, 1000, 10 * MS, 200, 1);
    assert_int_equal(c.limit, 64);
}

static void a_slower_platform_gets_fewer(void **state)
{
    (void)state;
    struct concurrency c;
    concurrency_init(&c, 32, true);
    int64_t now = serve(&c, 32, 10 * MS, 100, 1);
    assert_int_equal(c.limit, 32);
    now = serve(&c, 2, 10 * MS, 30, now);
    assert_in_range(c.limit, 1, 6);
    (void)serve(&c, 32, 10 * MS, 400, now);
    assert_in_range(c.limit, 28, 32);
}

static void slowness_that_is_not_ours_costs_no_throughput(void **state)
{
    (void)state;
    struct concurrency c;
    concurrency_init(&c, 16, true);
    int64_t now = serve(&c, 1000, 1 * MS, 100, 1);
    assert_int_equal(c.limit, 16);
    for (unsigned i = 0; i < 40; i++) {
        now = serve(&c, 1000, 250 * MS, 1, now);
        assert_in_range(c.limit, 8, 16);
    }
    assert_in_range(c.limit, 14, 16);
    /* also when no window has answers of both kinds */
    now = serve(&c, 1000, 500 * MS, 2, now);
    for (unsigned i = 0; i < 40; i++) {
        now = serve(&c, 1000, 900 * MS, 1, now);
        assert_in_range(c.limit, 8, 16);
    }
    assert_in_range(c.limit, 14, 16);
}

static void failures_halve_and_an_outage_begins_anew(void **state)
{
    (void)state;
    struct concurrency c;
    concurrency_init(&c, 32, true);
    int64_t now = serve(&c, 32, 10 * MS, 100, 1);
    for (unsigned n = 0; n < 32; n++)
        concurrency_answered(&c, 30 * MS, n % 2 == 0, now + 30 * MS);
    assert_int_equal(c.limit, 16);
    concurrency_restart(&c);
    assert_int_equal(c.limit, 1);
    (void)serve(&c, 32, 10 * MS, 4, now + MS);
    assert_in_range(c.limit, 2, 16); /* doubling, not all at once */
}

/* A refusal is quick and a time-out is long: neither says how long values take. */
static void failures_are_no_measure(void **state)
{
    (void)state;
    struct concurrency c;
    const int64_t latencies[] = {0, 30000 * MS};
    for (size_t i = 0; i < 2; i++) {
        concurrency_init(&c, 32, true);
        int64_t now = serve(&c, 32, 50 * MS, 100, 1);
        for (unsigned n = 0; n < 32; n++)
            concurrency_answered(&c, n < 3 ? latencies[i] : 50 * MS, n < 3, now + 50 * MS);
        assert_int_equal(c.baseline_us, 50 * MS);
        assert_int_equal(c.limit, 32);
    }
}

static void one_failure_in_many_is_nothing(void **state)
{
    (void)state;
    struct concurrency c;
    concurrency_init(&c, 32, true);
    int64_t now = serve(&c, 32, 10 * MS, 100, 1);
    for (unsigned n = 0; n < 32; n++)
        concurrency_answered(&c, 10 * MS, n == 0, now + 30 * MS);
    assert_true(c.limit > 16);
}

static void a_fixed_number_stays(void **state)
{
    (void)state;
    struct concurrency c;
    concurrency_init(&c, 12, false);
    assert_int_equal(c.limit, 12);
    (void)serve(&c, 1, 50 * MS, 20, 1);
    concurrency_restart(&c);
    assert_int_equal(c.limit, 12);
    concurrency_set(&c, 5, false);
    assert_int_equal(c.limit, 5);
    concurrency_set(&c, 9, true);
    assert_true(c.limit <= 2);
    concurrency_set(&c, 1, true);
    assert_int_equal(c.limit, 1);
}

static void the_rate_is_kept(void **state)
{
    (void)state;
    struct rate r = {0};
    assert_int_equal(rate_next_us(&r, 5), 0);
    rate_sent(&r, 1000000, 5);
    assert_int_equal(rate_next_us(&r, 5), 0);
    rate_set(&r, 1000);
    int64_t now = 1000 * MS;
    uint32_t sent = 0;
    while (now < 11000 * MS) {
        int64_t next = rate_next_us(&r, now);
        if (next > 0) {
            assert_true(next > now);
            now = next;
            continue;
        }
        rate_sent(&r, 70, now);
        sent += 70;
    }
    assert_in_range(sent, 10000, 10300);
    rate_set(&r, 0);
    assert_int_equal(rate_next_us(&r, now), 0);
}

static void the_service_is_looked_for(void **state)
{
    (void)state;
    struct bulk_mode b = {0};
    assert_false(bulk_mode_ask(&b, 0));
    assert_false(bulk_mode_usable(&b));
    bulk_mode_want(&b, true);
    assert_true(bulk_mode_ask(&b, 0));
    b.asking = true;
    assert_false(bulk_mode_ask(&b, 0));
    b.asking = false;
    assert_false(bulk_mode_answered(&b, BULK_NO_ANSWER, 10));
    assert_false(bulk_mode_ask(&b, 11));
    assert_true(bulk_mode_ask(&b, 10 + 1000 * MS));
    assert_true(bulk_mode_answered(&b, BULK_REFUSED, 20));
    assert_false(bulk_mode_ask(&b, 50000 * MS));
    assert_true(bulk_mode_ask(&b, 60000 * MS + 20));
    assert_true(bulk_mode_answered(&b, BULK_ANSWERED, 30));
    assert_true(bulk_mode_usable(&b));
    assert_false(bulk_mode_ask(&b, INT64_MAX - 1));
    /* a platform that does not answer has not lost its service */
    assert_false(bulk_mode_answered(&b, BULK_NO_ANSWER, 40));
    assert_true(bulk_mode_usable(&b));
    bulk_mode_want(&b, false);
    assert_false(bulk_mode_usable(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_what_a_platform_can_do),
        cmocka_unit_test(a_slower_platform_gets_fewer),
        cmocka_unit_test(slowness_that_is_not_ours_costs_no_throughput),
        cmocka_unit_test(failures_halve_and_an_outage_begins_anew),
        cmocka_unit_test(failures_are_no_measure),
        cmocka_unit_test(one_failure_in_many_is_nothing),
        cmocka_unit_test(a_fixed_number_stays),
        cmocka_unit_test(the_rate_is_kept),
        cmocka_unit_test(the_service_is_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
