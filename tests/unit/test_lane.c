/* Lanes, parcels and the bodies they write. */
#include "core/row_write.h"
#include "lane_fixture.h"

static void a_parcel_knows_its_rows(void **state)
{
    (void)state;
    struct translate_rules rules = {.time_member = {NULL, 0}};
    struct error why;
    static const char json[] = "{\"a\":1,\"b\\\"c\\\\\":\"x\",\"d\":[]}";
    assert_true(translate(slice_from(json), 7, &rules, &rows, &why));
    struct parcel_origin origin = {
        .partition = &red,
        .ticket = 1,
        .sequence = 2,
        .enqueued_ms = 3,
        .offset = SLICE_LITERAL("off"),
        .device = SLICE_LITERAL("dev"),
        .module = SLICE_LITERAL("mod"),
        .body = slice_from(json),
    };
    struct parcel *parcel = parcel_create(&rows, &origin);
    assert_int_equal(parcel->row_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        buffer_clear(&body);
        assert_true(parcel_row(parcel, i, &body));
        assert_true(slice_equal(buffer_slice(&body), rows_row(&rows, i)));
    }
    assert_true(slice_equal(parcel_text(parcel, 0, 3), buffer_slice(&rows.text)));
    assert_true(slice_equal(parcel_property(parcel, 0), SLICE_LITERAL("a")));
    assert_true(slice_equal(parcel_property(parcel, 1), SLICE_LITERAL("b\\\"c\\\\")));
    assert_true(slice_equal(parcel_property(parcel, 2), SLICE_LITERAL("d")));
    assert_true(slice_equal(parcel->offset, origin.offset));
    assert_true(slice_equal(parcel->device, origin.device));
    assert_true(slice_equal(parcel->module, origin.module));
    assert_true(slice_equal(parcel->body, origin.body));
    parcel_free(parcel);
    assert_true(translate(SLICE_LITERAL("{}"), 7, &rules, &rows, &why));
    parcel = parcel_create(&rows, &(struct parcel_origin){.partition = &red});
    assert_int_equal(parcel->row_count, 0);
    parcel_free(parcel);
}

static void the_body_is_an_infotable(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1}");
    push("t", &red, 2, "{\"b\":\"x\"}");
    answer(take("t", 0, "1 \"x\""), LANE_ACCEPTED);
    assert_string_equal(
        buffer_text(&body),
        "{\"values\":{\"dataShape\":{\"fieldDefinitions\":{"
        "\"name\":{\"name\":\"name\",\"description\":\"Property name\",\"baseType\":\"STRING\","
        "\"ordinal\":0,\"aspects\":{\"isPrimaryKey\":true}},"
        "\"time\":{\"name\":\"time\",\"description\":\"time\",\"baseType\":\"DATETIME\","
        "\"ordinal\":0,\"aspects\":{}},"
        "\"value\":{\"name\":\"value\",\"description\":\"value\",\"baseType\":\"VARIANT\","
        "\"ordinal\":0,\"aspects\":{}},"
        "\"quality\":{\"name\":\"quality\",\"description\":\"quality\",\"baseType\":\"STRING\","
        "\"ordinal\":0,\"aspects\":{}}}},\"rows\":["
        "{\"name\":\"a\",\"time\":7,\"quality\":\"GOOD\",\"value\":{\"value\":1,"
        "\"baseType\":\"NUMBER\"}},"
        "{\"name\":\"b\",\"time\":7,\"quality\":\"GOOD\",\"value\":{\"value\":\"x\","
        "\"baseType\":\"STRING\"}}]}}");
    check_seen("done 1; done 2; ");
    check_empty();
}

static void one_request_per_thing_and_what_piles_up_goes_together(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1,\"b\":2}");
    struct lane *lane = take("t", 0, "1 2");
    push("t", &red, 2, "{\"a\":3}");
    push("t", &red, 3, "{\"a\":4}");
    assert_null(lanes_next(lanes, 0));
    assert_int_equal(lanes_counts(lanes).on_the_wire, 1);
    assert_int_equal(lanes_counts(lanes).rows, 4);
    assert_int_equal(lanes_pending(lanes, &red), 3);
    answer(lane, LANE_ACCEPTED);
    check_seen("done 1; ");
    answer(take("t", 0, "3 4"), LANE_ACCEPTED);
    check_seen("done 2; done 3; ");
    assert_int_equal(lanes_pending(lanes, &red), 0);
    check_empty();
}

