/* When a destination sends what it is given: the pump of src/node/destination.c, against a server
 * that stands in for ThingWorx, without a database. */
#include "thingworx_fixture.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "core/lane.h"
#include "node/destination.h"
#include "node/destination_state.h"
#include "node/membership.h"
#include "node/parts.h"
#include "store/configuration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Far longer than a test may take. */
#define LONG_S 3600

struct world {
    struct fixture *f;
    struct node_parts node;
    struct destination *destination;
    struct rows rows;
};

static void open_world(struct world *w, struct fixture *f, int linger_ms, unsigned rate)
{
    char *urls[] = {f->url};
    struct destination_config config = {.name = "thingworx",
                                        .base_urls = urls,
                                        .base_url_count = 1,
                                        .app_key_secret = "none",
                                        .max_in_flight = 4,
                                        .request_timeout_ms = 10000,
                                        .max_rows = 1000,
                                        .max_bytes = 1 << 20,
                                        .max_rows_per_second = rate,
                                        .linger_ms = linger_ms,
                                        .failed_after_s = LONG_S};
    *w = (struct world){.f = f,
                        .node = {.base = f->base,
                                 .metrics = metrics_create(),
                                 .name = "node-1",
                                 .secrets_folder = "/nonexistent"}};
    random_seed(&w->node.random, 1);
    pulse_init(&w->node.pulse, LONG_S * SECOND_US, LONG_S * SECOND_US, clock_now_us());
    w->node.membership = membership_open(
        f->base, NULL,
        &(struct membership_config){.database = "host=127.0.0.1", .node = "node-1", .ttl_ms = 5000},
        (struct membership_handlers){.ctx = NULL}, &w->node.random, NULL);
    rows_init(&w->rows);
    w->destination = destination_open(&w->node, &config);
}

static void close_world(struct world *w)
{
    destination_free(w->destination);
    membership_free(w->node.membership);
    metrics_free(w->node.metrics);
    rows_free(&w->rows);
}

/* One value of a Thing, which nobody waits for. */
static void push(struct world *w, const char *thing)
{
    static const struct translate_rules rules = {.time_member = {NULL, 0}};
    struct error why;
    assert_true(translate_in_place(SLICE_LITERAL("{\"x\":1}"), 7, &rules, &w->rows, &why));
    struct lane_key key = lane_key(slice_from(thing));
    destination_push(w->destination, &key, parcel_create(&w->rows, &(struct parcel_origin){0}));
}

static size_t waiting(const struct world *w)
{
    return lanes_counts(destination_lanes(w->destination)).waiting;
}

/* A Thing is refused and has to wait for long. */
static void hold_up(struct world *w, const char *thing)
{
    w->f->server.bad_thing = thing;
    w->f->server.bad_status = 503;
    w->f->server.retry_after = "3600";
    push(w, thing);
    WAIT_UNTIL(w->f, waiting(w) == 1);
    w->f->server.retry_after = NULL;
}

static void one_that_waits_delays_no_other(void **state)
{
    struct world w;
    struct timeval due, now;
    enum { LINGER_MS = 200 };
    open_world(&w, *state, LINGER_MS, 0);
    hold_up(&w, "stuck");
    run_for(w.f, 10000); /* until the pump waits for the Thing that is stuck */
    push(&w, "other");
    assert_int_equal(event_base_gettimeofday_cached(w.f->base, &now), 0);
    assert_true(event_pending(w.destination->pump, EV_TIMEOUT, &due) != 0);
    evutil_timersub(&due, &now, &due);
    /* The clock of the loop is a coarse one; the other would wait for most of a minute. */
    assert_true(due.tv_sec * 1000 + due.tv_usec / 1000 <= 2L * LINGER_MS);
    unsigned posts = w.f->server.posts;
    WAIT_UNTIL(w.f, w.f->server.posts > posts);
    assert_non_null(strstr(w.f->server.path, "other"));
    close_world(&w);
}

/* Whoever stands before ThingWorx may say an hour, and be gone in a minute. */
static void retry_after_is_followed_within_reason(void **state)
{
    struct world w;
    open_world(&w, *state, 0, 0);
    hold_up(&w, "stuck");
    int64_t wait_us = lanes_wakeup_at(destination_lanes(w.destination)) - clock_now_us();
    assert_true(wait_us > 50 * SECOND_US);
    assert_true(wait_us <= 60 * SECOND_US);
    close_world(&w);
}

/* One Thing with much to say does not silence all others for as long as that would take. */
static void no_request_takes_more_than_a_second(void **state)
{
    enum { RATE = 5, ROWS = 500 };
    struct world w;
    open_world(&w, *state, 0, RATE);
    for (int i = 0; i < ROWS; i++)
        push(&w, "chatty");
    WAIT_UNTIL(w.f, w.f->server.posts == 1);
    assert_true(rate_next_us(&w.destination->rate, clock_now_us()) <= clock_now_us() + SECOND_US);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_that_waits_delays_no_other),
        CASE(retry_after_is_followed_within_reason),
        CASE(no_request_takes_more_than_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
