#include "thingworx_fixture.h"

#include "base/clock.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* No promise: the machine may be busy. */
#define PATIENCE_US (60 * SECOND_US)

static void unavailable_is_retried(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    f->server.status = 503;
    f->server.retry_after = "7";
    struct answer a = ask(f, "a", 0);
    assert_int_equal(a.class, ANSWER_RETRY);
    assert_int_equal(a.status, 503);
    assert_int_equal(a.retry_after_us, 7 * SECOND_US);
    assert_string_equal(a.text, "refused with 503");
    f->server.retry_after = "Wed, 21 Oct 2015 07:28:00 GMT";
    assert_int_equal(ask(f, "a", 0).retry_after_us, -1);
    f->server.retry_after = "99999999999";
    a = ask(f, "a", 0); /* the third in a row: the breaker opens */
    assert_int_equal(a.retry_after_us, 3600 * SECOND_US);
    assert_false(thingworx_ready_to_send(f->tw, a.at_us));
    WAIT_UNTIL(f, strcmp(f->state, "unreachable") == 0);
    f->server.status = 200;
    f->server.retry_after = NULL;
    assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
    WAIT_UNTIL(f, strcmp(f->state, "ok") == 0);
}

static void throttling_holds_everything_back(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    f->server.status = 429;
    f->server.retry_after = "1";
    struct answer a = ask(f, "a", 0);
    assert_int_equal(a.class, ANSWER_THROTTLED);
    f->server.status = 200;
    unsigned posts = f->server.posts;
    assert_false(post_at(f, "b", 0, &a, a.at_us));
    f->capacity = 0;
    WAIT_UNTIL(f, f->capacity > 0);
    assert_in_range(clock_now_us() - a.at_us, 950 * MS_US, PATIENCE_US);
    assert_int_equal(f->server.posts, posts);
    assert_int_equal(ask(f, "b", 0).class, ANSWER_ACCEPTED);
}

static void a_refused_key_pauses_until_replaced(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    f->server.good_key = "key-2";
    struct answer first = ask(f, "a", 0);
    assert_int_equal(first.class, ANSWER_CONFIGURATION);
    WAIT_UNTIL(f, strcmp(f->state, "paused") == 0);
    assert_false(thingworx_ready_to_send(f->tw, first.at_us));
    /* one request tries it now and then */
    f->capacity = 0;
    WAIT_UNTIL(f, f->capacity > 0);
    struct answer trial = {0}, refused = {0};
    assert_true(post(f, "b", 0, &trial));
    assert_false(post(f, "c", 0, &refused));
    WAIT_UNTIL(f, trial.count > 0);
    assert_int_equal(trial.class, ANSWER_CONFIGURATION);
    assert_int_equal(f->states, 1);
    thingworx_set_app_key(f->tw, "key-2\n");
    assert_true(thingworx_ready_to_send(f->tw, clock_now_us()));
    assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
    WAIT_UNTIL(f, strcmp(f->state, "ok") == 0);
    assert_int_equal(f->states, 2);
}

static void a_login_page_pauses(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    f->server.page = "<html><body>Please log in</body></html>";
    assert_int_equal(ask(f, "a", 0).class, ANSWER_CONFIGURATION);
    WAIT_UNTIL(f, strcmp(f->state, "paused") == 0);
    f->server.page = NULL;
    assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
    WAIT_UNTIL(f, strcmp(f->state, "ok") == 0);
}

/* What an answer says ends in logs and dead letters. */
static void an_application_key_that_is_repeated_is_not_given_on(void **state)
{
    struct fixture *f = *state;
    f->config.app_key = "4f2e1c3a-0000-4111-8222-333344445555";
    fixture_open(f, NULL);
    f->server.status = 500;
    f->server.page = "no 4f2e1c3a-0000-4111-8222-333344445555!";
    struct answer answer = ask(f, "a", 0);
    assert_string_equal(answer.text, "no ************************************!");
}

static void a_platform_that_starts_refuses_nothing_for_good(void **state)
{
    struct fixture *f = *state;
    f->config.probe_interval_ms = 200;
    fixture_open(f, NULL);
    f->server.status = f->server.ready_status = 404;
    assert_int_equal(confirmed_within(f, 1200 * MS_US), 0);
    assert_true(f->server.posts < 60); /* and it is not hammered meanwhile */
    /* even one that says ready too early */
    f->server.ready_status = 200;
    assert_int_equal(confirmed_within(f, 1200 * MS_US), 0);
    f->server.status = 200;
    assert_int_equal(confirmed_within(f, 500 * MS_US), 0);
    /* and starts again */
    f->server.status = f->server.ready_status = 404;
    assert_int_equal(confirmed_within(f, 1200 * MS_US), 0);
}

