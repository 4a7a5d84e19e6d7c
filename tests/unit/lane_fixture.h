#pragma once
/* Lanes with handlers that write down what they are told, for the tests of lanes. */
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

static inline void note(const char *format, long long number, const char *reason,
                        const char *detail)
{
    size_t n = strlen(seen);
    (void)snprintf(seen + n, sizeof seen - n, format, number, reason, detail);
}

static inline void on_completed(void *ctx, struct parcel *parcel)
{
    assert_ptr_equal(ctx, &seen);
    assert_false(parcel->dropped);
    assert_non_null(parcel->partition);
    note("done %lld; ", parcel->sequence, "", "");
}

static inline void on_refused(void *ctx, struct parcel *parcel, uint32_t row, const char *reason,
                              const char *detail)
{
    assert_ptr_equal(ctx, &seen);
    struct slice property = parcel_property(parcel, row);
    size_t n = strlen(seen);
    (void)snprintf(seen + n, sizeof seen - n, "%.*s of ", (int)property.n, property.p);
    note("%lld %s (%s); ", parcel->sequence, reason, detail);
    refused_parcels[refused_count++] = parcel;
}

static inline void open_lanes(uint32_t max_rows, size_t max_bytes)
{
    struct lane_handlers handlers = {&seen, on_completed, on_refused};
    lanes_free(lanes);
    lanes = lanes_create(&(struct lane_limits){max_rows, max_bytes}, &handlers);
    seen[0] = '\0';
    refused_count = 0;
}

static inline int set_up(void **state)
{
    (void)state;
    rows_init(&rows);
    open_lanes(1000, 1 << 20);
    buffer_init(&body, lanes_body_ceiling(lanes));
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    lanes_free(lanes);
    lanes = NULL;
    rows_free(&rows);
    buffer_free(&body);
    return 0;
}

static inline struct parcel *parcel_of(void *partition, int64_t sequence, const char *json)
{
    struct translate_rules rules = {.time_member = {NULL, 0}};
    struct error why;
    assert_true(translate_in_place(slice_from(json), 7, &rules, &rows, &why));
    struct parcel_origin origin = {.partition = partition, .sequence = sequence};
    return parcel_create(&rows, &origin);
}

static inline void push(const char *thing, void *partition, int64_t sequence, const char *json)
{
    lanes_push(lanes, slice_from(thing), parcel_of(partition, sequence, json));
}

/* The lane whose turn it is must be the Thing's; takes it and checks the values in the body. */
static inline struct lane *take(const char *thing, int64_t now, const char *values)
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

static inline void answer(struct lane *lane, enum lane_verdict verdict)
{
    lane_answer(lanes, lane, verdict, 0, "why", 0);
}

static inline void check_seen(const char *expected)
{
    assert_string_equal(seen, expected);
    seen[0] = '\0';
}

static inline void check_empty(void)
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