static void things_take_turns(void **state)
{
    (void)state;
    push("a", &red, 1, "{\"x\":1}");
    push("b", &blue, 2, "{\"x\":2}");
    push("c", &red, 3, "{\"x\":3}");
    push("a", &red, 4, "{\"x\":4}");
    /* It stays its turn until it is taken. */
    assert_ptr_equal(lanes_next(lanes, 0), lanes_next(lanes, 0));
    struct lane *a = take("a", 0, "1 4");
    push("a", &red, 5, "{\"x\":5}");
    answer(a, LANE_ACCEPTED);
    struct lane *b = take("b", 0, "2");
    struct lane *c = take("c", 0, "3");
    a = take("a", 0, "5");
    assert_null(lanes_next(lanes, 0));
    answer(c, LANE_ACCEPTED);
    answer(a, LANE_ACCEPTED);
    answer(b, LANE_ACCEPTED);
    check_seen("done 1; done 4; done 3; done 5; done 2; ");
    check_empty();
}

static void a_key_is_as_good_as_a_name(void **state)
{
    (void)state;
    char name[32];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 500; i++) {
            (void)snprintf(name, sizeof name, "thing-%d", i);
            struct lane_key key = lane_key(slice_from(name));
            lanes_push_keyed(lanes, &key, parcel_of(&red, i, "{\"a\":1}"));
        }
    assert_int_equal(lanes_counts(lanes).lanes, 500);
    assert_int_equal(lanes_counts(lanes).parcels, 1000);
}

static void two_things_may_have_one_hash(void **state)
{
    (void)state;
    struct lane_key x = {SLICE_LITERAL("x"), 7}, y = {SLICE_LITERAL("y"), 7};
    lanes_push_keyed(lanes, &x, parcel_of(&red, 1, "{\"a\":1}"));
    lanes_push_keyed(lanes, &y, parcel_of(&red, 2, "{\"a\":2}"));
    lanes_push_keyed(lanes, &x, parcel_of(&red, 3, "{\"a\":3}"));
    answer(take("x", 0, "1 3"), LANE_ACCEPTED);
    lanes_push_keyed(lanes, &y, parcel_of(&red, 4, "{\"a\":4}"));
    answer(take("y", 0, "2 4"), LANE_ACCEPTED);
    check_seen("done 1; done 3; done 2; done 4; ");
    check_empty();
}

/* Lanes are used again, and one with a long name is not. */
static void names_of_every_length(void **state)
{
    (void)state;
    char name[200];
    for (int round = 0; round < 2; round++)
        for (size_t n = 1; n < sizeof name; n += 9) {
            memset(name, 'a' + round, n);
            name[n] = '\0';
            push(name, &red, (int64_t)n, "{\"a\":1}");
            lanes_expect(lanes, &(struct lane_key){{name, n}, 1});
            lanes_expect_soon(lanes, &(struct lane_key){{name, n}, 1});
            answer(take(name, 0, "1"), LANE_ACCEPTED);
            check_empty();
        }
}

