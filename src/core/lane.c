#include "core/lane.h"

#include "base/memory.h"
#include "core/bulk_body.h"
#include "core/hash.h"
#include "core/lane_state.h"
#include "core/row_write.h"
#include "core/update_body.h"

#include <stdlib.h>
#include <utlist.h>

/* The only places that change a lane's state. */
static void enter(struct lanes *lanes, struct lane *lane, enum lane_state state)
{
    lane->state = state;
    if (state == LANE_IS_READY) {
        DL_APPEND(lanes->ready, lane);
    } else if (state == LANE_IS_WAITING) {
        due_add(&lanes->waiting, &lane->due);
        lanes->counts.waiting++;
    } else {
        lanes->counts.on_the_wire++;
    }
}

void lane_depart(struct lanes *lanes, struct lane *lane)
{
    if (lane->state == LANE_IS_READY) {
        DL_DELETE(lanes->ready, lane);
    } else if (lane->state == LANE_IS_WAITING) {
        due_remove(&lanes->waiting, &lane->due);
        lanes->counts.waiting--;
    } else {
        lanes->counts.on_the_wire--;
    }
}

struct lanes *lanes_create(const struct lane_limits *limits, const struct lane_handlers *handlers)
{
    struct lanes *lanes = xcalloc(1, sizeof *lanes);
    lanes->handlers = *handlers;
    lanes_set_limits(lanes, limits);
    return lanes;
}

void lanes_set_limits(struct lanes *lanes, const struct lane_limits *limits)
{
    lanes->limits = *limits;
    if (lanes->limits.max_rows == 0)
        lanes->limits.max_rows = 1;
    lanes->body_max = limits->max_bytes;
}

void lanes_free(struct lanes *lanes)
{
    if (lanes == NULL)
        return;
    lane_groups_free(&lanes->groups);
    lane_group_free_list(lanes->lost);
    lane_free_all(lanes);
    due_heap_free(&lanes->waiting);
    free(lanes);
}

struct lane_key lane_key(struct slice thing)
{
    return (struct lane_key){thing, hash_bytes(thing)};
}

/* DL_APPEND that does not look into the first parcel, which has been out of the cache for long. */
static void append(struct lane *lane, struct parcel *parcel)
{
    parcel->next = NULL;
    parcel->prev = parcel;
    if (lane->parcels == NULL) {
        lane->parcels = parcel;
    } else {
        parcel->prev = lane->last;
        lane->last->next = parcel;
        lane->parcels->prev = parcel;
    }
    lane->last = parcel;
}

void lanes_push_keyed(struct lanes *lanes, const struct lane_key *key, struct parcel *parcel)
{
    struct lane *lane = lane_find(lanes, key);
    if (lane == NULL) {
        lane = lane_create(lanes, key);
        enter(lanes, lane, LANE_IS_READY);
    }
    parcel->lane = lane;
    append(lane, parcel);
    lane->rows += parcel->row_count;
    lane_groups_join(&lanes->groups, parcel);
    lanes->counts.parcels++;
    lanes->counts.rows += parcel->row_count;
    lanes->counts.bytes += parcel->bytes;
}

struct lane *lanes_next(struct lanes *lanes, int64_t now_us)
{
    for (;;) {
        struct due *due = due_first(&lanes->waiting);
        if (due == NULL || due->at_us > now_us)
            return lanes->ready;
        struct lane *lane = (struct lane *)(void *)((char *)due - offsetof(struct lane, due));
        lane_depart(lanes, lane);
        enter(lanes, lane, LANE_IS_READY);
    }
}

bool lanes_several(const struct lanes *lanes)
{
    return lanes->ready != NULL && lanes->ready->next != NULL;
}

int64_t lanes_wakeup_at(const struct lanes *lanes)
{
    const struct due *due = due_first(&lanes->waiting);
    return due == NULL ? INT64_MAX : due->at_us;
}