static void one_refused_thing_is_found(void **state)
{
    struct fixture *f = *state;
    static const int statuses[] = {404, 500, 400, 403};
    f->config.probe_interval_ms = 100;
    fixture_open(f, NULL);
    f->server.bad_thing = "/b/";
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        f->server.bad_status = statuses[i];
        struct refusals r = {0};
        for (int64_t until = clock_now_us() + PATIENCE_US; r.confirmed == 0;) {
            assert_true(clock_now_us() < until);
            send_round(f, &r);
        }
        (void)confirmed_within(f, 500 * MS_US);
    }
    assert_int_equal(f->states, 0); /* no pause either, not by the 403 */
    /* without another Thing there is no evidence */
    f->server.bad_status = 404;
    struct answer a = ask(f, "b", 0);
    for (int i = 0; i < 20; i++) {
        assert_false(ask(f, "b", a.at_us).confirmed);
        run_for(f, 20 * MS_US);
    }
}

static void the_next_refusal_of_a_known_thing_is_confirmed_at_once(void **state)
{
    struct fixture *f = *state;
    f->config.probe_interval_ms = 100;
    fixture_open(f, NULL);
    WAIT_UNTIL(f, f->server.probes > 1); /* the first one's answer has been read */
    f->server.bad_thing = "/b/";
    f->server.bad_status = 500;
    assert_false(ask(f, "b", 0).confirmed);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
        assert_true(ask(f, "b", 0).confirmed);
        assert_false(ask(f, "b", 0).confirmed); /* nothing was accepted between the two */
    }
    assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
    f->server.bad_status = 404; /* refused otherwise than before */
    assert_false(ask(f, "b", 0).confirmed);
}

static void a_403_for_everybody_pauses(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    f->server.status = 403;
    struct refusals r = {0};
    for (int64_t until = clock_now_us() + PATIENCE_US; strcmp(f->state, "paused") != 0;) {
        assert_true(clock_now_us() < until);
        send_round(f, &r);
    }
    assert_int_equal(r.confirmed, 0);
    assert_int_equal(confirmed_within(f, 300 * MS_US), 0);
    assert_string_equal(f->state, "paused");
    f->server.status = 200;
    assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
    WAIT_UNTIL(f, strcmp(f->state, "ok") == 0);
}

static void a_new_thing_has_time_to_appear(void **state)
{
    struct fixture *f = *state;
    f->config.probe_interval_ms = 100;
    f->config.settle_ms = 1000;
    fixture_open(f, NULL);
    f->server.bad_thing = "/b/";
    f->server.bad_status = 404;
    int64_t since = ask(f, "b", 0).at_us;
    for (bool confirmed = false; !confirmed;) {
        run_for(f, 20 * MS_US);
        assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
        struct answer a = ask(f, "b", since);
        confirmed = a.confirmed;
        int64_t age_us = a.at_us - since;
        assert_in_range(age_us, confirmed ? SECOND_US : 0, PATIENCE_US);
    }
}

static void silence_is_a_failure(void **state)
{
    struct fixture *f = *state;
    f->config.request_timeout_ms = 150;
    fixture_open(f, NULL);
    f->server.hang = true;
    for (int i = 0; i < 3; i++) {
        int64_t before = clock_now_us();
        struct answer a = ask(f, "a", 0);
        assert_int_equal(a.class, ANSWER_RETRY);
        assert_int_equal(a.status, 0);
        assert_true(strlen(a.text) > 0);
        assert_in_range(a.at_us - before, 140 * MS_US, PATIENCE_US);
    }
    WAIT_UNTIL(f, strcmp(f->state, "unreachable") == 0);
}

static void a_refused_connection_opens_the_breaker(void **state)
{
    struct fixture *f = *state;
    int port = f->server.port;
    server_stop(&f->server);
    fixture_open(f, NULL);
    WAIT_UNTIL(f, strcmp(f->state, "unreachable") == 0); /* the first probe found out */
    assert_false(thingworx_ready_to_send(f->tw, clock_now_us()));
    assert_int_equal(thingworx_count(f->tw).usable, 0);
    run_for(f, 300 * MS_US);
    server_start(&f->server, f->base, port);
    f->capacity = 0;
    WAIT_UNTIL(f, f->capacity > 0);
    assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
    WAIT_UNTIL(f, strcmp(f->state, "ok") == 0);
    assert_int_equal(thingworx_count(f->tw).usable, 1);
}

