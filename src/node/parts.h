#pragma once
#include "base/random.h"
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

struct node_counts {
    uint64_t events_received, events_skipped, events_delivered, values_delivered;
    uint64_t dead_letters, dead_letters_dropped, dropped_unsent, checkpoints_saved,
        checkpoints_refused;
    uint64_t requests, requests_retried, requests_unknown, replays_delivered;
    uint64_t takeovers, releases, stolen, wakeups;
};

struct node_parts {
    struct event_base *base;
    struct evdns_base *dns;
    struct log *log;
    struct random random;
    const char *name;
    const char *secrets_folder;
    int64_t token_lifetime_s;
    bool discard;            /* receive, settle and throw away: for measuring the source alone */
    bool stopping;           /* finishing what was begun, then leaving */
    struct pulse pulse;      /* after a gap nothing goes out before the grants are confirmed */
    struct payload *payload; /* scratch of the translation */
    struct membership *membership;
    struct configuration *configuration; /* NULL before the first one */
    struct hubs *hubs;
    struct grants *grants;
    struct destinations *destinations;
    struct binder *binder;
    struct office *office;
    struct replays *replays;
    struct node_counts counts;
};

/* Whose a parcel is: the first member of everything that parcel->partition may point to. */
enum owner_kind { OWNER_GRANT, OWNER_REPLAY };
struct owner {
    enum owner_kind kind;
};