size_t lanes_body_ceiling(const struct lanes *lanes)
{
    size_t single = TRANSLATE_TEXT_MAX + UPDATE_BODY_FIXED;
    return (lanes->limits.max_bytes > single ? lanes->limits.max_bytes : single) + ROW_SPILL;
}

/* How many of the first rows, at most `allowed`, go before one of a property that was refused of
 * late; that one goes alone, so that the others need no bisecting. */
static uint32_t clear_run(const struct lane *lane, const struct poison *known, uint32_t allowed)
{
    uint32_t n = 0;
    for (const struct parcel *parcel = lane->parcels; parcel != NULL; parcel = parcel->next)
        for (uint32_t row = parcel->next_row; row < parcel->end_row; row++, n++)
            if (n == allowed || poison_knows(known, parcel_property(parcel, row)))
                return n > 0 ? n : 1;
    return n;
}

/* Marks as many of the lane's first rows as on the wire as are allowed and fit. */
static uint32_t take(struct lane *lane, struct buffer *body, uint32_t allowed, bool bulk)
{
    struct lanes *lanes = lane->lanes;
    uint32_t taken = 0;
    for (struct parcel *parcel = lane->parcels; parcel != NULL; parcel = parcel->next) {
        uint32_t wanted = allowed - taken;
        uint32_t n = bulk ? bulk_body_rows(body, lane->thing, parcel, wanted, lanes->body_max)
                          : update_body_rows(body, parcel, wanted, lanes->body_max);
        if (n == 0)
            break;
        parcel->wire_rows = n;
        parcel->touched = true;
        if (parcel->sequence > parcel->group->touched)
            parcel->group->touched = parcel->sequence;
        taken += n;
        if (taken == allowed || parcel->next_row + n < parcel->end_row)
            break;
    }
    if (taken == 0)
        return 0;
    lane->wire_rows = taken;
    lane_depart(lanes, lane);
    enter(lanes, lane, LANE_IS_ON_THE_WIRE);
    return taken;
}

uint32_t lane_take(struct lane *lane, struct buffer *body)
{
    uint32_t allowed = bisect_allowed(&lane->bisect);
    if (allowed > lane->lanes->limits.max_rows)
        allowed = lane->lanes->limits.max_rows;
    const struct poison *known = poisons_find(&lane->lanes->poisons, lane->hash);
    if (known != NULL)
        allowed = clear_run(lane, known, allowed);
    update_body_begin(body);
    uint32_t taken = take(lane, body, allowed, false);
    update_body_end(body);
    lane->body_n = body->n;
    return taken;
}

bool lane_goes_alone(const struct lane *lane)
{
    return lane->refused_since != 0 || bisect_allowed(&lane->bisect) != UINT32_MAX;
}

uint32_t lane_take_bulk(struct lane *lane, struct buffer *body, uint32_t max_rows)
{
    lane->body_n = 0;
    return max_rows > 0 ? take(lane, body, max_rows, true) : 0;
}

static void release(struct lanes *lanes, struct parcel *parcel)
{
    if (parcel->dropped)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it joined the list when dropped */
        DL_DELETE2(lanes->lost, parcel, group_prev, group_next);
    lanes->counts.parcels--;
    lanes->counts.bytes -= parcel->bytes;
    parcel_free(parcel);
}

/* The parcel has no open row left: tells its partition, if it still has one. */
static void finish(struct lanes *lanes, struct parcel *parcel)
{
    if (!parcel->dropped) {
        lane_groups_leave(&lanes->groups, parcel);
        lanes->handlers.completed(lanes->handlers.ctx, parcel);
    }
    release(lanes, parcel);
}

static void finish_all(struct lanes *lanes, struct parcel *complete)
{
    while (complete != NULL) {
        struct parcel *parcel = complete;
        DL_DELETE(complete, parcel);
        finish(lanes, parcel);
    }
}

/* Takes the parcel, none of whose rows is to be sent any more, out of its lane. */
static void leave_lane(struct parcel *parcel)
{
    struct lane *lane = parcel->lane;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it has one until here */
    if (lane->last == parcel)
        lane->last = parcel->prev; /* of the only one: itself, and unused */
    DL_DELETE(lane->parcels, parcel);
    parcel->lane = NULL;
}

