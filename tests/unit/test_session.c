#include "core/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void no_state_has_two_edges_for_one_event(void **state)
{
    (void)state;
    size_t n;
    const struct session_edge *edges = session_edges(&n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            assert_false(edges[i].from == edges[k].from && edges[i].event == edges[k].event);
}

static void every_state_is_reached_and_left(void **state)
{
    (void)state;
    size_t n;
    const struct session_edge *edges = session_edges(&n);
    for (int s = SESSION_AWAY; s <= SESSION_GONE; s++) {
        unsigned in = s == SESSION_AWAY, out = s == SESSION_GONE;
        for (size_t i = 0; i < n; i++) {
            in += edges[i].to == (enum session_state)s;
            out += edges[i].from == (enum session_state)s;
        }
        assert_true(in > 0 && out > 0);
        assert_non_null(session_state_name((enum session_state)s));
    }
}

/* Whoever may hold the lock of a session and is not sure of it must close the connection: that
 * alone frees the lock. And a leader in doubt stops leading before anything else. */
static void every_way_out_of_trust_closes(void **state)
{
    (void)state;
    size_t n;
    const struct session_edge *edges = session_edges(&n);
    for (size_t i = 0; i < n; i++) {
        const struct session_edge *e = &edges[i];
        if (e->from == SESSION_LIVE && e->to != SESSION_LIVE && e->event != SESSION_LEAVE)
            assert_true((e->actions & SESSION_DO_DOUBT) && (e->actions & SESSION_DO_CLOSE));
        if (e->from != SESSION_AWAY && (e->to == SESSION_AWAY || e->to == SESSION_GONE))
            assert_true(e->actions & SESSION_DO_CLOSE);
        if (e->to == SESSION_AWAY)
            assert_true(e->actions & SESSION_DO_BACK_OFF);
        if (e->to == SESSION_GONE)
            assert_true(e->actions & SESSION_DO_END);
    }
}

static void a_stop_ends_from_every_state(void **state)
{
    (void)state;
    for (int s = SESSION_AWAY; s < SESSION_LEAVING; s++) {
        const struct session_edge *e = session_step((enum session_state)s, SESSION_LEAVE);
        assert_non_null(e);
        assert_true(e->to == SESSION_GONE || e->to == SESSION_LEAVING);
    }
    assert_non_null(session_step(SESSION_LEAVING, SESSION_LOST));
    assert_null(session_step(SESSION_GONE, SESSION_LEAVE));
}

static void the_way_in_is_connect_check_join(void **state)
{
    (void)state;
    enum session_event way[] = {SESSION_RETRY_DUE, SESSION_CONNECTED, SESSION_SCHEMA_KNOWN,
                                SESSION_JOINED};
    enum session_state at = SESSION_AWAY;
    for (size_t i = 0; i < sizeof way / sizeof way[0]; i++) {
        const struct session_edge *e = session_step(at, way[i]);
        assert_non_null(e);
        at = e->to;
    }
    assert_int_equal(at, SESSION_LIVE);
    /* A schema that is not known never leads to a join. */
    assert_int_equal(session_step(SESSION_CHECKING, SESSION_SCHEMA_UNKNOWN)->to, SESSION_AWAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_state_has_two_edges_for_one_event),
        cmocka_unit_test(every_state_is_reached_and_left),
        cmocka_unit_test(every_way_out_of_trust_closes),
        cmocka_unit_test(a_stop_ends_from_every_state),
        cmocka_unit_test(the_way_in_is_connect_check_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
