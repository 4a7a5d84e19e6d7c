#include "core/tracker.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint64_t begin(struct tracker *t, int64_t sequence)
{
    char offset[32];
    (void)snprintf(offset, sizeof offset, "o%lld", (long long)sequence);
    return tracker_begin(t, sequence, slice_from(offset), sequence * 10, 100);
}

static void check_mark(const struct tracker_mark *mark, int64_t sequence)
{
    char offset[32];
    (void)snprintf(offset, sizeof offset, "o%lld", (long long)sequence);
    assert_int_equal(mark->sequence, sequence);
    assert_int_equal(mark->enqueued_ms, sequence * 10);
    assert_true(slice_equal(mark->offset, slice_from(offset)));
}

/* The checkpoint is at this sequence, and was not taken yet. */
static void check_moved(struct tracker *t, int64_t sequence)
{
    struct tracker_mark mark;
    assert_true(tracker_checkpoint(t, &mark));
    check_mark(&mark, sequence);
}

static void the_prefix_moves_only_over_what_is_complete(void **state)
{
    (void)state;
    struct tracker *t = tracker_create(100, 1 << 20);
    struct tracker_mark mark;
    assert_false(tracker_checkpoint(t, &mark));
    assert_false(tracker_newest(t, &mark));
    assert_int_equal(tracker_highest_completed(t), INT64_MIN);
    uint64_t tickets[5];
    for (int i = 0; i < 5; i++) {
        tickets[i] = begin(t, 10 + i);
        assert_int_not_equal(tickets[i], 0);
    }
    assert_int_equal(tracker_in_flight(t), 5);
    assert_int_equal(tracker_bytes(t), 500);
    assert_int_equal(tracker_room(t), 95);
    assert_true(tracker_newest(t, &mark));
    check_mark(&mark, 14);
    tracker_complete(t, tickets[1]);
    tracker_complete(t, tickets[3]);
    assert_false(tracker_checkpoint(t, &mark));
    assert_int_equal(tracker_highest_completed(t), 13);
    assert_int_equal(tracker_in_flight(t), 3);
    assert_int_equal(tracker_room(t), 97);
    tracker_complete(t, tickets[0]);
    check_moved(t, 11);
    assert_int_equal(tracker_room(t), 98);
    tracker_complete(t, tickets[2]);
    check_moved(t, 13);
    tracker_checkpoint(t, &mark);
    tracker_taken(t, &mark);
    assert_false(tracker_checkpoint(t, &mark));
    check_mark(&mark, 13);
    tracker_complete(t, tickets[4]);
    check_moved(t, 14);
    assert_int_equal(tracker_in_flight(t), 0);
    assert_int_equal(tracker_bytes(t), 0);
    assert_true(tracker_newest(t, &mark));
    check_mark(&mark, 14);
    tracker_free(t);
}

static void a_mark_that_was_saved_late_leaves_the_rest_to_save(void **state)
{
    (void)state;
    struct tracker *t = tracker_create(100, 1 << 20);
    uint64_t first = begin(t, 1);
    uint64_t second = begin(t, 2);
    tracker_complete(t, first);
    struct tracker_mark mark;
    assert_true(tracker_checkpoint(t, &mark));
    tracker_complete(t, second);
    mark.offset = (struct slice){NULL, 0};
    tracker_taken(t, &mark);
    check_moved(t, 2);
    tracker_checkpoint(t, &mark);
    tracker_taken(t, &mark);
    mark.sequence = 1;
    tracker_taken(t, &mark);
    assert_false(tracker_checkpoint(t, &mark));
    tracker_free(t);
}

static void unknown_tickets_change_nothing(void **state)
{
    (void)state;
    struct tracker *t = tracker_create(100, 1 << 20);
    struct tracker_mark mark;
    uint64_t first = begin(t, 1);
    uint64_t second = begin(t, 2);
    tracker_complete(t, 0);
    tracker_complete(t, second + 1);
    tracker_complete(t, UINT64_MAX);
    tracker_complete(t, second);
    tracker_complete(t, second);
    assert_int_equal(tracker_in_flight(t), 1);
    tracker_complete(t, first);
    tracker_complete(t, first);
    assert_int_equal(tracker_in_flight(t), 0);
    check_moved(t, 2);
    uint64_t third = begin(t, 3);
    tracker_reset(t);
    assert_false(tracker_checkpoint(t, &mark));
    assert_false(tracker_newest(t, &mark));
    assert_int_equal(tracker_in_flight(t), 0);
    assert_int_equal(tracker_highest_completed(t), INT64_MIN);
    uint64_t again = begin(t, 3);
    assert_int_not_equal(again, third);
    tracker_complete(t, third);
    assert_int_equal(tracker_in_flight(t), 1);
    tracker_complete(t, again);
    check_moved(t, 3);
    tracker_free(t);
}