/* The first n rows of the lane are done with. Parcels that are complete go to the list. */
static void pass_rows(struct lane *lane, uint32_t n, struct parcel **complete)
{
    lane->rows -= n;
    lane->lanes->counts.rows -= n;
    while (n > 0) {
        struct parcel *parcel = lane->parcels;
        uint32_t left = parcel->end_row - parcel->next_row;
        uint32_t passed = left < n ? left : n;
        parcel->next_row += passed;
        parcel->wire_rows = 0;
        n -= passed;
        if (passed < left)
            break;
        leave_lane(parcel);
        if (parcel->refused == 0)
            DL_APPEND(*complete, parcel);
    }
}

void lane_cut_rows(struct parcel *parcel, uint32_t from)
{
    struct lane *lane = parcel->lane;
    uint32_t horizon = bisect_horizon(&lane->bisect);
    uint32_t position = 0;
    for (const struct parcel *p = lane->parcels; p != parcel && position < horizon; p = p->next)
        position += p->end_row - p->next_row;
    uint32_t n = parcel->end_row - from;
    bisect_removed(&lane->bisect, position + (from - parcel->next_row), n);
    parcel->end_row = from;
    lane->rows -= n;
    lane->lanes->counts.rows -= n;
}

void lane_remove_parcel(struct lanes *lanes, struct parcel *parcel)
{
    lane_cut_rows(parcel, parcel->next_row);
    leave_lane(parcel);
    if (parcel->refused == 0)
        release(lanes, parcel);
}

/* The rows on the wire are still to be delivered, except those that nobody waits for. */
static void keep_rows(struct lane *lane)
{
    struct parcel *parcel = lane->parcels;
    while (parcel != NULL && parcel->wire_rows > 0) {
        struct parcel *next = parcel->next;
        parcel->wire_rows = 0;
        if (parcel->dropped)
            lane_remove_parcel(lane->lanes, parcel);
        parcel = next;
    }
}

/* A 413 halves what all lanes send, since it is the way that is narrow; every large body that is
 * accepted widens it a little. */
void lanes_learn_size(struct lanes *lanes, size_t body_n, bool accepted)
{
    if (!accepted)
        lanes->body_max = body_n / 2;
    else if (body_n > lanes->body_max / 2 && lanes->body_max < lanes->limits.max_bytes)
        lanes->body_max += lanes->body_max / 256 + 1;
}

/* Where the lane stands after an answer; frees it if nothing is left. */
static void settle(struct lanes *lanes, struct lane *lane, bool later, int64_t retry_at_us,
                   int64_t now_us)
{
    lane_depart(lanes, lane);
    if (lane->rows == 0) {
        lane_free(lanes, lane);
    } else if (later && retry_at_us > now_us) {
        lane->due.at_us = retry_at_us;
        enter(lanes, lane, LANE_IS_WAITING);
    } else {
        enter(lanes, lane, LANE_IS_READY);
    }
}

static void again(struct lane *lane, uint32_t n, bool unproven, int64_t now_us)
{
    lane->attempts++;
    if (!unproven)
        lane->refused_since = 0;
    else if (lane->refused_since == 0)
        lane->refused_since = now_us;
    if (lane->body_n > 0 || unproven) /* else it may go with others again, and with newer rows */
        bisect_again(&lane->bisect, n);
    keep_rows(lane);
}

static void accepted(struct lane *lane, uint32_t n, struct parcel **complete)
{
    lane->attempts = 0;
    lane->refused_since = 0;
    struct poison *known = poisons_find(&lane->lanes->poisons, lane->hash);
    if (known != NULL)
        known->missing = false;
    if (known != NULL && n == 1)
        poison_forget(known, parcel_property(lane->parcels, lane->parcels->next_row));
    lanes_learn_size(lane->lanes, lane->body_n, true);
    bisect_accepted(&lane->bisect, n);
    pass_rows(lane, n, complete);
}

