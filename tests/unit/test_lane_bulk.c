/* Many Things in one request: the body, what the service answers, and what becomes of the rows. */
#include "lane_fixture.h"

#include "core/bulk_answer.h"
#include "core/bulk_body.h"

/* Takes the Thing whose turn it is into the body at hand. */
static struct lane *take_more(const char *thing, uint32_t max_rows, uint32_t expected)
{
    struct lane *lane = lanes_next(lanes, 0);
    assert_non_null(lane);
    assert_true(slice_equal(lane_thing(lane), slice_from(thing)));
    assert_int_equal(lane_take_bulk(lane, &body, max_rows), expected);
    return lane;
}

static void begin(void)
{
    buffer_clear(&body);
    bulk_body_begin(&body);
}

#define SHAPE(name, type)                                                                          \
    "\"" name "\":{\"name\":\"" name "\",\"description\":\"\",\"baseType\":\"" type                \
    "\",\"ordinal\":0,\"aspects\":{}}"

static void rows_carry_their_things(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1,\"b\":true}");
    push("say \"u\"", &red, 2, "{\"c\":\"x\"}");
    begin();
    struct lane *first = take_more("t", 10, 2);
    struct lane *second = take_more("say \"u\"", 8, 1);
    bulk_body_end(&body);
    assert_string_equal(
        buffer_text(&body),
        "{\"values\":{\"dataShape\":{\"fieldDefinitions\":{" SHAPE("thing", "THINGNAME") "," SHAPE(
            "name",
            "STRING") "," SHAPE("time",
                                "DATETIME") "," SHAPE("value",
                                                      "VARIANT") "," SHAPE("quality",
                                                                           "STRING") "}},\"rows\":["
                                                                                     "{\"thing\":"
                                                                                     "\"t\","
                                                                                     "\"name\":"
                                                                                     "\"a\","
                                                                                     "\"time\":7,"
                                                                                     "\"quality\":"
                                                                                     "\"GOOD\","
                                                                                     "\"value\":{"
                                                                                     "\"value\":1,"
                                                                                     "\"baseType\":"
                                                                                     "\"NUMBER\"}},"
                                                                                     "{\"thing\":"
                                                                                     "\"t\","
                                                                                     "\"name\":"
                                                                                     "\"b\","
                                                                                     "\"time\":7,"
                                                                                     "\"quality\":"
                                                                                     "\"GOOD\","
                                                                                     "\"value\":{"
                                                                                     "\"value\":"
                                                                                     "true,"
                                                                                     "\"baseType\":"
                                                                                     "\"BOOLEAN\"}}"
                                                                                     ","
                                                                                     "{\"thing\":"
                                                                                     "\"say "
                                                                                     "\\\"u\\\"\","
                                                                                     "\"name\":"
                                                                                     "\"c\","
                                                                                     "\"time\":7,"
                                                                                     "\"quality\":"
                                                                                     "\"GOOD\","
                                                                                     "\"value\":{"
                                                                                     "\"value\":"
                                                                                     "\"x\","
                                                                                     "\"baseType\":"
                                                                                     "\"STRING\"}}]"
                                                                                     "}}");
    assert_null(lanes_next(lanes, 0)); /* both are on the wire */
    answer(first, LANE_ACCEPTED);
    answer(second, LANE_ACCEPTED);
    check_seen("done 1; done 2; ");
    check_empty();
}

static void limits_hold(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1,\"b\":2,\"c\":3}");
    begin();
    struct lane *lane = take_more("t", 2, 2);
    answer(lane, LANE_ACCEPTED);
    check_seen("");
    begin();
    answer(take_more("t", 2, 1), LANE_ACCEPTED);
    check_seen("done 1; ");
    /* bytes: what does not fit stays first in turn, but a first row always goes */
    open_lanes(1000, 600);
    push("t", &red, 1, "{\"a\":1}");
    push("u", &red, 2, "{\"a\":1}");
    begin();
    struct lane *t = take_more("t", 10, 1);
    (void)take_more("u", 10, 0);
    answer(t, LANE_ACCEPTED);
    begin();
    answer(take_more("u", 10, 1), LANE_ACCEPTED);
    check_seen("done 1; done 2; ");
    check_empty();
}

static void refused_rows_leave_the_others_alone(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1,\"b\":2}");
    push("t", &red, 2, "{\"a\":3}");
    push("t", &blue, 3, "{\"b\":4,\"c\":5}");
    begin();
    struct lane *lane = take_more("t", 10, 5);
    struct lane_refusal refusals[] = {{1, "odd"}, {3, "bad"}};
    lane_answer_rows(lanes, lane, refusals, 2, 0);
    check_seen("b of 1 refused (odd); b of 3 refused (bad); done 2; ");
    lanes_row_done(lanes, refused_parcels[1]);
    lanes_row_done(lanes, refused_parcels[0]);
    check_seen("done 3; done 1; ");
    check_empty();
}