static void requests_have_limits(void **state)
{
    (void)state;
    open_lanes(3, 1 << 20);
    push("t", &red, 1, "{\"a\":1,\"b\":2}");
    push("t", &red, 2, "{\"a\":3,\"b\":4,\"c\":5,\"d\":6}");
    push("t", &red, 3, "{\"a\":7}");
    answer(take("t", 0, "1 2 3"), LANE_ACCEPTED);
    check_seen("done 1; ");
    lanes_set_limits(lanes, &(struct lane_limits){0, 1 << 20});
    answer(take("t", 0, "4"), LANE_ACCEPTED);
    lanes_set_limits(lanes, &(struct lane_limits){100, body.n - 1});
    /* Not even one row fits: it goes alone. */
    answer(take("t", 0, "5"), LANE_ACCEPTED);
    size_t single = body.n;
    size_t row = strlen("{\"name\":\"a\",\"time\":7,\"quality\":\"GOOD\",\"value\":{\"value\":7,"
                        "\"baseType\":\"NUMBER\"}}");
    lanes_set_limits(lanes, &(struct lane_limits){100, single + row});
    answer(take("t", 0, "6"), LANE_ACCEPTED);
    push("t", &red, 4, "{\"a\":8,\"b\":9}");
    push("t", &red, 5, "{\"a\":1,\"b\":2}");
    lanes_set_limits(lanes, &(struct lane_limits){100, single + row + 1});
    answer(take("t", 0, "7 8"), LANE_ACCEPTED);
    assert_int_equal(body.n, single + row + 1);
    lanes_set_limits(lanes, &(struct lane_limits){100, single + 2 * row + 1});
    answer(take("t", 0, "9 1"), LANE_ACCEPTED);
    lanes_set_limits(lanes, &(struct lane_limits){100, 0});
    answer(take("t", 0, "2"), LANE_ACCEPTED);
    check_seen("done 2; done 3; done 4; done 5; ");
    assert_true(lanes_body_ceiling(lanes) >= TRANSLATE_TEXT_MAX);
    lanes_set_limits(lanes, &(struct lane_limits){100, TRANSLATE_TEXT_MAX * 2});
    assert_int_equal(lanes_body_ceiling(lanes), TRANSLATE_TEXT_MAX * 2 + ROW_SPILL);
    check_empty();
}

static void a_retry_sends_the_same_rows_when_due(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1}");
    struct lane *lane = take("t", 0, "1");
    assert_int_equal(lane_attempts(lane), 0);
    push("t", &red, 2, "{\"a\":2}");
    lane_answer(lanes, lane, LANE_RETRY, 100, NULL, 10);
    assert_int_equal(lanes_counts(lanes).waiting, 1);
    assert_int_equal(lanes_wakeup_at(lanes), 100);
    assert_null(lanes_next(lanes, 99));
    lane = take("t", 100, "1");
    assert_int_equal(lanes_wakeup_at(lanes), INT64_MAX);
    assert_int_equal(lane_attempts(lane), 1);
    assert_int_equal(lane_refused_since(lane), 0);
    lane_answer(lanes, lane, LANE_UNPROVEN, 200, NULL, 110);
    lane = take("t", 200, "1");
    assert_int_equal(lane_attempts(lane), 2);
    assert_int_equal(lane_refused_since(lane), 110);
    lane_answer(lanes, lane, LANE_UNPROVEN, 200, NULL, 210);
    lane = take("t", 210, "1");
    assert_int_equal(lane_refused_since(lane), 110);
    /* Anything else in between, and the proof begins anew. */
    lane_answer(lanes, lane, LANE_RETRY, 0, NULL, 220);
    lane = take("t", 220, "1");
    assert_int_equal(lane_refused_since(lane), 0);
    lane_answer(lanes, lane, LANE_UNPROVEN, 0, NULL, 230);
    lane = take("t", 230, "1");
    answer(lane, LANE_ACCEPTED);
    lane = take("t", 230, "2");
    assert_int_equal(lane_attempts(lane), 0);
    assert_int_equal(lane_refused_since(lane), 0);
    answer(lane, LANE_ACCEPTED);
    check_seen("done 1; done 2; ");
    check_empty();
}

static void who_is_due_first_goes_first(void **state)
{
    (void)state;
    static const char *const things[] = {"a", "b", "c", "d"};
    static const int64_t due[] = {400, 100, 300, 200};
    struct lane *taken[4];
    for (int i = 0; i < 4; i++)
        push(things[i], &red, i, "{\"x\":1}");
    for (int i = 0; i < 4; i++)
        taken[i] = take(things[i], 0, "1");
    for (int i = 0; i < 4; i++)
        lane_answer(lanes, taken[i], LANE_RETRY, due[i], NULL, 0);
    assert_int_equal(lanes_wakeup_at(lanes), 100);
    (void)take("b", 100, "1");
    assert_int_equal(lanes_wakeup_at(lanes), 200);
    (void)take("d", 350, "1");
    (void)take("c", 350, "1");
    assert_null(lanes_next(lanes, 350));
    /* A waiting lane can be emptied. */
    assert_int_equal(lanes_wakeup_at(lanes), 400);
    lanes_abandon(lanes, &red);
    assert_int_equal(lanes_wakeup_at(lanes), INT64_MAX);
}

