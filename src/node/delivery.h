#pragma once
#include "base/buffer.h"
#include "core/bulk_answer.h"
#include "core/lane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One request on the wire: rows of one Thing by UpdatePropertyValues, or of many by the bulk
 * service. A delivery's memory is used again for the next. */

struct creation_job;

struct delivery_run {
    struct lane *lane;
    uint32_t rows;
};

struct delivery {
    void *owner;
    struct buffer body;
    struct delivery_run *runs;
    size_t run_count, run_capacity;
    uint32_t rows;
    bool bulk;
    struct creation_job *job; /* a call of that instead of rows */
    struct delivery *next, *prev;
};

struct deliveries {
    void *owner;
    struct delivery *idle, *busy;
    size_t idle_count;
};

/* What the lanes' rows become, by an answer that no single row is to blame for. */
struct delivery_verdict {
    enum lane_verdict verdict;
    const char *detail; /* for what is refused; may be NULL */
};

/* Says when the lane is to be tried again. */
typedef int64_t (*delivery_retry)(void *ctx, const struct lane *lane);

/* A delivery with an empty body that may grow as large as the lanes allow. */
struct delivery *delivery_new(struct deliveries *all, const struct lanes *lanes);
/* Takes the rows of this lane, whose turn it is. */
void delivery_fill_alone(struct delivery *delivery, struct lane *lane);
/* Takes rows of as many lanes as fit, at most max_rows, from the one whose turn it is on. False if
 * that one does not fit: it must go alone. A max_rows of 0 makes a request without rows. */
bool delivery_fill_bulk(struct delivery *delivery, struct lanes *lanes, uint32_t max_rows,
                        int64_t now_us);

/* Whether all of it is waited for: none of its rows is of a partition that was lost since. */
bool delivery_is_wanted(const struct delivery *delivery);

/* Tells every lane the verdict; the delivery has no rows afterwards. */
void delivery_answer(struct delivery *delivery, struct lanes *lanes,
                     const struct delivery_verdict *verdict, delivery_retry retry, void *ctx,
                     int64_t now_us);
/* To a request for one Thing: there is none of that name, and that is proven. */
void delivery_answer_missing(struct delivery *delivery, struct lanes *lanes, const char *detail,
                             int64_t now_us);
/* Tells every lane what the bulk service says of its rows. `ready`: the base URL is ready, which
 * it takes to blame a row. `accepted` is called for each Thing that has taken a value; returns the
 * rows that were written. */
uint32_t delivery_answer_rows(struct delivery *delivery, struct lanes *lanes,
                              const struct bulk_answer *answer, bool ready, delivery_retry retry,
                              void (*accepted)(void *ctx, struct slice thing), void *ctx,
                              int64_t now_us);

/* Back to the idle ones. */
void delivery_done(struct deliveries *all, struct delivery *delivery);
/* All that are on the wire, which were cancelled. */
void deliveries_cancelled(struct deliveries *all);
void deliveries_free(struct deliveries *all);
