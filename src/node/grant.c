#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/retry.h"
#include "node/binder.h"
#include "node/destinations.h"
#include "node/flow.h"
#include "node/grant_state.h"
#include "node/grants.h"
#include "node/heartbeats.h"
#include "node/hubs.h"
#include "node/membership.h"
#include "node/office.h"
#include "store/coordination.h"
#include "store/progress.h"

#include <stdlib.h>

enum {
    BACK_OFF_BASE_MS = 50,
    BACK_OFF_CAP_MS = 5000,
    CREDIT_STEPS = 8,
    DISCARD_WINDOW = 4000,
    FINISH_MS = 10000 /* before a partition that cannot be read is given back */
};

/* A call about a grant that may be gone when the answer comes: found again by its token. */
struct grant_call {
    struct grants *set;
    struct node_parts *node;
    int partition_id;
    int64_t token;
    enum ownership_event yes, no;
};

/* ---- actions ------------------------------------------------------------------------------ */

static void stop_reader(struct grant *grant)
{
    if (grant->reader == NULL || grant->stopping)
        return;
    grant->stopping = true;
    source_stop(grant->reader);
}

/* Remembers how far the completed prefix has come, as the tracker is about to forget it. */
static void remember_prefix(struct grant *grant)
{
    struct tracker_mark mark = {0};
    (void)tracker_checkpoint(grant->tracker, &mark);
    if (mark.offset.n > 0) {
        free(grant->resume_offset);
        grant->resume_offset = xstrndup(mark.offset.p, mark.offset.n);
        grant->resume_sequence = mark.sequence;
        grant->resume_enqueued_ms = mark.enqueued_ms;
    }
}

/* Forgets what is held, not what is completed: who hands the partition over before it is read again
 * has that to save, also after a crash of the database that has lost the saved one. */
static void forget_held(struct grant *grant)
{
    struct tracker_mark mark = {0};
    bool unsaved = tracker_checkpoint(grant->tracker, &mark);
    bool begun = mark.offset.n > 0;
    tracker_reset(grant->tracker);
    if (!begun)
        return;
    mark = (struct tracker_mark){slice_from(grant->resume_offset), grant->resume_sequence,
                                 grant->resume_enqueued_ms};
    tracker_begin_behind(grant->tracker, &mark);
    if (!unsaved)
        tracker_taken(grant->tracker, &mark);
}

void grant_inherit(struct grant *grant, struct grant *former)
{
    remember_prefix(former);
    heartbeats_inherit(grant->beats, former->beats);
    struct inherit_past past = {.began = former->began_sequence,
                                .lettered = former->lettered_sequence,
                                .prefix = former->resume_sequence};
    if (!inherit_prefix(&past, grant->began_sequence))
        return;
    struct tracker_mark mark = {slice_from(former->resume_offset), former->resume_sequence,
                                former->resume_enqueued_ms};
    tracker_begin_behind(grant->tracker, &mark);
    log_info(grant->node->log, "going on where the former grant stands, ahead of the checkpoint",
             F_TEXT("hub", grant->hub_name), F_TEXT("partition", grant->partition),
             F_NUMBER("token", grant->token), F_NUMBER("sequence", mark.sequence));
}

void grant_lettered(struct grant *grant, int64_t sequence)
{
    if (sequence > grant->lettered_sequence)
        grant->lettered_sequence = sequence;
}

static void drop_all(struct grant *grant)
{
    struct node_parts *node = grant->node;
    node->counts.dropped_unsent += tracker_in_flight(grant->tracker);
    remember_prefix(grant);
    destinations_abandon(node->destinations, grant);
    heartbeats_drop(grant->beats, true);
    binder_drop(node->binder, grant, INT64_MIN);
    office_drop(node->office, grant);
    forget_held(grant);
}

/* The hand-over rule: all up to the last event that was sent, in part or whole, is finished, so
 * that the checkpoint covers whatever ThingWorx has seen; the successor begins behind it. */
