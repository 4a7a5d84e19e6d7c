#include "node/delivery.h"

#include "base/memory.h"
#include "core/answer.h"
#include "core/bulk_body.h"

#include <stdlib.h>
#include <utlist.h>

enum {
    BODIES_KEPT = 64,
    DETAIL_BYTES = 320,
    /* Beyond what the lanes ask for: a first row of any size goes, with the Thing's name. */
    ROOM_FOR_A_NAME = 64 * 1024
};

/* ---- life ---- */

struct delivery *delivery_new(struct deliveries *all, const struct lanes *lanes)
{
    struct delivery *delivery = all->idle;
    if (delivery != NULL) {
        DL_DELETE(all->idle, delivery);
        all->idle_count--;
    } else {
        delivery = xcalloc(1, sizeof *delivery);
        delivery->owner = all->owner;
    }
    size_t ceiling = lanes_body_ceiling(lanes) + BULK_BODY_FIXED + ROOM_FOR_A_NAME;
    if (delivery->body.ceiling != ceiling) {
        buffer_free(&delivery->body);
        buffer_init(&delivery->body, ceiling);
    }
    buffer_clear(&delivery->body);
    delivery->run_count = 0;
    delivery->rows = 0;
    delivery->bulk = false;
    delivery->job = NULL;
    DL_APPEND(all->busy, delivery);
    return delivery;
}

static void delivery_free(struct delivery *delivery)
{
    buffer_free(&delivery->body);
    free(delivery->runs);
    free(delivery);
}

void delivery_done(struct deliveries *all, struct delivery *delivery)
{
    DL_DELETE(all->busy, delivery);
    if (all->idle_count >= BODIES_KEPT) {
        delivery_free(delivery);
        return;
    }
    DL_PREPEND(all->idle, delivery);
    all->idle_count++;
}

void deliveries_cancelled(struct deliveries *all)
{
    while (all->busy != NULL)
        delivery_done(all, all->busy);
}

void deliveries_free(struct deliveries *all)
{
    struct delivery *delivery, *next;
    deliveries_cancelled(all);
    DL_FOREACH_SAFE(all->idle, delivery, next)
    {
        delivery_free(delivery);
    }
    all->idle = NULL;
    all->idle_count = 0;
}

/* ---- filling ---- */

static void add_run(struct delivery *delivery, struct lane *lane, uint32_t rows)
{
    if (delivery->run_count == delivery->run_capacity) {
        delivery->run_capacity = delivery->run_capacity > 0 ? delivery->run_capacity * 2 : 4;
        delivery->runs = xrealloc(delivery->runs, delivery->run_capacity * sizeof *delivery->runs);
    }
    delivery->runs[delivery->run_count++] = (struct delivery_run){lane, rows};
    delivery->rows += rows;
}

void delivery_fill_alone(struct delivery *delivery, struct lane *lane)
{
    buffer_clear(&delivery->body);
    delivery->bulk = false;
    add_run(delivery, lane, lane_take(lane, &delivery->body));
}

bool delivery_fill_bulk(struct delivery *delivery, struct lanes *lanes, uint32_t max_rows,
                        int64_t now_us)
{
    struct lane *lane;
    bool empty = max_rows == 0;
    delivery->bulk = true;
    bulk_body_begin(&delivery->body);
    while (delivery->rows < max_rows && (lane = lanes_next(lanes, now_us)) != NULL &&
           !lane_goes_alone(lane)) {
        uint32_t n = lane_take_bulk(lane, &delivery->body, max_rows - delivery->rows);
        if (n == 0)
            break;
        add_run(delivery, lane, n);
    }
    bulk_body_end(&delivery->body);
    return empty || delivery->rows > 0;
}

/* ---- answers ---- */

bool delivery_is_wanted(const struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->run_count; i++)
        if (!lane_is_wanted(delivery->runs[i].lane))
            return false;
    return true;
}