static void a_dead_base_url_is_left_at_once(void **state)
{
    struct fixture *f = *state;
    fixture_add_other(f);
    fixture_open(f, NULL);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
    assert_int_equal(f->server.posts, 5);
    assert_int_equal(f->other.posts, 5);
    server_stop(&f->other);
    for (int i = 0; i < 20; i++) {
        struct answer a = ask(f, "a", 0);
        /* a kept connection that dies under a request is the one thing that cannot be hidden */
        assert_true(a.class == ANSWER_ACCEPTED);
        assert_int_equal(a.endpoint, 0);
    }
    assert_int_equal(f->states, 0);
    assert_int_equal(thingworx_count(f->tw).usable, 1);
    /* comes back, and is used again */
    int port = f->other.port;
    f->other = (struct server){0};
    server_start(&f->other, f->base, port);
    int64_t until = clock_now_us() + PATIENCE_US;
    while (f->other.posts == 0 && clock_now_us() < until) {
        ask(f, "a", 0);
        run_for(f, 10 * MS_US);
    }
    assert_true(f->other.posts > 0);
}

/* Its partition may have been lost since it was asked for. */
static void what_is_not_wanted_any_more_is_not_taken_elsewhere(void **state)
{
    struct fixture *f = *state;
    f->config.probe_interval_ms = 600000; /* nothing but the requests finds out */
    fixture_add_other(f);
    fixture_open(f, NULL);
    for (int i = 0; i < 2; i++) /* to each of the two in turn */
        assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
    server_stop(&f->other);
    f->unwanted = true;
    unsigned unsent = 0;
    for (int i = 0; i < 2; i++)
        unsent += ask(f, "a", 0).class == ANSWER_RETRY;
    assert_int_equal(unsent, 1);
    assert_int_equal(f->server.posts, 2);
    assert_int_equal(thingworx_count(f->tw).moved, 0);
    assert_int_equal(thingworx_count(f->tw).in_flight, 0);
}

static void what_is_not_ready_is_avoided(void **state)
{
    struct fixture *f = *state;
    fixture_add_other(f);
    f->other.ready_status = 503; /* set offline in ThingWorx: still answers */
    f->config.probe_interval_ms = 100;
    fixture_open(f, NULL);
    WAIT_UNTIL(f, f->server.probes > 1 && f->other.probes > 1); /* the first have been read */
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(f, "a", 0).endpoint, 0);
    server_stop(&f->server); /* better than nothing */
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(f, "a", 0).class, ANSWER_ACCEPTED);
}

/* One turn of curl begins all of them, and the process is stopped after the first. */
static void of_many_none_is_sent_after_a_stop(void **state)
{
    enum { MANY = 4 };
    struct fixture *f = *state;
    struct thingworx_handlers handlers = fixture_handlers(f);
    handlers.steady = steady_for_a_while;
    f->steady_asks = UINT_MAX;
    f->tw = thingworx_open(f->base, NULL, &f->config, handlers);
    struct answer a[MANY] = {{0}};
    f->server.hang = true; /* so that there is a connection for each */
    for (int i = 0; i < MANY; i++)
        assert_true(post(f, "a", 0, &a[i]));
    WAIT_UNTIL(f, f->server.held_count == MANY && f->server.probes > 0);
    for (int i = 0; i < MANY; i++)
        evhttp_send_reply(f->server.held[i], 200, "x", NULL);
    f->server.hang = false;
    for (int i = 0; i < MANY; i++)
        WAIT_UNTIL(f, a[i].count == 1);

    for (int i = 0; i < MANY; i++)
        assert_true(post(f, "a", 0, &a[i]));
    f->steady_asks = 2; /* the turn, and its first request */
    run_for(f, 200 * MS_US);
    assert_int_equal(f->server.posts, MANY + 1);
    f->steady_asks = UINT_MAX;
    thingworx_cancel(f->tw);
    assert_int_equal(ask(f, "b", 0).class, ANSWER_ACCEPTED);
    assert_int_equal(f->server.posts, MANY + 2);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(a[i].count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(unavailable_is_retried),
        CASE(throttling_holds_everything_back),
        CASE(a_refused_key_pauses_until_replaced),
        CASE(a_login_page_pauses),
        CASE(an_application_key_that_is_repeated_is_not_given_on),
        CASE(a_platform_that_starts_refuses_nothing_for_good),
        CASE(one_refused_thing_is_found),
        CASE(the_next_refusal_of_a_known_thing_is_confirmed_at_once),
        CASE(a_403_for_everybody_pauses),
        CASE(a_new_thing_has_time_to_appear),
        CASE(silence_is_a_failure),
        CASE(a_refused_connection_opens_the_breaker),
        CASE(a_dead_base_url_is_left_at_once),
        CASE(what_is_not_wanted_any_more_is_not_taken_elsewhere),
        CASE(what_is_not_ready_is_avoided),
        CASE(of_many_none_is_sent_after_a_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