/* The n rows are too large or to blame. Returns the parcel of a row that is to blame alone. */
static struct parcel *narrow(struct lane *lane, uint32_t n, bool too_large,
                             struct parcel **complete)
{
    lane->attempts = 0;
    lane->refused_since = 0;
    if (n > 1) {
        if (too_large) {
            lanes_learn_size(lane->lanes, lane->body_n, false);
            bisect_split(&lane->bisect, n);
        } else {
            (void)bisect_refused(&lane->bisect, n);
        }
        keep_rows(lane);
        return NULL;
    }
    (void)bisect_refused(&lane->bisect, n);
    struct parcel *parcel = lane->parcels;
    if (!too_large)
        poison_remember(poisons_make(&lane->lanes->poisons, lane->hash),
                        parcel_property(parcel, parcel->next_row));
    if (!parcel->dropped)
        parcel->refused++;
    pass_rows(lane, 1, complete);
    return parcel->dropped ? NULL : parcel;
}

void lane_answer(struct lanes *lanes, struct lane *lane, enum lane_verdict verdict,
                 int64_t retry_at_us, const char *detail, int64_t now_us)
{
    struct parcel *complete = NULL;
    struct parcel *refused = NULL;
    uint32_t row = 0;
    uint32_t n = lane->wire_rows;
    bool too_large = verdict == LANE_SPLIT;
    lane->wire_rows = 0;
    switch (verdict) {
    case LANE_ACCEPTED:
        accepted(lane, n, &complete);
        break;
    case LANE_RETRY:
    case LANE_UNPROVEN:
        again(lane, n, verdict == LANE_UNPROVEN, now_us);
        break;
    case LANE_SPLIT:
    case LANE_SUSPECT:
        row = lane->parcels->next_row;
        refused = narrow(lane, n, too_large, &complete);
        break;
    }
    settle(lanes, lane, verdict != LANE_ACCEPTED && verdict != LANE_SUSPECT, retry_at_us, now_us);
    if (refused != NULL)
        lanes->handlers.refused(lanes->handlers.ctx, refused, row,
                                too_large ? "too_large" : "refused", detail ? detail : "");
    finish_all(lanes, complete);
}

/* Passes the rows on the wire up to the refused one, and that one. Returns its parcel, NULL if
 * nobody waits for it. */
static struct parcel *pass_refused(struct lane *lane, uint32_t before, uint32_t *row,
                                   struct parcel **complete)
{
    pass_rows(lane, before, complete);
    struct parcel *parcel = lane->parcels;
    bool dropped = parcel->dropped;
    *row = parcel->next_row;
    if (!dropped)
        parcel->refused++;
    pass_rows(lane, 1, complete);
    return dropped ? NULL : parcel;
}

/* `property`: each stands for a property that will be refused again. */
static void refuse_rows(struct lanes *lanes, struct lane *lane, const struct lane_refusal *refusals,
                        size_t n_refusals, bool property, int64_t now_us)
{
    struct refused_row {
        struct parcel *parcel;
        uint32_t row;
    } *refused = xcalloc(n_refusals, sizeof *refused);
    struct parcel *complete = NULL;
    uint32_t n = lane->wire_rows, passed = 0;
    lane->wire_rows = 0;
    lane->attempts = 0;
    for (size_t i = 0; i < n_refusals; i++) {
        refused[i].parcel =
            pass_refused(lane, refusals[i].row - passed, &refused[i].row, &complete);
        passed = refusals[i].row + 1;
        if (property && refused[i].parcel != NULL)
            poison_remember(poisons_make(&lanes->poisons, lane->hash),
                            parcel_property(refused[i].parcel, refused[i].row));
    }
    pass_rows(lane, n - passed, &complete);
    settle(lanes, lane, false, 0, now_us);
    for (size_t i = 0; i < n_refusals; i++)
        if (refused[i].parcel != NULL)
            lanes->handlers.refused(lanes->handlers.ctx, refused[i].parcel, refused[i].row,
                                    "refused", refusals[i].detail);
    free(refused);
    finish_all(lanes, complete);
}

