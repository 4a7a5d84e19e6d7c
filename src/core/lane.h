#pragma once
#include "base/buffer.h"
#include "base/slice.h"
#include "core/parcel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The Things of one destination. Each has a lane: a queue of rows of which one run at a time is on
 * the wire, so that a Thing's values keep their order, and what arrives meanwhile goes out
 * together. A lane exists only while it has rows. */
struct lanes;
struct lane;

/* No property update of more rows or, the request's body taken whole, of more bytes; except that a
 * single row always goes. */
struct lane_limits {
    uint32_t max_rows;
    size_t max_bytes;
};

/* Called from within lane_answer, lane_answer_rows, lane_answer_missing, lane_accept_first and
 * lanes_row_done only, after the lanes are consistent again: the handlers may push, drop and report
 * rows done. */
struct lane_handlers {
    void *ctx;
    /* Every row is accepted or done. The parcel is freed after the call. */
    void (*completed)(void *ctx, struct parcel *parcel);
    /* ThingWorx refuses the row for good; reason is "refused" or "too_large". The parcel stays
     * until lanes_row_done is called for it, once for each refused row. Both texts are borrowed for
     * the call. */
    void (*refused)(void *ctx, struct parcel *parcel, uint32_t row, const char *reason,
                    const char *detail);
};

enum lane_verdict {
    LANE_ACCEPTED,
    /* No verdict on the rows: the same ones again, not before retry_at. */
    LANE_RETRY,
    /* Refused, but the platform may be at fault: as LANE_RETRY, and the lane remembers since when
     * (lane_refused_since). */
    LANE_UNPROVEN,
    /* Too large: halves. A row that is too large alone is refused. */
    LANE_SPLIT,
    /* Refused, and proven to be the rows' fault: bisects. A row that stands alone is refused. */
    LANE_SUSPECT,
};

/* What speaks against the run on the wire, after a refusal. */
struct lane_suspicion {
    bool confirmed; /* the platform is ready, and has accepted another Thing since some refusal of
                       this one */
    bool proven;    /* ... since the refusal of just these rows */
    bool missing;   /* the answer says that there is no such Thing */
};

/* A Thing's name with its hash, for a caller that keeps names and pushes often. */
struct lane_key {
    struct slice thing;
    uint64_t hash;
};

struct lanes *lanes_create(const struct lane_limits *limits, const struct lane_handlers *handlers);
/* Frees all lanes and parcels. Calls no handler. */
void lanes_free(struct lanes *lanes);
void lanes_set_limits(struct lanes *lanes, const struct lane_limits *limits);

struct lane_key lane_key(struct slice thing);
/* The Thing is about to get a parcel: fetches what that takes into the processor's cache, in two
 * steps with some work of the caller's before, between and behind them. */
void lanes_expect(const struct lanes *lanes, const struct lane_key *key);
void lanes_expect_soon(const struct lanes *lanes, const struct lane_key *key);
/* Queues the parcel for the Thing, whose name is copied if need be. The parcel has at least one
 * row and belongs to the lanes from now on. */
void lanes_push_keyed(struct lanes *lanes, const struct lane_key *key, struct parcel *parcel);
static inline void lanes_push(struct lanes *lanes, struct slice thing, struct parcel *parcel)
{
    struct lane_key key = lane_key(thing);
    lanes_push_keyed(lanes, &key, parcel);
}

/* The lane whose turn it is: with rows, nothing on the wire, not backing off; NULL if there is
 * none. It stays first in turn until it is taken. */
struct lane *lanes_next(struct lanes *lanes, int64_t now_us);
/* When the next backing-off lane is due; INT64_MAX if none backs off. */
int64_t lanes_wakeup_at(const struct lanes *lanes);

/* Writes the request's body for the longest run of rows that is allowed now (it may begin and end
 * within a parcel) into an empty buffer and marks the run as on the wire. Returns the rows. The
 * lane was given by lanes_next and stays valid until lane_answer. The buffer's ceiling must be at
 * least lanes_body_ceiling(). */
uint32_t lane_take(struct lane *lane, struct buffer *body);
size_t lanes_body_ceiling(const struct lanes *lanes);

/* Whether more than the lane whose turn it is could go now. */
bool lanes_several(const struct lanes *lanes);

/* For a request of many Things (core/bulk_body.h): adds a run of at most max_rows of the lane's
 * rows to a body that bulk_body_begin has started, and marks it as on the wire. 0, and nothing is
 * changed, if no row fits into what the destination takes. The pump tells lanes_learn_size what
 * became of the whole body. */