static void a_refused_batch_is_bisected(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1,\"b\":2}");
    push("t", &red, 2, "{\"a\":3,\"bad\":4}");
    push("t", &red, 3, "{\"a\":5}");
    struct lane *lane = take("t", 0, "1 2 3 4 5");
    push("t", &red, 4, "{\"a\":6}");
    answer(lane, LANE_SUSPECT);
    answer(take("t", 0, "1 2"), LANE_ACCEPTED);
    check_seen("done 1; ");
    answer(take("t", 0, "3"), LANE_ACCEPTED);
    answer(take("t", 0, "4"), LANE_SUSPECT);
    check_seen("bad of 2 refused (why); ");
    assert_int_equal(lanes_pending(lanes, &red), 3);
    /* The rest goes on while the row is on its way to the dead letters. */
    answer(take("t", 0, "5"), LANE_ACCEPTED);
    answer(take("t", 0, "6"), LANE_ACCEPTED);
    check_seen("done 3; done 4; ");
    assert_int_equal(lanes_pending(lanes, &red), 1);
    lanes_row_done(lanes, refused_parcels[0]);
    check_seen("done 2; ");
    check_empty();
}

static void a_row_done_early_does_not_end_its_parcel(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"bad\":1,\"worse\":2,\"a\":3}");
    answer(take("t", 0, "1 2 3"), LANE_SUSPECT);
    answer(take("t", 0, "1"), LANE_SUSPECT);
    lanes_row_done(lanes, refused_parcels[0]);
    check_seen("bad of 1 refused (why); ");
    answer(take("t", 0, "2 3"), LANE_SUSPECT);
    answer(take("t", 0, "2"), LANE_SUSPECT);
    answer(take("t", 0, "3"), LANE_ACCEPTED);
    check_seen("worse of 1 refused (why); ");
    lanes_row_done(lanes, refused_parcels[1]);
    check_seen("done 1; ");
    check_empty();
}

static void a_property_once_refused_goes_alone(void **state)
{
    (void)state;
    for (int i = 1; i <= 5; i++)
        push("t", &red, i, "{\"a\":1,\"bad\":2,\"b\":3}");
    answer(take("t", 0, "1 2 3 1 2 3 1 2 3 1 2 3 1 2 3"), LANE_SUSPECT);
    answer(take("t", 0, "1 2 3 1 2 3 1"), LANE_SUSPECT);
    answer(take("t", 0, "1 2 3"), LANE_SUSPECT);
    answer(take("t", 0, "1"), LANE_ACCEPTED);
    answer(take("t", 0, "2"), LANE_SUSPECT);
    answer(take("t", 0, "3 1"), LANE_ACCEPTED);
    answer(take("t", 0, "2"), LANE_SUSPECT);
    answer(take("t", 0, "3 1"), LANE_ACCEPTED);
    /* It exists now. */
    answer(take("t", 0, "2"), LANE_ACCEPTED);
    answer(take("t", 0, "3 1 2 3 1 2 3"), LANE_ACCEPTED);
    check_seen("bad of 1 refused (why); bad of 2 refused (why); done 3; done 4; done 5; ");
    lanes_row_done(lanes, refused_parcels[1]);
    lanes_row_done(lanes, refused_parcels[0]);
    check_seen("done 2; done 1; ");
    check_empty();
}

/* One request finds out, one is sent when it is proven, and one for what came meanwhile: not one
 * for each row. */
