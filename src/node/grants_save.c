#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "node/grant_state.h"
#include "node/grants.h"
#include "node/heartbeats.h"
#include "node/membership.h"
#include "store/progress.h"

#include <stdlib.h>
#include <utlist.h>

/* The checkpoints of all partitions of the node, saved together. */

enum { SAVE_MS = 250 };

/* A batch on its way: its marks, as the trackers move on meanwhile. */
struct save {
    struct grants *set;
    size_t count;
    struct store_checkpoint rows[];
};

static void save_free(struct save *save)
{
    for (size_t i = 0; i < save->count; i++)
        free((void *)(uintptr_t)save->rows[i].offset.p);
    free(save);
}

static void saved_row(struct save *save, const struct store_checkpoint *asked,
                      enum store_saved outcome)
{
    struct grants *g = save->set;
    struct node_parts *node = g->node;
    struct grant *grant = grants_find(g, asked->partition_id, asked->token);
    if (grant == NULL)
        return;
    if (outcome == STORE_STALE_TOKEN) {
        node->counts.checkpoints_refused++;
        grant_step(grant, OWNERSHIP_REVOKED, NULL);
        return;
    }
    struct tracker_mark mark = {asked->offset, asked->sequence, asked->enqueued_ms};
    tracker_taken(grant->tracker, &mark);
    if (outcome == STORE_SAVED) {
        node->counts.checkpoints_saved++;
        grant->saved_sequence = asked->sequence;
        return;
    }
    node->counts.checkpoints_refused++;
    log_warning(node->log, "a checkpoint behind the stored one was refused",
                F_TEXT("hub", grant->hub_name), F_TEXT("partition", grant->partition),
                F_NUMBER("token", grant->token), F_NUMBER("sequence", asked->sequence));
}

/* Grants that wait for their last checkpoint go on when nothing of theirs is left to save. */
static void finish_saving(struct grants *g)
{
    struct grant *grant, *next;
    struct tracker_mark mark;
    DL_FOREACH_SAFE(g->list, grant, next)
    {
        if ((grant->state == OWNERSHIP_SAVING || grant->state == OWNERSHIP_STORING) &&
            !tracker_checkpoint(grant->tracker, &mark))
            grant_step(grant, OWNERSHIP_SAVED, NULL);
    }
}

/* Whether a grant that is handed over has a checkpoint which the last batch had not yet. */
static bool waits_to_save(const struct grants *g)
{
    const struct grant *grant;
    DL_FOREACH(g->list, grant)
    {
        if (grant->state == OWNERSHIP_SAVING)
            return true;
    }
    return false;
}

static void on_saved(void *ctx, const struct store_saved_row *rows, size_t count,
                     const struct error *err)
{
    struct save *save = ctx;
    struct grants *g = save->set;
    g->saving = false;
    if (err != NULL && strcmp(err->code, HF_SESSION_ENDED) == 0)
        membership_ended(g->node->membership);
    else if (err != NULL && err->code[0] != '\0')
        log_error(g->node->log, "could not save checkpoints", err);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < save->count; k++)
            if (save->rows[k].partition_id == rows[i].partition_id)
                saved_row(save, &save->rows[k], rows[i].outcome);
    save_free(save);
    if (err != NULL)
        return;
    finish_saving(g);
    /* Drained while this batch was on its way: it need not wait for the timer. */
    if (waits_to_save(g))
        grants_save(g);
}

/* Leaves out what a tracker has forgotten meanwhile: the partition's log is given up, and the call
 * that says so is on its way ahead of this one. Of the new log such a checkpoint would be wrong. */
static void save_prune(struct save *save)
{
    size_t kept = 0;
    for (size_t i = 0; i < save->count; i++) {
        const struct store_checkpoint *row = &save->rows[i];
        const struct grant *grant = grants_find(save->set, row->partition_id, row->token);
        struct tracker_mark now = {.sequence = INT64_MIN};
        if (grant != NULL)
            (void)tracker_checkpoint(grant->tracker, &now);
        if (now.sequence >= row->sequence)
            save->rows[kept++] = *row;
        else
            free((void *)(uintptr_t)row->offset.p);
    }
    save->count = kept;
}

/* What heartbeat rules know of these events is in the database: now the checkpoints may pass them.
 */
static void on_beats_saved(void *ctx, bool ok)
{
    struct save *save = ctx;
    struct grants *g = save->set;
    struct pg_connection *work = membership_work(g->node->membership);
    save_prune(save);
    if (ok && work != NULL && save->count > 0) {
        store_save_checkpoints(work, membership_key(g->node->membership), save->rows, save->count,
                               on_saved, save);
        return;
    }
    g->saving = false;
    save_free(save);
}

void grants_save(struct grants *g)
{
    struct pg_connection *work = membership_work(g->node->membership);
    if (g->saving || work == NULL || g->count == 0)
        return;
    struct save *save = xcalloc(1, sizeof *save + g->count * sizeof save->rows[0]);
    save->set = g;
    struct grant *grant;
    struct tracker_mark mark;
    DL_FOREACH(g->list, grant)
    {
        if (!tracker_checkpoint(grant->tracker, &mark))
            continue;
        save->rows[save->count++] = (struct store_checkpoint){
            .partition_id = grant->partition_id,
            .token = grant->token,
            .offset = {xstrndup(mark.offset.p, mark.offset.n), mark.offset.n},
            .sequence = mark.sequence,
            .enqueued_ms = mark.enqueued_ms};
    }
    g->save_at_us = clock_now_us() + SAVE_MS * MS_US;
    if (save->count == 0) {
        save_free(save);
        finish_saving(g);
        return;
    }
    g->saving = true;
    metric_observe(g->batch_size, (double)save->count);
    if (!heartbeats_save(g->node->heartbeats, on_beats_saved, save))
        on_beats_saved(save, true);
}

void grants_save_anew(struct grants *g)
{
    struct grant *grant;
    DL_FOREACH(g->list, grant)
    {
        tracker_untaken(grant->tracker);
    }
    /* Not at once: a save under a token that a fail-over has replaced ends the grant as stale. The
     * assignment is asked for now, and answered before what the next tick saves. */
    g->save_at_us = 0;
}
