#pragma once
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What of one partition is on its way, and how far everything before is done: the checkpoint is
 * the contiguous completed prefix. Events are begun in the order of their sequence numbers and
 * completed in any order. What is completed beyond a hole takes no room, however long the hole
 * lasts: a device that waits for the database does not stop the others of its partition. */
struct tracker;

/* A place in the partition's log. The offset is opaque text, borrowed from the tracker until it
 * is next changed. */
struct tracker_mark {
    struct slice offset;
    int64_t sequence;
    int64_t enqueued_ms;
};

/* Holds at most max_events (at least 1) that are open. max_bytes of them stops asking for more, but
 * what comes nevertheless is still taken. */
struct tracker *tracker_create(uint32_t max_events, size_t max_bytes);
void tracker_free(struct tracker *t);
/* Changes the ceilings; what is held already stays. */
void tracker_set_limits(struct tracker *t, uint32_t max_events, size_t max_bytes);

/* Begins behind a place up to which everything is completed, but not saved; for a tracker that has
 * not taken up anything yet. */
void tracker_begin_behind(struct tracker *t, const struct tracker_mark *mark);

/* Takes an event up and returns its ticket (never 0, never used again). 0, and nothing is changed,
 * if the sequence is not above the newest one's (it is on its way already) or the tracker is full,
 * which a peer that keeps to tracker_room cannot cause. */
uint64_t tracker_begin(struct tracker *t, int64_t sequence, struct slice offset,
                       int64_t enqueued_ms, size_t bytes);
/* The event is delivered or dead-lettered. A ticket that is no longer known (completed, cut off or
 * from before a reset) changes nothing. */
void tracker_complete(struct tracker *t, uint64_t ticket);

/* Gives the end of the completed prefix. True if it is past what was last taken. */
bool tracker_checkpoint(const struct tracker *t, struct tracker_mark *mark);
/* The checkpoint up to the mark is saved. */
void tracker_taken(struct tracker *t, const struct tracker_mark *mark);
/* What was saved may be lost, so it is to be saved again. */
void tracker_untaken(struct tracker *t);
/* Gives the newest event that is held, or the end of the prefix: where reading goes on. False if
 * there was none since creation or reset. */
bool tracker_newest(const struct tracker *t, struct tracker_mark *mark);

/* Gives the oldest event that is not completed. False if there is none. */
bool tracker_oldest(const struct tracker *t, struct tracker_mark *mark);

uint32_t tracker_in_flight(const struct tracker *t); /* events not yet completed */
uint32_t tracker_held(const struct tracker *t);      /* the same with the runs of completed ones */
size_t tracker_bytes(const struct tracker *t);       /* and their bytes */
/* How many more events may be on their way to us, credit already granted included. */
uint32_t tracker_room(const struct tracker *t);
/* The highest sequence completed since creation or reset; INT64_MIN if none. */
int64_t tracker_highest_completed(const struct tracker *t);

/* Forgets the events above a sequence. For a planned hand-over: the caller has made sure that none
 * of them is completed or may yet be (see lanes_touched), so that the successor starts with them.
 */
void tracker_cut(struct tracker *t, int64_t above_sequence);
/* Forgets everything, checkpoint included. */
void tracker_reset(struct tracker *t);
