/* lanes, parcels and the bodies they write. */
#include "core/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct lanes *lanes;
static struct rows rows;
static struct buffer body;
static char seen[4096]; /* what the handlers were told, in words */
static struct parcel *refused_parcels[16];
static size_t refused_count;
static char red, blue; /* two partitions */

static void note(const char *format, long long number, const char *reason, const char *detail)
{
    size_t n = strlen(seen);
    (void)snprintf(seen + n, sizeof seen - n, format, number, reason, detail);
}

static void on_completed(void *ctx, struct parcel *parcel)
{
    assert_ptr_equal(ctx, &seen);
    assert_false(parcel->dropped);
    assert_non_null(parcel->partition);
    note("done %lld; ", parcel->sequence, "", "");
}

static void on_refused(void *ctx, struct parcel *parcel, uint32_t row, const char *reason,
                       const char *detail)
{
    assert_ptr_equal(ctx, &seen);
    struct slice property = parcel_property(parcel, row);
    size_t n = strlen(seen);
    (void)snprintf(seen + n, sizeof seen - n, "%.*s of ", (int)property.n, property.p);
    note("%lld %s (%s); ", parcel->sequence, reason, detail);
    refused_parcels[refused_count++] = parcel;
}

static void open_lanes(uint32_t max_rows, size_t max_bytes)
{
    struct lane_handlers handlers = {&seen, on_completed, on_refused};
    lanes_free(lanes);
    lanes = lanes_create(&(struct lane_limits){max_rows, max_bytes}, &handlers);
    seen[0] = '\0';
    refused_count = 0;
}

static int set_up(void **state)
{
    (void)state;
    rows_init(&rows);
    open_lanes(1000, 1 << 20);
    buffer_init(&body, lanes_body_ceiling(lanes));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lanes_free(lanes);
    lanes = NULL;
    rows_free(&rows);
    buffer_free(&body);
    return 0;
}

static struct parcel *parcel_of(void *partition, int64_t sequence, const char *json)
{
    struct translate_rules rules = {.time_member = {NULL, 0}};
    struct error why;
    assert_true(translate(slice_from(json), 7, &rules, &rows, &why));
    struct parcel_origin origin = {.partition = partition, .sequence = sequence};
    return parcel_create(&rows, &origin);
}

static void push(const char *thing, void *partition, int64_t sequence, const char *json)
{
    lanes_push(lanes, slice_from(thing), parcel_of(partition, sequence, json));
}

/* The lane whose turn it is must be the Thing's; takes it and checks the values in the body. */
static struct lane *take(const char *thing, int64_t now, const char *values)
{
    struct lane *lane = lanes_next(lanes, now);
    assert_non_null(lane);
    assert_true(slice_equal(lane_thing(lane), slice_from(thing)));
    buffer_clear(&body);
    uint32_t n = lane_take(lane, &body);
    char found[512] = "";
    uint32_t count = 0;
    static const char mark[] = "\"value\":{\"value\":";
    for (const char *p = buffer_text(&body); (p = strstr(p, mark)) != NULL; count++) {
        p += sizeof mark - 1;
        (void)snprintf(found + strlen(found), sizeof found - strlen(found), "%s%.*s",
                       count ? " " : "", (int)strcspn(p, ","), p);
    }
    assert_string_equal(found, values);
    assert_int_equal(n, count);
    return lane;
}

static void answer(struct lane *lane, enum lane_verdict verdict)
{
    lane_answer(lanes, lane, verdict, 0, "why", 0);
}

static void check_seen(const char *expected)
{
    assert_string_equal(seen, expected);
    seen[0] = '\0';
}

static void check_empty(void)
{
    struct lanes_counts counts = lanes_counts(lanes);
    assert_int_equal(counts.lanes, 0);
    assert_int_equal(counts.parcels, 0);
    assert_int_equal(counts.rows, 0);
    assert_int_equal(counts.bytes, 0);
    assert_int_equal(counts.waiting, 0);
    assert_int_equal(counts.on_the_wire, 0);
    assert_null(lanes_next(lanes, INT64_MAX));
    assert_int_equal(lanes_wakeup_at(lanes), INT64_MAX);
}

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
    for (uint32_t i = 0; i < 3; i++)
        assert_true(slice_equal(parcel_row(parcel, i), rows_row(&rows, i)));
    assert_true(slice_equal(parcel_rows(parcel, 0, 3), buffer_slice(&rows.text)));
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
    push("b", &red, 2, "{\"x\":2}");
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
    assert_int_equal(lanes_body_ceiling(lanes), TRANSLATE_TEXT_MAX * 2);
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
    push("t", &red, 1, "{\"bad\":1,\"a\":2}");
    answer(take("t", 0, "1 2"), LANE_SUSPECT);
    answer(take("t", 0, "1"), LANE_SUSPECT);
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
        TEST(a_parcel_knows_its_rows),
        TEST(the_body_is_an_infotable),
        TEST(one_request_per_thing_and_what_piles_up_goes_together),
        TEST(things_take_turns),
        TEST(a_key_is_as_good_as_a_name),
        TEST(requests_have_limits),
        TEST(a_retry_sends_the_same_rows_when_due),
        TEST(who_is_due_first_goes_first),
        TEST(a_refused_batch_is_bisected),
        TEST(a_row_done_early_does_not_end_its_parcel),
        TEST(a_property_once_refused_goes_alone),
        TEST(a_retry_while_bisecting_loses_nothing),
        TEST(a_body_too_large_is_halved),
        TEST(a_planned_hand_over_finishes_what_was_touched),
        TEST(a_drop_spares_what_was_on_the_wire),
        TEST(a_lost_partition_completes_to_nobody),
        TEST(what_a_lost_partition_had_on_the_wire_is_not_sent_again),
        TEST(refused_rows_of_a_lost_partition_are_waited_for),
        TEST(a_loss_while_bisecting),
        TEST(lanes_can_be_closed_at_any_time),
        TEST(handlers_may_call_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