static void drop_unsent(struct grant *grant)
{
    struct node_parts *node = grant->node;
    int64_t above = destinations_touched(node->destinations, grant);
    int64_t completed = tracker_highest_completed(grant->tracker);
    if (completed > above)
        above = completed;
    destinations_drop(node->destinations, grant, above);
    heartbeats_drop(grant->beats, false);
    binder_drop(node->binder, grant, above);
    tracker_cut(grant->tracker, above);
}

static void open_reader(struct grant *grant)
{
    struct hub *hub = hubs_find(grant->node->hubs, grant->hub_name);
    struct tracker_mark mark;
    struct slice after = slice_from(grant->resume_offset);
    if (tracker_newest(grant->tracker, &mark))
        after = mark.offset;
    grant->outstanding = tracker_room(grant->tracker);
    grant->stopping = grant->overflowed = grant->held = false;
    struct hub_start start = {after, grant->start_ms, grant->generation, grant->abandoned};
    grant->reader =
        hub_read(hub, grant->partition, grant->token, &start, grant->outstanding, grant);
}

static void back_off(struct grant *grant)
{
    grant->openable_at_us =
        clock_now_us() + retry_delay_us(grant->attempts, BACK_OFF_BASE_MS * MS_US,
                                        BACK_OFF_CAP_MS * MS_US, &grant->node->random);
    grant->attempts++;
}

static void on_call(void *ctx, bool yes, const struct error *err)
{
    struct grant_call call = *(struct grant_call *)ctx;
    free(ctx);
    struct grant *grant = grants_find(call.set, call.partition_id, call.token);
    if (grant == NULL)
        return;
    if (err != NULL && err->code[0] != '\0')
        log_error(call.node->log, "a call about a partition failed", err,
                  F_NUMBER("partition_id", call.partition_id), F_NUMBER("token", call.token));
    if (yes && grant->state == OWNERSHIP_ABANDONING) {
        free(grant->resume_offset);
        grant->resume_offset = NULL;
        grant->start_ms = -1;
        grant->resume_sequence = INHERIT_NONE;
        grant->abandoned = true;
        grant->generation++;
    }
    grant_step(grant, err != NULL ? OWNERSHIP_UNANSWERED : yes ? call.yes : call.no, err);
}

static struct grant_call *call_new(const struct grant *grant, enum ownership_event yes,
                                   enum ownership_event no)
{
    struct grant_call *call = xcalloc(1, sizeof *call);
    *call = (struct grant_call){.set = grant->set,
                                .node = grant->node,
                                .partition_id = grant->partition_id,
                                .token = grant->token,
                                .yes = yes,
                                .no = no};
    return call;
}

/* "No" may mean that the grant is lost or that the move was called off meanwhile: only the next
 * assignment tells which. */
static void ask_database(struct grant *grant, unsigned actions, const struct error *why)
{
    struct node_parts *node = grant->node;
    struct pg_connection *work = membership_work(node->membership);
    const char *key = membership_key(node->membership);
    if (work == NULL) {
        grant_step(grant, OWNERSHIP_UNANSWERED, NULL);
        return;
    }
    if (actions & OWNERSHIP_DO_RELEASE) {
        store_release(work, key, grant->partition_id, grant->token, on_call,
                      call_new(grant, OWNERSHIP_RELEASED, OWNERSHIP_UNANSWERED));
    }
    if (actions & OWNERSHIP_DO_KEEP)
        store_keep(work, key, grant->partition_id, grant->token,
                   "not drained before the deadline of the move", on_call,
                   call_new(grant, OWNERSHIP_KEPT, OWNERSHIP_UNANSWERED));
    if (actions & OWNERSHIP_DO_ABANDON)
        store_abandon_offset(work, key, grant->partition_id, grant->token,
                             why != NULL ? why->detail : "", on_call,
                             call_new(grant, OWNERSHIP_KEPT, OWNERSHIP_UNANSWERED));
    if (actions & OWNERSHIP_DO_DECLINE)
        store_decline(work, key, grant->partition_id, grant->token,
                      grant->unreadable != NULL ? grant->unreadable : "not readable from this node",
                      on_call, call_new(grant, OWNERSHIP_RELEASED, OWNERSHIP_UNANSWERED));
}

