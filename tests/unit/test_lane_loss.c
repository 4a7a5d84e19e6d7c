/* Lanes whose partitions are handed over or lost. */
#include "lane_fixture.h"

static void a_planned_hand_over_finishes_what_was_touched(void **state)
{
    (void)state;
    open_lanes(2, 1 << 20);
    push("t", &red, 1, "{\"a\":1}");
    push("t", &red, 2, "{\"a\":2,\"b\":3}");
    push("t", &blue, 1, "{\"a\":4}");
    push("t", &red, 3, "{\"a\":5}");
    push("u", &red, 4, "{\"a\":6}");
    push("u", &red, 5, "{\"a\":7}");
    push("v", &red, 6, "{\"a\":8}");
    push("w", &blue, 2, "{\"a\":9}");
    assert_int_equal(lanes_touched(lanes, &red), INT64_MIN);
    struct lane *t = take("t", 0, "1 2");
    assert_int_equal(lanes_touched(lanes, &red), 2);
    struct lane *u = take("u", 0, "6 7");
    assert_int_equal(lanes_touched(lanes, &red), 5);
    assert_int_equal(lanes_touched(lanes, &blue), INT64_MIN);
    /* 3 was not sent, but 5 is on the wire: 3 must go out too, only 6 may be dropped. */
    assert_int_equal(lanes_drop(lanes, &red, lanes_touched(lanes, &red)), 1);
    assert_int_equal(lanes_pending(lanes, &red), 5);
    assert_int_equal(lanes_pending(lanes, &blue), 2);
    lane_answer(lanes, u, LANE_RETRY, 10, NULL, 0);
    assert_int_equal(lanes_touched(lanes, &red), 5);
    answer(t, LANE_ACCEPTED);
    struct lane *w = take("w", 0, "9");
    answer(take("t", 0, "3 4"), LANE_ACCEPTED);
    answer(take("t", 0, "5"), LANE_ACCEPTED);
    answer(take("u", 10, "6 7"), LANE_ACCEPTED);
    answer(w, LANE_ACCEPTED);
    check_seen("done 1; done 2; done 1; done 3; done 4; done 5; done 2; ");
    assert_int_equal(lanes_pending(lanes, &red), 0);
    assert_int_equal(lanes_touched(lanes, &red), INT64_MIN);
    assert_int_equal(lanes_drop(lanes, &red, 0), 0);
    check_empty();
}

static void a_drop_spares_what_was_on_the_wire(void **state)
{
    (void)state;
    open_lanes(1, 1 << 20);
    push("t", &red, 1, "{\"a\":1,\"b\":2}");
    push("t", &red, 2, "{\"a\":3}");
    struct lane *t = take("t", 0, "1");
    assert_int_equal(lanes_drop(lanes, &red, INT64_MIN), 1);
    answer(t, LANE_RETRY);
    assert_int_equal(lanes_drop(lanes, &red, INT64_MIN), 0);
    answer(take("t", 0, "1"), LANE_ACCEPTED);
    answer(take("t", 0, "2"), LANE_ACCEPTED);
    check_seen("done 1; ");
    check_empty();
}

static void what_comes_after_a_drop_stands_behind_what_is_left(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1}");
    push("t", &blue, 1, "{\"a\":2}");
    push("t", &red, 2, "{\"a\":3}");
    assert_int_equal(lanes_drop(lanes, &red, 1), 1);
    push("t", &blue, 2, "{\"a\":4}");
    assert_int_equal(lanes_drop(lanes, &red, INT64_MIN), 1);
    push("t", &red, 3, "{\"a\":5}");
    answer(take("t", 0, "2 4 5"), LANE_ACCEPTED);
    check_seen("done 1; done 2; done 3; ");
    check_empty();
}

/* A request that reached nobody is not taken elsewhere after a loss, and what it still is to bring
 * goes again. */
static void a_request_with_rows_of_a_lost_partition_is_not_wanted(void **state)
{
    (void)state;
    open_lanes(2, 1 << 20);
    push("t", &red, 1, "{\"a\":1}");
    push("t", &blue, 1, "{\"a\":2}");
    push("t", &red, 2, "{\"a\":3}");
    push("u", &blue, 2, "{\"a\":4}");
    struct lane *t = take("t", 0, "1 2");
    struct lane *u = take("u", 0, "4");
    assert_true(lane_is_wanted(t));
    lanes_abandon(lanes, &red);
    assert_false(lane_is_wanted(t));
    assert_true(lane_is_wanted(u));
    answer(t, LANE_RETRY);
    t = take("t", 0, "2");
    assert_true(lane_is_wanted(t));
    answer(t, LANE_ACCEPTED);
    answer(u, LANE_ACCEPTED);
    check_seen("done 1; done 2; ");
    check_empty();
}

