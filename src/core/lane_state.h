#pragma once
#include "core/bisect.h"
#include "core/due.h"
#include "core/hash_index.h"
#include "core/lane.h"
#include "core/lane_group.h"
#include "core/poison.h"

/* What lane.c, lane_loss.c and lane_table.c share; nobody else looks in. */

/* A lane is on the list `ready`, in the heap `waiting`, or on the wire and in neither. */
enum lane_state { LANE_IS_READY, LANE_IS_WAITING, LANE_IS_ON_THE_WIRE };

struct lane {
    struct lanes *lanes;
    uint64_t hash; /* of the Thing's name */
    enum lane_state state;
    struct lane *next, *prev; /* while ready */
    struct due due;           /* while waiting */
    struct parcel *parcels;   /* a list; all have rows to send or on the wire */
    struct parcel *last;      /* of them, if there are any */
    uint32_t rows;
    uint32_t wire_rows; /* the first of them */
    size_t body_n;      /* size of the request on the wire; 0: one of many Things in it */
    struct bisect bisect;
    unsigned attempts;
    int64_t refused_since;
    struct slice thing;
    size_t room; /* for a name */
    char name[];
};

struct lanes {
    struct lane_limits limits;
    struct lane_handlers handlers;
    size_t body_max; /* what the destination has shown to take, up to limits.max_bytes */
    struct hash_index by_thing;
    struct lane *spare; /* used again before memory is asked for; linked by next */
    struct lane *ready;
    struct due_heap waiting;
    struct poisons poisons;
    struct lane_groups groups;
    struct parcel
        *lost; /* parcels of abandoned partitions that are still out, linked as in a group */
    struct lanes_counts counts;
};

/* Takes the lane out of where its state has put it. */
void lane_depart(struct lanes *lanes, struct lane *lane);
/* The Thing's lane; NULL if it has none. */
struct lane *lane_find(const struct lanes *lanes, const struct lane_key *key);
/* A lane without rows, which is in no state yet. */
struct lane *lane_create(struct lanes *lanes, const struct lane_key *key);
void lane_free(struct lanes *lanes, struct lane *lane);
/* All of them, at the end. */
void lane_free_all(struct lanes *lanes);
/* The parcel's rows from `from` on are not to be sent. */
void lane_cut_rows(struct parcel *parcel, uint32_t from);
/* Takes a parcel with nothing on the wire out of its lane, and frees it unless a refused row of it
 * is still out. */
void lane_remove_parcel(struct lanes *lanes, struct parcel *parcel);