/* Leaving hands all over in one transaction. */
static void park(struct grant *grant)
{
    grant->parked = true;
    grant->node->counts.hand_overs[HAND_OVER_STOPPED]++;
}

static void carry_out(struct grant *grant, unsigned actions, const struct error *why)
{
    if (actions & OWNERSHIP_DO_STOP)
        stop_reader(grant);
    if (actions & OWNERSHIP_DO_DROP_ALL)
        drop_all(grant);
    if (actions & OWNERSHIP_DO_ABANDON) /* its place is one of a log that is gone */
        tracker_reset(grant->tracker);
    if (actions & OWNERSHIP_DO_DROP_UNSENT)
        drop_unsent(grant);
    if (actions & OWNERSHIP_DO_OPEN)
        open_reader(grant);
    if (actions & OWNERSHIP_DO_BACK_OFF)
        back_off(grant);
    if (actions & OWNERSHIP_DO_ASK) {
        grant->doubted_us = clock_now_us();
        grant->ask_at_us = grant->doubted_us + SECOND_US;
        membership_refresh(grant->node->membership);
    }
    if (actions & OWNERSHIP_DO_SAVE)
        grants_save(grant->set);
    else if ((actions & OWNERSHIP_DO_RELEASE) && grant->node->stopping)
        park(grant);
    else if (actions & (OWNERSHIP_DO_RELEASE | OWNERSHIP_DO_KEEP | OWNERSHIP_DO_DECLINE |
                        OWNERSHIP_DO_ABANDON))
        ask_database(grant, actions, why);
    else if (actions & OWNERSHIP_DO_END)
        grants_retire(grant->set, grant);
}

/* The reason is told later, when it is given back. */
static void note_unreadable(struct grant *grant, const struct error *why)
{
    free(grant->unreadable);
    grant->unreadable = why != NULL ? xstrdup(why->message) : NULL;
    grant->finish_by_us = clock_now_us() + FINISH_MS * MS_US;
}

/* What is delivered above the checkpoint comes again from the next owner. */
static void count_unsaved(struct grant *grant)
{
    struct tracker_mark mark = {0};
    (void)tracker_checkpoint(grant->tracker, &mark);
    int64_t done = mark.offset.n > 0 ? mark.sequence : grant->resume_sequence;
    if (grant->saved_sequence != INHERIT_NONE && done > grant->saved_sequence)
        grant->node->counts.delivered_unsaved += (uint64_t)(done - grant->saved_sequence);
}

static void count_hand_over(struct grant *grant, const struct ownership_edge *edge)
{
    uint64_t *counts = grant->node->counts.hand_overs;
    if (edge->event == OWNERSHIP_REVOKED) {
        counts[HAND_OVER_LOST]++;
        count_unsaved(grant);
    } else if (edge->event == OWNERSHIP_RELEASED) {
        counts[edge->from == OWNERSHIP_DECLINING ? HAND_OVER_DECLINED : HAND_OVER_PLANNED]++;
    } else if (edge->to == OWNERSHIP_KEEPING && edge->event == OWNERSHIP_OVERDUE) {
        counts[HAND_OVER_CALLED_OFF]++;
    }
}