static void a_missing_thing_costs_no_request_per_row(void **state)
{
    (void)state;
    int requests = 0;
    push("t", &red, 1, "{\"a\":1,\"b\":2,\"c\":3}");
    push("t", &red, 2, "{\"a\":4,\"b\":5}");
    answer(take("t", 0, "1 2 3 4 5"), LANE_UNPROVEN);
    requests++;
    push("t", &red, 3, "{\"a\":6,\"b\":7}");
    lane_answer_missing(lanes, take("t", 0, "1 2 3 4 5"), "gone", 0);
    requests++;
    check_seen("a of 1 refused (gone); b of 1 refused (gone); c of 1 refused (gone); "
               "a of 2 refused (gone); b of 2 refused (gone); ");
    lane_answer_missing(lanes, take("t", 0, "6 7"), "gone", 0);
    requests++;
    check_seen("a of 3 refused (gone); b of 3 refused (gone); ");
    assert_int_equal(requests, 3);
    assert_int_equal(lanes_pending(lanes, &red), 3);
    for (size_t i = 0; i < refused_count; i++)
        lanes_row_done(lanes, refused_parcels[i]);
    check_seen("done 1; done 2; done 3; ");
    check_empty();
}

static enum lane_verdict judge(const struct lane *lane, bool confirmed, bool proven, bool missing)
{
    struct lane_suspicion suspicion = {confirmed, proven, missing};
    return lane_judge(lane, &suspicion);
}

/* What is given up for good was refused itself before, or is known to be refused: a platform may
 * begin to refuse everything at any time. */
static void nothing_is_given_up_at_the_first_refusal(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"bad\":1,\"good\":2}");
    struct lane *lane = take("t", 0, "1 2");
    assert_int_equal(judge(lane, false, false, false), LANE_UNPROVEN);
    assert_int_equal(judge(lane, true, false, false),
                     LANE_SUSPECT); /* looks for the one to blame */
    assert_int_equal(judge(lane, true, false, true), LANE_UNPROVEN);
    assert_int_equal(judge(lane, true, true, true), LANE_SUSPECT);
    answer(lane, LANE_SUSPECT);
    lane = take("t", 0, "1");
    assert_int_equal(judge(lane, true, false, false), LANE_UNPROVEN);
    assert_int_equal(judge(lane, true, true, false), LANE_SUSPECT);
    answer(lane, LANE_SUSPECT);
    answer(take("t", 0, "2"), LANE_ACCEPTED);
    lanes_row_done(lanes, refused_parcels[0]);
    check_empty();
    /* The lane is gone, what is known of the Thing is not: the one goes alone, and is expected. */
    push("t", &red, 2, "{\"good\":3,\"bad\":4}");
    lane = take("t", 0, "3");
    assert_int_equal(judge(lane, true, false, false), LANE_UNPROVEN);
    answer(lane, LANE_ACCEPTED);
    lane = take("t", 0, "4");
    assert_int_equal(judge(lane, false, false, false), LANE_UNPROVEN);
    assert_int_equal(judge(lane, true, false, false), LANE_SUSPECT);
    assert_int_equal(judge(lane, true, false, true), LANE_UNPROVEN);
    answer(lane, LANE_ACCEPTED); /* somebody has made the property */
    push("t", &red, 3, "{\"bad\":5}");
    lane = take("t", 0, "5");
    assert_int_equal(judge(lane, true, false, false), LANE_UNPROVEN);
    answer(lane, LANE_ACCEPTED);
    check_empty();
}

static void a_missing_thing_is_known_until_it_is_there(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1}");
    lane_answer_missing(lanes, take("t", 0, "1"), "gone", 0);
    lanes_row_done(lanes, refused_parcels[0]);
    push("t", &red, 2, "{\"a\":2,\"b\":3}");
    struct lane *lane = take("t", 0, "2 3");
    assert_int_equal(judge(lane, false, false, true), LANE_UNPROVEN);
    assert_int_equal(judge(lane, true, false, true), LANE_SUSPECT);
    answer(lane, LANE_ACCEPTED);
    push("t", &red, 3, "{\"a\":4}");
    lane = take("t", 0, "4");
    assert_int_equal(judge(lane, true, false, true), LANE_UNPROVEN);
    answer(lane, LANE_ACCEPTED);
    check_empty();
}

/* A Thing that goes while a poison row of it is looked for: the search is over, and no property is
 * to blame. */
