#pragma once
#include "base/random.h"
#include "core/pool.h"
#include "core/pulse.h"

#include <stdbool.h>
#include <stdint.h>

/* What the modules of a node share. Each module owns its part and is reached through its own
 * header; nobody looks into another's. */

struct event_base;
struct evdns_base;
struct log;
struct metrics;
struct membership;
struct configuration;
struct hubs;
struct grants;
struct destinations;
struct binder;
struct office;
struct payload;
struct replays;
struct heartbeats;

/* How a partition left this node, or did not. */
enum hand_over {
    HAND_OVER_PLANNED,    /* drained, saved and released to its successor */
    HAND_OVER_STOPPED,    /* the same, as this node stops */
    HAND_OVER_DECLINED,   /* given back, as this node does not reach or may not read the hub */
    HAND_OVER_CALLED_OFF, /* not drained before the deadline of the move: it stayed */
    HAND_OVER_LOST,       /* another session has it without our doing */
    HAND_OVERS
};
/* Reasons of dead letters, as the database knows them. */
enum letter_reason {
    LETTER_UNBOUND,
    LETTER_UNPARSABLE,
    LETTER_REFUSED,
    LETTER_TOO_LARGE,
    LETTER_REASONS
};

extern const char *const letter_reasons[LETTER_REASONS];
extern const char *const hand_over_names[HAND_OVERS];

struct node_counts {
    uint64_t events_received, bytes_received, events_skipped, events_repeated, events_delivered,
        values_delivered;
    uint64_t dead_letters, dead_letters_dropped, dropped_unsent, checkpoints_saved,
        checkpoints_refused;
    uint64_t requests, requests_retried, requests_unknown, values_again, replays_delivered;
    uint64_t takeovers, delivered_unsaved, stolen, wakeups, joins;
    uint64_t heartbeats_heard, heartbeats_lost, things_created, properties_added;
    uint64_t hand_overs[HAND_OVERS], letters_by_reason[LETTER_REASONS];
};

struct node_parts {
    struct event_base *base;
    struct evdns_base *dns;
    struct log *log;
    struct metrics *metrics; /* may be NULL */
    int64_t wall_ms;         /* wall clock of this turn of the loop, for what is only shown */
    struct random random;
    const char *name;
    const char *secrets_folder;
    int64_t token_lifetime_s;
    bool discard;            /* receive, settle and throw away: for measuring the source alone */
    bool stopping;           /* finishing what was begun, then leaving */
    struct pulse pulse;      /* after a gap nothing goes out before the grants are confirmed */
    struct payload *payload; /* scratch of the translation */
    struct pool parcels;     /* their memory; outlives all of them */
    struct membership *membership;
    struct configuration *configuration; /* NULL before the first one */
    struct hubs *hubs;
    struct grants *grants;
    struct destinations *destinations;
    struct binder *binder;
    struct office *office;
    struct replays *replays;
    struct heartbeats *heartbeats;
    struct node_counts counts;
};

/* Whose a parcel is: the first member of everything that parcel->partition may point to. */
enum owner_kind { OWNER_GRANT, OWNER_REPLAY, OWNER_HEARTBEAT };
struct owner {
    enum owner_kind kind;
};