void grant_step(struct grant *grant, enum ownership_event event, const struct error *why)
{
    const struct ownership_edge *edge = ownership_step(grant->state, event);
    if (edge == NULL)
        return;
    if (event == OWNERSHIP_UNREADABLE)
        note_unreadable(grant, why);
    struct log_field fields[] = {F_TEXT("hub", grant->hub_name),
                                 F_TEXT("partition", grant->partition),
                                 F_NUMBER("token", grant->token),
                                 F_TEXT("from", ownership_state_name(edge->from)),
                                 F_TEXT("to", ownership_state_name(edge->to)),
                                 {.key = NULL}};
    log_failure(grant->node->log, why != NULL ? LOG_WARNING : LOG_INFO, edge->sentence, why,
                fields);
    grant->state = edge->to;
    count_hand_over(grant, edge);
    carry_out(grant, edge->actions, why);
}

/* Credit counts messages; what is already asked for may still be many bytes. While the tracker is
 * full in bytes it stays in the reader's window, which is bounded. */
static void hold_reader(struct grant *grant)
{
    bool full = tracker_bytes(grant->tracker) >= grant->byte_ceiling;
    if (grant->reader == NULL || grant->stopping || grant->held == full)
        return;
    grant->held = full;
    source_hold(grant->reader, full);
}

/* ---- from the reader ---------------------------------------------------------------------- */

void grant_opened(struct grant *grant)
{
    grant_step(grant, OWNERSHIP_OPENED, NULL);
}

void grant_message(struct grant *grant, const struct source_message *message)
{
    struct node_parts *node = grant->node;
    if (grant->outstanding > 0)
        grant->outstanding--;
    if (message->last_sequence >= 0) {
        grant->last_sequence = message->last_sequence;
        grant->last_enqueued_ms = message->last_enqueued_ms;
    }
    if (grant->state != OWNERSHIP_READING || grant->overflowed)
        return;
    heartbeats_read(grant->beats, message);
    grant->attempts = 0;
    node->counts.events_received++;
    node->counts.bytes_received += message->wire_bytes;
    if (node->discard) {
        if (grant->outstanding < DISCARD_WINDOW / 2) {
            source_credit(grant->reader, DISCARD_WINDOW - grant->outstanding);
            grant->outstanding = DISCARD_WINDOW;
        }
        return;
    }
    uint64_t ticket = tracker_begin(grant->tracker, message->sequence, message->offset,
                                    message->enqueued_ms, message->wire_bytes);
    if (ticket != 0) {
        flow_message(node, grant, ticket, message);
        hold_reader(grant);
        return;
    }
    struct tracker_mark newest;
    if (tracker_newest(grant->tracker, &newest) && message->sequence <= newest.sequence) {
        node->counts.events_repeated++;
        return; /* it is on its way already */
    }
    /* More came than was asked for: reading anew from where we stand loses nothing. */
    grant->overflowed = true;
    log_warning(node->log, "the hub sends more than it may: opening the partition again",
                F_TEXT("hub", grant->hub_name), F_TEXT("partition", grant->partition),
                F_NUMBER("token", grant->token));
    source_stop(grant->reader);
}

/* The hub does not know the offset of the checkpoint. Nobody but an administrator can know whether
 * the log was made anew or the connection string is wrong, so the policy is theirs. */
static bool stops_at_bad_offset(const struct grant *grant, const struct error *why)
{
    const struct hub *hub = grant_hub(grant);
    if (hub != NULL && !hub_stops_at_invalid_offset(hub) && grant->resume_offset != NULL)
        return false;
    struct error told = *why;
    error_hint(&told, "If the hub was re-created, say where to read on with set_hub(..., "
                      "on_invalid_offset => 'earliest'); if not, check its connection string.");
    log_error(grant->node->log, "the checkpoint's offset does not exist in the log", &told,
              F_TEXT("hub", grant->hub_name), F_TEXT("partition", grant->partition),
              F_NUMBER("token", grant->token));
    struct pg_connection *work = membership_work(grant->node->membership);
    if (work != NULL && grant->attempts == 0)
        store_report_event(work, membership_key(grant->node->membership), "checkpoint",
                           grant->partition, &told);
    return true;
}

