#include "core/ownership.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void no_state_has_two_edges_for_one_event(void **state)
{
    (void)state;
    size_t n;
    const struct ownership_edge *edges = ownership_edges(&n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            assert_false(edges[i].from == edges[k].from && edges[i].event == edges[k].event);
}

/* Once thrown out, a node drops what it has not sent and never attaches again before the database
 * has confirmed its grant. */
static void nothing_opens_from_doubt_but_confirmation(void **state)
{
    (void)state;
    for (int s = OWNERSHIP_OPENING; s <= OWNERSHIP_DRAINING; s++) {
        const struct ownership_edge *e = ownership_step((enum ownership_state)s, OWNERSHIP_STOLEN);
        assert_non_null(e);
        assert_int_equal(e->to, OWNERSHIP_IN_DOUBT);
        assert_true((e->actions & OWNERSHIP_DO_DROP_ALL) && (e->actions & OWNERSHIP_DO_ASK));
    }
    size_t n;
    const struct ownership_edge *edges = ownership_edges(&n);
    for (size_t i = 0; i < n; i++) {
        if (edges[i].from == OWNERSHIP_IN_DOUBT && edges[i].to != OWNERSHIP_IN_DOUBT &&
            edges[i].to != OWNERSHIP_ENDED)
            assert_int_equal(edges[i].event, OWNERSHIP_CONFIRMED);
        if (edges[i].actions & OWNERSHIP_DO_OPEN)
            assert_int_equal(edges[i].from, OWNERSHIP_WAITING);
    }
}

static void waking_up_drops_everything_from_every_state(void **state)
{
    (void)state;
    for (int s = OWNERSHIP_WAITING; s < OWNERSHIP_ENDED; s++) {
        const struct ownership_edge *e = ownership_step((enum ownership_state)s, OWNERSHIP_WOKEN);
        assert_non_null(e);
        assert_int_equal(e->to, OWNERSHIP_IN_DOUBT);
        assert_true((e->actions & OWNERSHIP_DO_STOP) && (e->actions & OWNERSHIP_DO_DROP_ALL));
    }
}

/* Whatever a grant is doing, the loss of it ends it at once, and everything unsent goes. */
static void a_revoked_grant_ends_from_every_state(void **state)
{
    (void)state;
    for (int s = OWNERSHIP_WAITING; s < OWNERSHIP_ENDED; s++) {
        const struct ownership_edge *e = ownership_step((enum ownership_state)s, OWNERSHIP_REVOKED);
        assert_non_null(e);
        assert_int_equal(e->to, OWNERSHIP_ENDED);
        assert_true((e->actions & OWNERSHIP_DO_STOP) && (e->actions & OWNERSHIP_DO_DROP_ALL) &&
                    (e->actions & OWNERSHIP_DO_END));
    }
}

/* A planned move keeps what was begun (no duplicates) and releases only what is saved. */
static void a_planned_move_drains_saves_releases(void **state)
{
    (void)state;
    const struct ownership_edge *e = ownership_step(OWNERSHIP_READING, OWNERSHIP_MOVE);
    assert_true(e->actions & OWNERSHIP_DO_DROP_UNSENT);
    assert_false(e->actions & OWNERSHIP_DO_DROP_ALL);
    e = ownership_step(e->to, OWNERSHIP_DRAINED);
    assert_int_equal(e->actions, OWNERSHIP_DO_SAVE);
    e = ownership_step(e->to, OWNERSHIP_SAVED);
    assert_int_equal(e->actions, OWNERSHIP_DO_RELEASE);
    e = ownership_step(e->to, OWNERSHIP_RELEASED);
    assert_int_equal(e->to, OWNERSHIP_ENDED);

    size_t n;
    const struct ownership_edge *edges = ownership_edges(&n);
    for (size_t i = 0; i < n; i++)
        if (edges[i].actions & OWNERSHIP_DO_RELEASE)
            assert_int_equal(edges[i].from, OWNERSHIP_SAVING);
}

static void an_overdue_move_is_called_off_and_reading_goes_on(void **state)
{
    (void)state;
    const struct ownership_edge *e = ownership_step(OWNERSHIP_DRAINING, OWNERSHIP_OVERDUE);
    assert_int_equal(e->actions, OWNERSHIP_DO_KEEP);
    e = ownership_step(e->to, OWNERSHIP_KEPT);
    assert_int_equal(e->to, OWNERSHIP_WAITING);
    assert_true(ownership_step(e->to, OWNERSHIP_OPENABLE)->actions & OWNERSHIP_DO_OPEN);
}

/* Nobody has died, so nothing may come twice: what was delivered stands in the checkpoint before
 * another session is given the partition. */
static void what_cannot_be_read_is_saved_before_it_is_given_back(void **state)
{
    (void)state;
    for (int s = OWNERSHIP_WAITING; s <= OWNERSHIP_READING; s++) {
        const struct ownership_edge *e =
            ownership_step((enum ownership_state)s, OWNERSHIP_UNREADABLE);
        assert_int_equal(e->actions, OWNERSHIP_DO_DROP_UNSENT);
        e = ownership_step(e->to, OWNERSHIP_DRAINED);
        assert_int_equal(e->actions, OWNERSHIP_DO_SAVE);
        e = ownership_step(e->to, OWNERSHIP_SAVED);
        assert_true(e->actions & OWNERSHIP_DO_DECLINE);
        assert_int_equal(ownership_step(e->to, OWNERSHIP_RELEASED)->to, OWNERSHIP_ENDED);
    }
    /* Whoever asks for it meanwhile gets it as in every planned move. */
    assert_int_equal(ownership_step(OWNERSHIP_FINISHING, OWNERSHIP_MOVE)->to, OWNERSHIP_DRAINING);
    assert_int_equal(ownership_step(OWNERSHIP_STORING, OWNERSHIP_MOVE)->to, OWNERSHIP_DRAINING);
}

/* A destination that hangs, or a database that does not save, does not keep it here for ever. */
static void what_cannot_be_saved_is_given_back_all_the_same(void **state)
{
    (void)state;
    for (int s = OWNERSHIP_FINISHING; s <= OWNERSHIP_STORING; s++) {
        const struct ownership_edge *e = ownership_step((enum ownership_state)s, OWNERSHIP_OVERDUE);
        assert_int_equal(e->to, OWNERSHIP_DECLINING);
        assert_true((e->actions & OWNERSHIP_DO_DROP_ALL) && (e->actions & OWNERSHIP_DO_DECLINE));
    }
    size_t n;
    const struct ownership_edge *edges = ownership_edges(&n);
    for (size_t i = 0; i < n; i++)
        if (edges[i].actions & OWNERSHIP_DO_DECLINE)
            assert_true(edges[i].event == OWNERSHIP_SAVED || edges[i].event == OWNERSHIP_OVERDUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_state_has_two_edges_for_one_event),
        cmocka_unit_test(nothing_opens_from_doubt_but_confirmation),
        cmocka_unit_test(waking_up_drops_everything_from_every_state),
        cmocka_unit_test(a_revoked_grant_ends_from_every_state),
        cmocka_unit_test(a_planned_move_drains_saves_releases),
        cmocka_unit_test(an_overdue_move_is_called_off_and_reading_goes_on),
        cmocka_unit_test(what_cannot_be_read_is_saved_before_it_is_given_back),
        cmocka_unit_test(what_cannot_be_saved_is_given_back_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