void delivery_answer(struct delivery *delivery, struct lanes *lanes,
                     const struct delivery_verdict *verdict, delivery_retry retry, void *ctx,
                     int64_t now_us)
{
    for (size_t i = 0; i < delivery->run_count; i++) {
        struct lane *lane = delivery->runs[i].lane;
        lane_answer(lanes, lane, verdict->verdict, retry(ctx, lane), verdict->detail, now_us);
    }
    delivery->run_count = 0;
    delivery->rows = 0;
}

void delivery_answer_missing(struct delivery *delivery, struct lanes *lanes, const char *detail,
                             int64_t now_us)
{
    lane_answer_missing(lanes, delivery->runs[0].lane, detail, now_us);
    delivery->run_count = 0;
    delivery->rows = 0;
}

/* The refusals of one run, with row numbers of the run. */
struct refused_run {
    const struct bulk_refusal *list;
    size_t count;
    uint32_t first_row;
};

static void refuse_rows(struct lanes *lanes, struct lane *lane, const struct refused_run *refused,
                        int64_t now_us)
{
    struct lane_refusal *list = xcalloc(refused->count, sizeof *list);
    char(*details)[DETAIL_BYTES] = xcalloc(refused->count, sizeof *details);
    for (size_t i = 0; i < refused->count; i++) {
        answer_text(refused->list[i].reason, details[i], DETAIL_BYTES);
        list[i] = (struct lane_refusal){refused->list[i].row - refused->first_row, details[i]};
    }
    lane_answer_rows(lanes, lane, list, refused->count, now_us);
    free(details);
    free(list);
}

/* Nothing proves that the rows are to blame: from the first refused one on they go again, alone.
 */
static void doubt_rows(struct lanes *lanes, struct lane *lane, const struct refused_run *refused,
                       int64_t retry_at_us, int64_t now_us)
{
    uint32_t good = refused->list[0].row - refused->first_row;
    if (good > 0)
        lane_accept_first(lane, good);
    lane_answer(lanes, lane, LANE_UNPROVEN, retry_at_us, NULL, now_us);
}

static struct refused_run refused_of(const struct bulk_answer *answer, size_t from,
                                     uint32_t first_row, uint32_t rows)
{
    size_t end = from;
    while (end < answer->count && answer->refusals[end].row < first_row + rows)
        end++;
    return (struct refused_run){answer->refusals + from, end - from, first_row};
}

/* How many Things have taken a value. */
static size_t count_writers(const struct delivery *delivery, const struct bulk_answer *answer)
{
    size_t writers = 0, at = 0;
    uint32_t first_row = 0;
    for (size_t i = 0; i < delivery->run_count; i++) {
        uint32_t rows = delivery->runs[i].rows;
        struct refused_run refused = refused_of(answer, at, first_row, rows);
        writers += refused.count < rows;
        at += refused.count;
        first_row += rows;
    }
    return writers;
}

uint32_t delivery_answer_rows(struct delivery *delivery, struct lanes *lanes,
                              const struct bulk_answer *answer, bool ready, delivery_retry retry,
                              void (*accepted)(void *ctx, struct slice thing), void *ctx,
                              int64_t now_us)
{
    size_t writers = count_writers(delivery, answer), at = 0;
    uint32_t first_row = 0, written = 0;
    for (size_t i = 0; i < delivery->run_count; i++) {
        struct lane *lane = delivery->runs[i].lane;
        uint32_t rows = delivery->runs[i].rows;
        struct refused_run refused = refused_of(answer, at, first_row, rows);
        bool writer = refused.count < rows;
        bool another = writers > (writer ? 1 : 0);
        if (writer)
            accepted(ctx, lane_thing(lane));
        if (refused.count == 0)
            lane_answer(lanes, lane, LANE_ACCEPTED, 0, NULL, now_us);
        else if (ready && another && !refused.list[0].missing)
            refuse_rows(lanes, lane, &refused, now_us);
        else
            doubt_rows(lanes, lane, &refused, retry(ctx, lane), now_us);
        written += rows - (uint32_t)refused.count;
        at += refused.count;
        first_row += rows;
    }
    delivery->run_count = 0;
    delivery->rows = 0;
    return written;
}
