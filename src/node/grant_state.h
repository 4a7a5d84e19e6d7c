#pragma once
#include "core/inherit.h"
#include "core/ownership.h"
#include "core/tracker.h"
#include "node/parts.h"
#include "source/source.h"

#include <stdbool.h>
#include <stdint.h>

/* Private to grants.c, grant.c and grants_save.c. */

struct grants;
struct hub;

struct grant {
    struct owner owner; /* first: see parts.h */
    struct node_parts *node;
    struct grants *set;
    int partition_id, generation;
    char *log; /* of which the offsets are; NULL: not known */
    int64_t
        verify_after_us; /* only metadata read since then prove that the log is still that one */
    bool abandoned;      /* its offset did not exist: the hub's policy says where to read on */
    char *hub_name, *partition;
    int64_t token;
    enum ownership_state state;

    struct source_reader *reader;
    struct tracker *tracker;
    struct beats *beats;  /* of the heartbeat rules; NULL: there are none */
    uint32_t outstanding; /* credit granted and not yet used */
    char *resume_offset;  /* where to read on when the tracker knows nothing; NULL: start_ms */
    int64_t start_ms;     /* an administrator's choice, 0: the start of the log; -1: start policy */
    int64_t resume_sequence, resume_enqueued_ms; /* of that offset; INHERIT_NONE without it */
    int64_t began_sequence;                      /* of the checkpoint that it was granted with */
    int64_t lettered_sequence;                   /* the highest of which a dead letter is stored */
    int64_t saved_sequence;                      /* of the last checkpoint that was saved */

    unsigned attempts;
    int64_t openable_at_us;   /* back-off */
    int64_t move_deadline_us; /* 0: none */
    int64_t created_us;
    int64_t decline_at_us; /* when a hub that stays away makes us give the partition back */
    int64_t finish_by_us;  /* of what we cannot read: when it goes back, whatever is under way */
    char *unreadable;      /* why it goes back; NULL: it does not */
    int64_t doubted_us;    /* since when the database is asked */
    int64_t ask_at_us;     /* in doubt: when to ask again */
    bool stolen;           /* the source said so: a stale primary would confirm it all the same */
    int64_t last_sequence, last_enqueued_ms;
    bool stopping; /* the reader was asked to stop */
    bool overflowed;
    bool held;           /* the tracker is full in bytes: what was asked for stays in the window */
    size_t byte_ceiling; /* of events in flight */
    bool parked;         /* drained and saved, for a clean stop */
    bool assigned;
    struct grant *next, *prev;
};

enum { ENDED_KEPT = 64 };

/* A grant that ended, so that an answer of the database that was asked for before cannot bring it
 * back to life. */
struct ended {
    int partition_id;
    int64_t token, at_us;
};

struct grants {
    struct node_parts *node;
    struct grant *list;
    struct grant *retired; /* ended, but the reader has not let go yet */
    size_t count;
    struct ended ended[ENDED_KEPT];
    size_t ended_at;
    bool saving;
    int64_t save_at_us;
    struct metric *batch_size;
};

struct grant *grants_find(struct grants *g, int partition_id, int64_t token);

/* Takes the edge of core/ownership, logs it and carries it out. The grant may be freed. */
void grant_step(struct grant *grant, enum ownership_event event, const struct error *why);
/* Begins where the former grant of the same partition stands, if that is sound: core/inherit. */
void grant_inherit(struct grant *grant, struct grant *former);
/* Takes part in the heartbeat rules, if there are any. */
void grant_open_beats(struct grant *grant);
/* Says of which Things nothing has been heard for too long. */
void grant_look_for_silence(struct grant *grant, int64_t now_us);
/* Asks for more messages when enough room has come free. */
void grant_top_up(struct grant *grant);
void grant_free(struct grant *grant);
/* A grant that ended is taken out of the set; it lives on until its reader has let go. */
void grants_retire(struct grants *g, struct grant *grant);
/* The reader of a retired grant has let go: frees it. */
void grants_bury(struct grants *g, struct grant *grant);
/* Saves all checkpoints that have moved, now. */
void grants_save(struct grants *g);