void grant_ended(struct grant *grant, enum source_end end, const struct error *why)
{
    static const enum ownership_event events[] = {[SOURCE_END_CLOSED] = OWNERSHIP_LOST,
                                                  [SOURCE_END_STOLEN] = OWNERSHIP_STOLEN,
                                                  [SOURCE_END_LOST] = OWNERSHIP_LOST,
                                                  [SOURCE_END_REFUSED] = OWNERSHIP_UNREADABLE,
                                                  [SOURCE_END_BAD_OFFSET] = OWNERSHIP_BAD_OFFSET,
                                                  [SOURCE_END_NOT_FOUND] = OWNERSHIP_UNREADABLE,
                                                  [SOURCE_END_BUSY] = OWNERSHIP_LOST,
                                                  [SOURCE_END_BAD_MESSAGE] = OWNERSHIP_LOST};
    grant->reader = NULL;
    grant->stopping = false;
    grant->outstanding = 0;
    if (grant->state == OWNERSHIP_ENDED) {
        grants_bury(grant->set, grant);
        return;
    }
    if (end == SOURCE_END_STOLEN) {
        grant->node->counts.stolen++;
        grant->stolen = true;
    }
    /* A hub that was made anew ends its readers too, and its new log has offsets of its own. */
    struct hub *hub = grant_hub(grant);
    if (end != SOURCE_END_CLOSED && hub != NULL && hub_is_up(hub)) {
        grant->verify_after_us = clock_now_us();
        hub_refresh(hub);
    }
    if (end == SOURCE_END_BAD_OFFSET && stops_at_bad_offset(grant, why)) {
        grant_step(grant, OWNERSHIP_LOST, why);
        return;
    }
    grant_step(grant, events[end], end == SOURCE_END_CLOSED ? NULL : why);
}

/* ---- progress ----------------------------------------------------------------------------- */

void grant_top_up(struct grant *grant)
{
    if (grant->state != OWNERSHIP_READING || grant->reader == NULL || grant->stopping ||
        grant->overflowed)
        return;
    uint32_t room = tracker_room(grant->tracker);
    if (room <= grant->outstanding)
        return;
    uint32_t more = room - grant->outstanding;
    /* Few large grants instead of many small ones: each is a frame on the wire. */
    if (grant->outstanding > 0 && more < room / CREDIT_STEPS)
        return;
    grant->outstanding += more;
    source_credit(grant->reader, more);
}

void grant_complete(struct grant *grant, uint64_t ticket)
{
    tracker_complete(grant->tracker, ticket);
    if (grant->held)
        hold_reader(grant);
    grant_top_up(grant);
}

struct hub *grant_hub(const struct grant *grant)
{
    return hubs_find(grant->node->hubs, grant->hub_name);
}

void grant_open_beats(struct grant *grant)
{
    struct beats_place place = {grant->hub_name, grant->partition_id, grant->token,
                                grant->resume_enqueued_ms};
    if (grant->beats == NULL)
        grant->beats = heartbeats_open(grant->node->heartbeats, &place);
}

void grant_look_for_silence(struct grant *grant, int64_t now_us)
{
    bool listening = grant->state == OWNERSHIP_READING && grant->reader != NULL &&
                     !grant->stopping && !grant->overflowed && !grant->held &&
                     grant->outstanding > 0 && membership_trusted(grant->node->membership, now_us);
    heartbeats_look(grant->beats, listening, now_us);
}

struct beats *grant_beats(const struct grant *grant)
{
    return grant->beats;
}

int grant_partition_id(const struct grant *grant)
{
    return grant->partition_id;
}

int64_t grant_token(const struct grant *grant)
{
    return grant->token;
}

void grant_free(struct grant *grant)
{
    heartbeats_close(grant->beats);
    tracker_free(grant->tracker);
    free(grant->hub_name);
    free(grant->partition);
    free(grant->resume_offset);
    free(grant->log);
    free(grant->unreadable);
    free(grant);
}