void lane_answer_rows(struct lanes *lanes, struct lane *lane, const struct lane_refusal *refusals,
                      size_t n_refusals, int64_t now_us)
{
    refuse_rows(lanes, lane, refusals, n_refusals, true, now_us);
}

void lane_answer_missing(struct lanes *lanes, struct lane *lane, const char *detail, int64_t now_us)
{
    uint32_t n = lane->wire_rows;
    struct lane_refusal *all = xcalloc(n, sizeof *all);
    for (uint32_t i = 0; i < n; i++)
        all[i] = (struct lane_refusal){i, detail};
    lane->refused_since = 0;
    poisons_make(&lanes->poisons, lane->hash)->missing = true;
    bisect_removed(&lane->bisect, 0, n);
    refuse_rows(lanes, lane, all, n, false, now_us);
    free(all);
}

void lane_accept_first(struct lane *lane, uint32_t n)
{
    struct lanes *lanes = lane->lanes;
    struct parcel *complete = NULL;
    uint32_t wire = lane->wire_rows - n;
    lane->wire_rows = wire;
    pass_rows(lane, n, &complete);
    struct parcel *first = lane->parcels;
    for (uint32_t left = wire; left > 0 && first != NULL; first = first->next) {
        uint32_t rows = first->end_row - first->next_row;
        first->wire_rows = rows < left ? rows : left;
        left -= first->wire_rows;
    }
    finish_all(lanes, complete);
}

void lanes_row_done(struct lanes *lanes, struct parcel *parcel)
{
    parcel->refused--;
    if (parcel->refused == 0 && parcel->lane == NULL)
        finish(lanes, parcel);
}

/* Whether just this was proven before: a property that the Thing does not take, or no such Thing.
 */
static bool is_known(const struct lane *lane, bool missing)
{
    const struct poison *known = poisons_find(&lane->lanes->poisons, lane->hash);
    if (known == NULL || missing)
        return known != NULL && known->missing;
    return lane->wire_rows == 1 &&
           poison_knows(known, parcel_property(lane->parcels, lane->parcels->next_row));
}

enum lane_verdict lane_judge(const struct lane *lane, const struct lane_suspicion *suspicion)
{
    if (!suspicion->confirmed)
        return LANE_UNPROVEN;
    if (suspicion->proven || is_known(lane, suspicion->missing))
        return LANE_SUSPECT;
    return lane->wire_rows > 1 && !suspicion->missing ? LANE_SUSPECT : LANE_UNPROVEN;
}

struct slice lane_thing(const struct lane *lane)
{
    return lane->thing;
}

const struct parcel *lane_parcel(const struct lane *lane)
{
    return lane->parcels;
}

bool lane_row(const struct lane *lane, uint32_t i, struct buffer *row)
{
    const struct parcel *parcel = lane->parcels;
    while (parcel != NULL && i >= parcel->wire_rows) {
        i -= parcel->wire_rows;
        parcel = parcel->next;
    }
    if (parcel == NULL)
        return false;
    if (row == NULL)
        return true;
    buffer_clear(row);
    return parcel_row(parcel, parcel->next_row + i, row);
}

unsigned lane_attempts(const struct lane *lane)
{
    return lane->attempts;
}

int64_t lane_refused_since(const struct lane *lane)
{
    return lane->refused_since;
}

int64_t lanes_touched(const struct lanes *lanes, const void *partition)
{
    const struct lane_group *group = lane_groups_find(&lanes->groups, partition);
    return group == NULL ? INT64_MIN : group->touched;
}

size_t lanes_pending(const struct lanes *lanes, const void *partition)
{
    const struct lane_group *group = lane_groups_find(&lanes->groups, partition);
    return group == NULL ? 0 : group->count;
}

struct lanes_counts lanes_counts(const struct lanes *lanes)
{
    return lanes->counts;
}