uint32_t lane_take_bulk(struct lane *lane, struct buffer *body, uint32_t max_rows);
/* A lane whose rows were refused without proof, or that looks for the row to blame, must go
 * through lane_take: a request of its own tells it what the others cannot. */
bool lane_goes_alone(const struct lane *lane);
/* A body of that size was accepted, or was too large. lane_answer says so itself for a request of
 * one Thing. */
void lanes_learn_size(struct lanes *lanes, size_t body_n, bool accepted);

/* The verdict on a refused run, LANE_SUSPECT or LANE_UNPROVEN. To look for the row to blame loses
 * nothing, so that a confirmed refusal is enough for it; nothing is given up for good unless it was
 * refused itself, before and after the platform accepted another Thing, or is known to be refused.
 */
enum lane_verdict lane_judge(const struct lane *lane, const struct lane_suspicion *suspicion);
/* Tells what became of the run on the wire. retry_at_us counts for LANE_RETRY, LANE_UNPROVEN and
 * LANE_SPLIT (0: at once), and detail (may be NULL) for what is refused. The lane must not be used
 * after the call. */
void lane_answer(struct lanes *lanes, struct lane *lane, enum lane_verdict verdict,
                 int64_t retry_at_us, const char *detail, int64_t now_us);
/* One row of a run, counted from 0, that ThingWorx refuses for good. The text is borrowed. */
struct lane_refusal {
    uint32_t row;
    const char *detail;
};

/* The run on the wire is accepted but for these rows (at least one, in ascending order), which are
 * proven to be at fault. As after lane_answer, the lane must not be used any more. */
void lane_answer_rows(struct lanes *lanes, struct lane *lane, const struct lane_refusal *refusals,
                      size_t n_refusals, int64_t now_us);
/* ThingWorx has no such Thing, which is proven not to be its own fault: one verdict for the whole
 * run on the wire, none of which is sent again. As after lane_answer. */
void lane_answer_missing(struct lanes *lanes, struct lane *lane, const char *detail,
                         int64_t now_us);
/* The first n rows of the run on the wire, fewer than all, are accepted; the rest is answered with
 * lane_answer afterwards. */
void lane_accept_first(struct lane *lane, uint32_t n);
/* A refused row is safe in the dead letters (or nobody wants it there any more). */
void lanes_row_done(struct lanes *lanes, struct parcel *parcel);

struct slice lane_thing(const struct lane *lane);
/* The first of its parcels: that of the first row on the wire. */
const struct parcel *lane_parcel(const struct lane *lane);
/* Puts row i of those on the wire into the buffer, which may be NULL; false if there are not so
 * many. */
bool lane_row(const struct lane *lane, uint32_t i, struct buffer *row);
/* Answers in a row that gave no verdict, for the back-off. */
unsigned lane_attempts(const struct lane *lane);
/* When the very rows that are now first in the lane were refused without proof; 0 if they were
 * not. */
int64_t lane_refused_since(const struct lane *lane);

/* The highest sequence of the partition's pending parcels that has had a row on the wire;
 * INT64_MIN if none has. Hand-over rule: with K the greater of this and
 * tracker_highest_completed(), everything up to K must be finished, and everything above may be
 * dropped: lanes_drop(K), tracker_cut(K). So the checkpoint comes to cover all that was delivered,
 * and the successor repeats nothing. */
int64_t lanes_touched(const struct lanes *lanes, const void *partition);
/* Frees the partition's parcels above the sequence that never had a row on the wire. Returns how
 * many. Calls no handler. */
size_t lanes_drop(struct lanes *lanes, const void *partition, int64_t above_sequence);
/* The partition is lost: frees every row that is not on the wire. What is on the wire is still
 * answered, but completes to nobody and is never sent again; the partition's pointer is forgotten.
 * Rows that were handed to `refused` must still be reported done. Calls no handler. */
void lanes_abandon(struct lanes *lanes, const void *partition);
/* Whether every row on the wire is waited for: none is of a partition that was lost since. */
bool lane_is_wanted(const struct lane *lane);
/* Parcels of the partition that are not completed. */
size_t lanes_pending(const struct lanes *lanes, const void *partition);

struct lanes_counts {
    size_t lanes, waiting, on_the_wire; /* all, backing off, with a request */
    size_t parcels, rows;               /* rows: not yet accepted or refused */
    size_t bytes;                       /* memory of all of it */
};
struct lanes_counts lanes_counts(const struct lanes *lanes);