static void a_doubted_row_goes_alone_and_in_order(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1,\"b\":2,\"c\":3}");
    push("t", &red, 2, "{\"a\":4}");
    begin();
    struct lane *lane = take_more("t", 3, 3);
    assert_false(lane_goes_alone(lane));
    lane_accept_first(lane, 1);
    lane_answer(lanes, lane, LANE_UNPROVEN, 0, NULL, 5);
    lane = lanes_next(lanes, 10);
    assert_true(lane_goes_alone(lane));
    assert_int_equal(lane_refused_since(lane), 5);
    lane = take("t", 10, "2 3"); /* the very rows */
    answer(lane, LANE_SUSPECT);
    answer(take("t", 10, "2"), LANE_SUSPECT);
    check_seen("b of 1 refused (why); ");
    answer(take("t", 10, "3"), LANE_ACCEPTED);
    assert_false(lane_goes_alone(lanes_next(lanes, 10)));
    begin();
    answer(take_more("t", 10, 1), LANE_ACCEPTED);
    check_seen("done 2; ");
    lanes_row_done(lanes, refused_parcels[0]);
    check_seen("done 1; ");
    check_empty();
}

static void a_retry_joins_the_others_again(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1}");
    begin();
    struct lane *lane = take_more("t", 10, 1);
    lane_answer(lanes, lane, LANE_RETRY, 0, NULL, 0);
    push("t", &red, 2, "{\"a\":2}");
    lane = lanes_next(lanes, 0);
    assert_false(lane_goes_alone(lane));
    assert_int_equal(lane_attempts(lane), 1);
    begin();
    answer(take_more("t", 10, 2), LANE_ACCEPTED);
    check_seen("done 1; done 2; ");
    check_empty();
}

static void an_abandoned_partition_completes_to_nobody(void **state)
{
    (void)state;
    push("t", &red, 1, "{\"a\":1,\"b\":2}");
    push("t", &blue, 2, "{\"a\":3}");
    begin();
    struct lane *lane = take_more("t", 10, 3);
    lanes_abandon(lanes, &red);
    struct lane_refusal refusals[] = {{0, "odd"}, {2, "bad"}};
    lane_answer_rows(lanes, lane, refusals, 2, 0);
    check_seen("a of 2 refused (bad); ");
    lanes_row_done(lanes, refused_parcels[0]);
    check_seen("done 2; ");
    check_empty();
}

static bool read_answer(struct bulk_answer *a, const char *text, uint32_t sent)
{
    return bulk_answer_read(a, slice_from(text), sent);
}

static void answers_are_read(void **state)
{
    (void)state;
    struct bulk_answer a = {0};
    assert_true(read_answer(&a, "{\"dataShape\":{\"fieldDefinitions\":{}},\"rows\":[]}", 0));
    assert_int_equal(a.count, 0);
    assert_true(read_answer(&a,
                            " {\"rows\": [{\"row\":2.0,\"missing\":true,\"reason\":\"n\\\"o\"},"
                            "{\"thing\":\"t\",\"row\":0,\"missing\":false}],\"x\":1} ",
                            3));
    assert_int_equal(a.count, 2);
    assert_int_equal(a.refusals[0].row, 0);
    assert_false(a.refusals[0].missing);
    assert_int_equal(a.refusals[1].row, 2);
    assert_true(a.refusals[1].missing);
    assert_true(slice_equal(a.refusals[1].reason, SLICE_LITERAL("n\\\"o")));
    bulk_answer_free(&a);
}

static void other_answers_are_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "OK",
        "{}",
        "[]",
        "{\"x\":1}",
        "{\"rows\":{}}",
        "{\"rows\":[1]}",
        "{\"rows\":[{}]}",
        "{\"rows\":[{\"row\":3}]}",
        "{\"rows\":[{\"row\":-1}]}",
        "{\"rows\":[{\"row\":0.5}]}",
        "{\"rows\":[{\"row\":\"0\"}]}",
        "{\"rows\":[{\"row\":99999999999999999999}]}",
        "{\"rows\":[{\"row\":1},{\"row\":1}]}",
        "{\"rows\":[{\"row\":0},{\"row\":1},{\"row\":2},{\"row\":0}]}",
        "{\"rows\":[],\"rows\":[]}",
        "{\"rows\":[]} x",
        "{\"rows\":[{\"row\":0}",
        "{\"rows\":[{\"row\":0}]",
        "{\"rows\" []}",
    };
    struct bulk_answer a = {0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(read_answer(&a, texts[i], 3));
        assert_non_null(a.why);
    }
    bulk_answer_free(&a);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rows_carry_their_things),
        TEST(limits_hold),
        TEST(refused_rows_leave_the_others_alone),
        TEST(a_doubted_row_goes_alone_and_in_order),
        TEST(a_retry_joins_the_others_again),
        TEST(an_abandoned_partition_completes_to_nobody),
        TEST(answers_are_read),
        TEST(other_answers_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