static void what_was_saved_and_may_be_lost_is_saved_again(void **state)
{
    (void)state;
    struct tracker *t = tracker_create(100, 1 << 20);
    struct tracker_mark mark;
    tracker_untaken(t);
    assert_false(tracker_checkpoint(t, &mark));
    tracker_complete(t, begin(t, 7));
    assert_true(tracker_checkpoint(t, &mark));
    tracker_taken(t, &mark);
    tracker_untaken(t);
    check_moved(t, 7);
    tracker_free(t);
}

static void what_is_on_its_way_already_is_not_taken_again(void **state)
{
    (void)state;
    struct tracker *t = tracker_create(100, 1 << 20);
    uint64_t first = begin(t, 5);
    assert_int_equal(begin(t, 5), 0);
    assert_int_equal(begin(t, 4), 0);
    tracker_complete(t, first);
    assert_int_equal(begin(t, 5), 0);
    assert_int_not_equal(begin(t, 6), 0);
    assert_int_equal(tracker_in_flight(t), 1);
    tracker_free(t);
}

static void ceilings(void **state)
{
    (void)state;
    struct tracker *t = tracker_create(0, 250);
    uint64_t only = begin(t, 1);
    assert_int_equal(begin(t, 2), 0);
    assert_int_equal(tracker_room(t), 0);
    tracker_complete(t, only);
    assert_int_equal(tracker_room(t), 1);
    tracker_set_limits(t, 10, 250);
    (void)begin(t, 2);
    uint64_t third = begin(t, 3);
    assert_int_equal(tracker_room(t), 8);
    (void)begin(t, 4);
    /* Over its bytes it asks for no more, but takes what comes. */
    assert_int_equal(tracker_room(t), 0);
    assert_int_not_equal(begin(t, 5), 0);
    tracker_complete(t, third);
    assert_int_equal(tracker_room(t), 0);
    tracker_set_limits(t, 10, 301);
    /* What is complete beyond a hole takes neither bytes nor a place. */
    assert_int_equal(tracker_room(t), 7);
    tracker_set_limits(t, 2, 1000);
    assert_int_equal(tracker_room(t), 0);
    assert_int_equal(begin(t, 6), 0);
    tracker_free(t);
}

static void long_offsets(void **state)
{
    (void)state;
    char text[200];
    memset(text, 'x', sizeof text);
    struct tracker *t = tracker_create(100, 1 << 20);
    for (size_t n = 0; n < 80; n++) {
        uint64_t ticket = tracker_begin(t, (int64_t)n, (struct slice){text, n}, 0, 1);
        if (n % 3 == 0)
            (void)tracker_begin(t, (int64_t)n, (struct slice){text, n}, 0, 1);
        struct tracker_mark mark;
        assert_true(tracker_newest(t, &mark));
        assert_true(slice_equal(mark.offset, (struct slice){text, n}));
        tracker_complete(t, ticket);
        assert_true(tracker_checkpoint(t, &mark));
        assert_true(slice_equal(mark.offset, (struct slice){text, n}));
    }
    for (size_t n = 80; n < 150; n++)
        (void)tracker_begin(t, (int64_t)n, (struct slice){text, n}, 0, 1);
    tracker_cut(t, 100);
    tracker_free(t);
    tracker_free(NULL);
}

static void a_cut_forgets_what_the_successor_will_do(void **state)
{
    (void)state;
    struct tracker *t = tracker_create(100, 1 << 20);
    struct tracker_mark mark;
    uint64_t tickets[10];
    for (int i = 0; i < 10; i++)
        tickets[i] = begin(t, i);
    tracker_complete(t, tickets[0]);
    tracker_complete(t, tickets[4]);
    tracker_cut(t, tracker_highest_completed(t));
    assert_int_equal(tracker_in_flight(t), 3);
    assert_int_equal(tracker_bytes(t), 300);
    assert_true(tracker_newest(t, &mark));
    check_mark(&mark, 4);
    /* Reading goes on after all: the same events come again, under tickets of their own. */
    uint64_t fifth = begin(t, 5);
    assert_int_not_equal(fifth, 0);
    tracker_complete(t, tickets[5]);
    assert_int_equal(tracker_in_flight(t), 4);
    /* Those that were kept are still known by theirs. */
    for (int i = 1; i < 4; i++)
        tracker_complete(t, tickets[i]);
    check_moved(t, 4);
    tracker_complete(t, fifth);
    check_moved(t, 5);
    tracker_cut(t, 5);
    tracker_cut(t, 0);
    assert_true(tracker_newest(t, &mark));
    check_mark(&mark, 5);
    tracker_free(t);
}

