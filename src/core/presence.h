#pragma once
#include "base/slice.h"
#include "core/due.h"
#include "core/lane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

/* Which Things of one partition are heard of, for heartbeat rules.
 *
 * Silence is measured on the partition's own time: the newest enqueued time that was read, and on
 * from there for as long as the reader listens and nothing is left to read. So an outage of ours, a
 * backlog, or a reader that is held back silences nobody, and no clock is compared with another's.
 *
 * The database keeps a row for each Thing that may be known as connected. Whoever reads the
 * partition next begins with these rows, and takes their Things for heard of just now: the worst
 * that a hand-over does is to say "disconnected" late, and "connected" once more. */

enum presence_state {
    PRESENCE_LOADED,  /* taken over: "connected" is said again with its next event */
    PRESENCE_HEARD,   /* "connected" has been said under this grant */
    PRESENCE_TELLING, /* "disconnected" is on its way */
    PRESENCE_SILENT   /* that was accepted: forgotten when its row is gone */
};

struct presence_entry {
    UT_hash_handle hh;
    struct due due; /* in milliseconds of the partition's time, at the earliest; while heard of */
    enum presence_state state;
    uint64_t round; /* counts what is told, so that an answer is known again */
    int64_t last_ms, silence_ms;
    uint64_t property;                  /* hash of the one that was told */
    uint64_t epoch;                     /* in which it was wanted, or not */
    bool wanted, stored;                /* whether there should be a row, and whether there is */
    bool sending;                       /* a write is on its way */
    bool listed;                        /* among the pending */
    struct presence_entry *prev, *next; /* of the pending */
    struct slice thing, device, module; /* point behind the struct */
};

struct presence {
    struct presence_entry *by_thing;
    struct due_heap due;
    struct presence_entry *pending; /* rows to write or delete */
    int64_t time_ms;                /* the partition's time; PRESENCE_NO_TIME: nothing read yet */
    int64_t listened_us;            /* up to when listening has been counted; 0: not listening */
    int64_t rest_us;                /* listened, but less than a millisecond */
    uint64_t epoch;                 /* of what becomes pending: the caller's to raise */
    bool caught_up;
    size_t count;
};

#define PRESENCE_NO_TIME INT64_MIN

struct presence_source {
    struct slice device, module;
};

/* `time_ms`: of the checkpoint; PRESENCE_NO_TIME if there is none. */
void presence_init(struct presence *p, int64_t time_ms);
void presence_free(struct presence *p);

/* An event was read; caught_up: nothing is known to be behind it. */
void presence_read(struct presence *p, int64_t enqueued_ms, bool caught_up);
/* From time to time: whether a reader is open that would bring what comes. */
void presence_listen(struct presence *p, bool listening, int64_t now_us);

/* The Thing; NULL if it is not heard of. */
struct presence_entry *presence_find(struct presence *p, const struct lane_key *thing);
/* An event of the Thing. Returns its entry, made anew if need be. */
struct presence_entry *presence_heard(struct presence *p, const struct lane_key *thing,
                                      const struct presence_source *from, int64_t enqueued_ms,
                                      int64_t silence_ms);
/* Whether "connected" is to be said of it with this event; if so, takes it as said. `property` is
 * the hash of its name: another one is told anew. */
bool presence_tell(struct presence_entry *entry, uint64_t property);
/* A row of the database. */
void presence_load(struct presence *p, const struct lane_key *thing,
                   const struct presence_source *from, int64_t silence_ms);

/* The next Thing that has been silent for too long, its state TELLING from now on; NULL: none. */
struct presence_entry *presence_silent(struct presence *p);
/* "Disconnected" of that round was accepted, or cannot be. */
void presence_told(struct presence *p, const struct lane_key *thing, uint64_t round);

/* What was said may not have been delivered: all of it is said again, in its time. */
void presence_doubt(struct presence *p);
/* Nobody asks for it any more: its row goes. */
void presence_drop(struct presence *p, struct presence_entry *entry);
/* What the rule says now: how long it may be silent, and the hash of the property's name. */
void presence_allow(struct presence *p, struct presence_entry *entry, int64_t silence_ms,
                    uint64_t property);

/* The database may have lost what was written, and answers to what was on its way are void. */
void presence_unsaved(struct presence *p);
/* Whether rows that say "connected" became pending up to that epoch and are not written yet. A
 * checkpoint must not pass their events before. */
bool presence_has_unsaved(const struct presence *p, uint64_t epoch);
/* One whose row is to be written (`wanted`) or deleted, up to that epoch; NULL: none. It is on its
 * way from now on. */
struct presence_entry *presence_next_unsaved(struct presence *p, uint64_t epoch);
/* What became of that. May free the entry. */
void presence_saved(struct presence *p, struct presence_entry *entry, bool present, bool ok);