static void a_lost_partition_completes_to_nobody(void **state)
{
    (void)state;
    open_lanes(3, 1 << 20);
    push("t", &red, 1, "{\"a\":1,\"b\":2}");
    push("t", &red, 2, "{\"a\":3,\"b\":4}");
    push("t", &blue, 1, "{\"a\":5}");
    push("t", &red, 3, "{\"a\":6}");
    push("u", &red, 4, "{\"a\":7}");
    struct lane *t = take("t", 0, "1 2 3");
    lanes_abandon(lanes, &red);
    assert_int_equal(lanes_pending(lanes, &red), 0);
    assert_int_equal(lanes_pending(lanes, &blue), 1);
    assert_int_equal(lanes_counts(lanes).rows, 4);
    assert_int_equal(lanes_counts(lanes).lanes, 1);
    /* The partition comes back: nothing mixes it up with its past. */
    push("t", &red, 9, "{\"a\":8}");
    assert_int_equal(lanes_touched(lanes, &red), INT64_MIN);
    answer(t, LANE_ACCEPTED);
    check_seen("");
    answer(take("t", 0, "5 8"), LANE_ACCEPTED);
    check_seen("done 1; done 9; ");
    check_empty();
}

static void what_a_lost_partition_had_on_the_wire_is_not_sent_again(void **state)
{
    static const enum lane_verdict verdicts[] = {LANE_RETRY, LANE_UNPROVEN, LANE_SPLIT,
                                                 LANE_SUSPECT};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        open_lanes(4, 1 << 20);
        push("t", &blue, 1, "{\"a\":1}");
        push("t", &red, 1, "{\"a\":2,\"b\":3}");
        push("t", &blue, 2, "{\"a\":4}");
        push("t", &blue, 3, "{\"a\":5}");
        struct lane *t = take("t", 0, "1 2 3 4");
        lanes_abandon(lanes, &red);
        answer(t, verdicts[i]);
        while ((t = lanes_next(lanes, 0)) != NULL) {
            buffer_clear(&body);
            (void)lane_take(t, &body);
            assert_null(strstr(buffer_text(&body), "\"value\":2"));
            assert_null(strstr(buffer_text(&body), "\"value\":3"));
            answer(t, LANE_ACCEPTED);
        }
        check_seen("done 1; done 2; done 3; ");
        check_empty();
        /* And nothing is left of a lane that had nothing else. */
        open_lanes(4, 1 << 20);
        push("t", &red, 1, "{\"a\":1,\"b\":2}");
        t = take("t", 0, "1 2");
        lanes_abandon(lanes, &red);
        answer(t, verdicts[i]);
        check_empty();
        /* Nobody asks for a dead letter either. */
        push("t", &red, 1, "{\"a\":1}");
        t = take("t", 0, "1");
        lanes_abandon(lanes, &red);
        answer(t, verdicts[i]);
        check_empty();
        check_seen("");
    }
}

static void refused_rows_of_a_lost_partition_are_waited_for(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"bad\":1,\"a\":2}");
    answer(take("t", 0, "1 2"), LANE_SUSPECT);
    answer(take("t", 0, "1"), LANE_SUSPECT);
    push("u", &red, 2, "{\"bad\":1}");
    struct lane *t = take("t", 0, "2");
    answer(take("u", 0, "1"), LANE_SUSPECT);
    lanes_abandon(lanes, &red);
    answer(t, LANE_ACCEPTED);
    check_seen("bad of 1 refused (why); bad of 2 refused (why); ");
    assert_int_equal(lanes_counts(lanes).parcels, 2);
    lanes_row_done(lanes, refused_parcels[0]);
    lanes_row_done(lanes, refused_parcels[1]);
    check_seen("");
    check_empty();
    /* Lost while queued behind its own refused row. */
    push("v", &red, 1, "{\"bad\":1,\"a\":2}");
    answer(take("v", 0, "1 2"), LANE_SUSPECT);
    answer(take("v", 0, "1"), LANE_SUSPECT);
    lanes_abandon(lanes, &red);
    assert_int_equal(lanes_counts(lanes).lanes, 0);
    lanes_row_done(lanes, refused_parcels[2]);
    check_empty();
}