/* A device that waits for the database holds its partition's checkpoint, not the other devices. */
static void a_hole_takes_no_room_however_long_it_lasts(void **state)
{
    enum { WINDOW = 100, EVENTS = 50000 };
    (void)state;
    struct tracker *t = tracker_create(WINDOW, 1 << 20);
    uint64_t holes[3] = {0, 0, 0};
    holes[0] = begin(t, 0);
    uint64_t late = 0;
    for (int i = 1; i < EVENTS; i++) {
        assert_int_not_equal(tracker_room(t), 0);
        uint64_t ticket = begin(t, i);
        assert_int_not_equal(ticket, 0);
        if (i == EVENTS / 3)
            holes[1] = ticket;
        else if (i == EVENTS / 2)
            holes[2] = ticket;
        else {
            tracker_complete(t, late != 0 ? late : ticket);
            late = late != 0 ? ticket : 0;
        }
        if (i % 10 == 0)
            late = late != 0 ? late : begin(t, ++i);
        assert_true(tracker_held(t) <= 3 * WINDOW);
    }
    if (late != 0)
        tracker_complete(t, late);
    struct tracker_mark mark;
    assert_false(tracker_checkpoint(t, &mark));
    assert_int_equal(tracker_in_flight(t), 3);
    tracker_complete(t, holes[1]);
    assert_false(tracker_checkpoint(t, &mark));
    tracker_complete(t, holes[0]);
    check_moved(t, EVENTS / 2 - 1);
    tracker_complete(t, holes[2]);
    assert_true(tracker_checkpoint(t, &mark));
    assert_true(mark.sequence >= EVENTS - 1);
    assert_int_equal(tracker_held(t), 0);
    tracker_free(t);
}

/* Against a model that is as plain as can be. */
static void it_may_begin_behind_what_others_completed(void **state)
{
    (void)state;
    struct tracker *t = tracker_create(100, 1 << 20);
    char offset[] =
        "o0000000000000000000000000000000000000000000000041"; /* longer than one inline */
    struct tracker_mark mark = {slice_from(offset), 41, 410}, found;
    tracker_begin_behind(t, &mark);
    memset(offset, 'x', sizeof offset - 1); /* it keeps a copy */
    assert_true(tracker_newest(t, &found));
    assert_int_equal(found.sequence, 41);
    assert_true(tracker_checkpoint(t, &found));
    assert_int_equal(found.enqueued_ms, 410);
    assert_int_equal(found.offset.p[1], '0');
    assert_int_equal(tracker_highest_completed(t), 41);
    assert_int_equal(begin(t, 41), 0);
    uint64_t ticket = begin(t, 42);
    assert_int_not_equal(ticket, 0);
    tracker_taken(t, &mark);
    assert_false(tracker_checkpoint(t, &found));
    tracker_complete(t, ticket);
    check_moved(t, 42);
    tracker_free(t);
}

static void random_orders(void **state)
{
    enum { EVENTS = 1000 };
    static uint64_t tickets[EVENTS];
    static bool complete[EVENTS];
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random;
        random_seed(&random, seed);
        memset(complete, 0, sizeof complete);
        struct tracker *t = tracker_create(200, SIZE_MAX);
        int begun = 0;
        int prefix = 0;
        while (prefix < EVENTS) {
            if (begun < EVENTS && random_below(&random, 2) == 0 && tracker_room(t) > 0) {
                tickets[begun] = begin(t, begun);
                assert_int_not_equal(tickets[begun], 0);
                begun++;
            } else if (begun > prefix) {
                int i = prefix + (int)random_below(&random, (uint64_t)(begun - prefix));
                /* Some holes stay for long. */
                if (i == prefix && random_below(&random, 100) != 0)
                    continue;
                tracker_complete(t, tickets[i]);
                complete[i] = true;
            }
            while (prefix < begun && complete[prefix])
                prefix++;
            int open = 0;
            int highest = -1;
            for (int i = 0; i < begun; i++) {
                open += !complete[i];
                highest = complete[i] ? i : highest;
            }
            assert_int_equal(tracker_in_flight(t), open);
            assert_int_equal(tracker_room(t), 200 - open);
            if (highest >= 0)
                assert_int_equal(tracker_highest_completed(t), highest);
            struct tracker_mark mark;
            bool moved = tracker_checkpoint(t, &mark);
            if (prefix > 0)
                check_mark(&mark, prefix - 1);
            if (moved && random_below(&random, 3) == 0)
                tracker_taken(t, &mark);
        }
        tracker_free(t);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_prefix_moves_only_over_what_is_complete),
        cmocka_unit_test(a_mark_that_was_saved_late_leaves_the_rest_to_save),
        cmocka_unit_test(unknown_tickets_change_nothing),
        cmocka_unit_test(what_was_saved_and_may_be_lost_is_saved_again),
        cmocka_unit_test(what_is_on_its_way_already_is_not_taken_again),
        cmocka_unit_test(ceilings),
        cmocka_unit_test(long_offsets),
        cmocka_unit_test(a_cut_forgets_what_the_successor_will_do),
        cmocka_unit_test(a_hole_takes_no_room_however_long_it_lasts),
        cmocka_unit_test(it_may_begin_behind_what_others_completed),
        cmocka_unit_test(random_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