static void a_thing_that_goes_while_bisecting(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}");
    answer(take("t", 0, "1 2 3 4"), LANE_SUSPECT);
    lane_answer_missing(lanes, take("t", 0, "1 2"), "gone", 0);
    check_seen("a of 1 refused (gone); b of 1 refused (gone); ");
    answer(take("t", 0, "3"), LANE_ACCEPTED);
    answer(take("t", 0, "4"), LANE_ACCEPTED);
    push("t", &red, 2, "{\"a\":5,\"b\":6}");
    answer(take("t", 0, "5 6"), LANE_ACCEPTED);
    check_seen("done 2; ");
    lanes_row_done(lanes, refused_parcels[0]);
    lanes_row_done(lanes, refused_parcels[1]);
    check_seen("done 1; ");
    check_empty();
}

/* Its partition is lost meanwhile: nobody is told of its rows, and nothing leaks. */
static void a_missing_thing_of_a_lost_partition(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1,\"b\":2}");
    push("t", &blue, 2, "{\"a\":3}");
    struct lane *lane = take("t", 0, "1 2 3");
    lanes_abandon(lanes, &red);
    lane_answer_missing(lanes, lane, "gone", 0);
    check_seen("a of 2 refused (gone); ");
    lanes_row_done(lanes, refused_parcels[0]);
    check_seen("done 2; ");
    check_empty();
}

static void a_retry_while_bisecting_loses_nothing(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}");
    answer(take("t", 0, "1 2 3 4"), LANE_SUSPECT);
    answer(take("t", 0, "1 2"), LANE_RETRY);
    answer(take("t", 0, "1 2"), LANE_UNPROVEN);
    answer(take("t", 0, "1 2"), LANE_ACCEPTED);
    answer(take("t", 0, "3"), LANE_ACCEPTED);
    answer(take("t", 0, "4"), LANE_ACCEPTED);
    check_seen("done 1; ");
    check_empty();
}

static void a_body_too_large_is_halved(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}");
    push("u", &red, 2, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}");
    lane_answer(lanes, take("t", 0, "1 2 3 4 5"), LANE_SPLIT, 50, NULL, 0);
    /* The way is as narrow for the other Things. */
    struct lane *other = lanes_next(lanes, 0);
    buffer_clear(&body);
    assert_true(lane_take(other, &body) < 5);
    lane_answer(lanes, other, LANE_RETRY, 1000, NULL, 0);
    answer(take("t", 50, "1"), LANE_SPLIT);
    check_seen("a of 1 too_large (why); ");
    lanes_row_done(lanes, refused_parcels[0]);
    uint32_t left = 4;
    while (left > 0) {
        struct lane *lane = lanes_next(lanes, 50);
        buffer_clear(&body);
        left -= lane_take(lane, &body);
        answer(lane, LANE_ACCEPTED);
    }
    check_seen("done 1; ");
    /* Large bodies that are taken widen the way again. */
    uint32_t widest = 0;
    for (int64_t i = 3; i < 3000 && widest < 5; i++) {
        push("v", &red, i, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}");
        for (left = 5; left > 0;) {
            struct lane *lane = lanes_next(lanes, 50);
            buffer_clear(&body);
            uint32_t n = lane_take(lane, &body);
            widest = n > widest ? n : widest;
            left -= n;
            answer(lane, LANE_ACCEPTED);
        }
        seen[0] = '\0';
    }
    assert_int_equal(widest, 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(a_parcel_knows_its_rows),
        TEST(the_body_is_an_infotable),
        TEST(one_request_per_thing_and_what_piles_up_goes_together),
        TEST(things_take_turns),
        TEST(a_key_is_as_good_as_a_name),
        TEST(two_things_may_have_one_hash),
        TEST(names_of_every_length),
        TEST(requests_have_limits),
        TEST(a_retry_sends_the_same_rows_when_due),
        TEST(who_is_due_first_goes_first),
        TEST(a_refused_batch_is_bisected),
        TEST(a_row_done_early_does_not_end_its_parcel),
        TEST(a_property_once_refused_goes_alone),
        TEST(a_missing_thing_costs_no_request_per_row),
        TEST(nothing_is_given_up_at_the_first_refusal),
        TEST(a_missing_thing_is_known_until_it_is_there),
        TEST(a_thing_that_goes_while_bisecting),
        TEST(a_missing_thing_of_a_lost_partition),
        TEST(a_retry_while_bisecting_loses_nothing),
        TEST(a_body_too_large_is_halved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