/* Rows that vanish from a window that is being bisected. */
static void a_loss_while_bisecting(void **state)
{
    (void)state;
    push("t", &blue, 1, "{\"a\":1,\"b\":2}");
    push("t", &red, 1, "{\"a\":3,\"b\":4,\"bad\":5}");
    push("t", &blue, 2, "{\"a\":6,\"b\":7,\"c\":8}");
    answer(take("t", 0, "1 2 3 4 5 6 7 8"), LANE_SUSPECT);
    push("t", &blue, 3, "{\"a\":9}");
    struct lane *t = take("t", 0, "1 2 3 4");
    lanes_abandon(lanes, &red);
    answer(t, LANE_ACCEPTED);
    /* One of 6, 7, 8 may still be to blame. */
    answer(take("t", 0, "6"), LANE_ACCEPTED);
    answer(take("t", 0, "7"), LANE_ACCEPTED);
    answer(take("t", 0, "8"), LANE_ACCEPTED);
    answer(take("t", 0, "9"), LANE_ACCEPTED);
    check_seen("done 1; done 2; done 3; ");
    check_empty();
}

static void lanes_can_be_closed_at_any_time(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"bad\":1,\"a\":2}");
    answer(take("t", 0, "1 2"), LANE_SUSPECT);
    answer(take("t", 0, "1"), LANE_SUSPECT);
    push("u", &red, 2, "{\"a\":1}");
    push("v", &red, 3, "{\"a\":1}");
    (void)take("t", 0, "2");
    lane_answer(lanes, take("u", 0, "1"), LANE_RETRY, 100, NULL, 0);
    lanes_abandon(lanes, &red);
    push("v", &red, 3, "{\"a\":1}");
    push("v", &blue, 3, "{\"a\":1}");
    lanes_free(lanes);
    lanes = NULL;
    lanes_free(NULL);
}

/* Handlers that call back. */
static void abandon_on_completed(void *ctx, struct parcel *parcel)
{
    lanes_abandon(lanes, parcel->partition);
    lanes_abandon(lanes, &red);
    lanes_push(lanes, SLICE_LITERAL("t"), parcel_of(&blue, 100, "{\"a\":1}"));
    ++*(int *)ctx;
}

static void done_on_refused(void *ctx, struct parcel *parcel, uint32_t row, const char *reason,
                            const char *detail)
{
    (void)ctx;
    (void)row;
    (void)reason;
    assert_string_equal(detail, "");
    lanes_row_done(lanes, parcel);
}

static void handlers_may_call_back(void **state)
{
    (void)state;
    int completed = 0;
    lanes_free(lanes);
    struct lane_handlers handlers = {&completed, abandon_on_completed, done_on_refused};
    lanes = lanes_create(&(struct lane_limits){100, 1 << 20}, &handlers);
    for (int i = 0; i < 4; i++)
        push("t", &red, i, "{\"a\":1}");
    answer(take("t", 0, "1 1 1 1"), LANE_ACCEPTED);
    assert_int_equal(completed, 1);
    assert_int_equal(lanes_pending(lanes, &blue), 1);
    assert_int_equal(lanes_counts(lanes).parcels, 1);
    lane_answer(lanes, take("t", 0, "1"), LANE_SUSPECT, 0, NULL, 0);
    assert_int_equal(completed, 2);
    assert_int_equal(lanes_counts(lanes).parcels, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(a_planned_hand_over_finishes_what_was_touched),
        TEST(a_drop_spares_what_was_on_the_wire),
        TEST(what_comes_after_a_drop_stands_behind_what_is_left),
        TEST(a_request_with_rows_of_a_lost_partition_is_not_wanted),
        TEST(a_lost_partition_completes_to_nobody),
        TEST(what_a_lost_partition_had_on_the_wire_is_not_sent_again),
        TEST(refused_rows_of_a_lost_partition_are_waited_for),
        TEST(a_loss_while_bisecting),
        TEST(lanes_can_be_closed_at_any_time),
        TEST(handlers_may_call_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
