#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the status page shows of the whole cluster: holdfast.status_page(), read into rows. A number
 * that is not known is -1, a text that is not known NULL. Ages are in milliseconds, and were right
 * when the database answered. */

struct pg_connection;
struct json_object;

enum { CLUSTER_ROWS = 20 }; /* of each list at most */

struct cluster_node {
    const char *name, *state, *version;
    bool leader;
    int64_t partitions, events_per_second, in_flight, stall_ms, rss_kib, report_ms, since_ms;
};

struct cluster_partition {
    const char *hub, *partition, *owner, *state;
    int64_t lag_events, lag_ms;
};

struct cluster_hub {
    const char *name, *fleet, *problem;
    bool enabled;
    int64_t partitions, owned, up, down;
};

struct cluster_destination {
    const char *name, *state, *reason, *delivered;
    int64_t nodes, ok;
};

struct cluster_reason {
    const char *reason;
    int64_t count;
};

struct cluster_event {
    const char *kind, *text;
    int64_t ago_ms;
};

struct cluster_finding {
    const char *severity, *subject, *error, *detail, *hint;
};

/* Each list holds some, of `total`. */
struct cluster {
    struct json_object *json; /* whose texts the others are */
    const char *leader;
    int64_t leader_since_ms, incarnation_ms;
    int64_t nodes_total, nodes_live, versions, events_per_second;
    struct cluster_node *nodes;
    size_t node_count;
    int64_t partitions_total, owned, moving, paused, held, without_owner, lag_events, lag_ms;
    struct cluster_partition *partitions;
    size_t partition_count;
    int64_t hubs_total;
    struct cluster_hub *hubs;
    size_t hub_count;
    int64_t destinations_total;
    struct cluster_destination *destinations;
    size_t destination_count;
    int64_t letters_waiting;
    bool more_letters; /* than were counted */
    struct cluster_reason *reasons;
    size_t reason_count;
    struct cluster_event *events;
    size_t event_count;
    int64_t findings_total; /* -1: not asked for */
    struct cluster_finding *findings;
    size_t finding_count;
};

/* NULL, with err set, if it is no object. Members that are missing or of another type are not
 * known.
 */
struct cluster *cluster_parse(const char *json, struct error *err);
void cluster_free(struct cluster *cluster);

/* The callee owns the cluster; NULL when `err` is set. */
typedef void (*store_status_page_fn)(void *ctx, struct cluster *cluster, const struct error *err);

/* `findings`: with those of diagnose(). */
void store_status_page(struct pg_connection *pg, bool findings, store_status_page_fn done,
                       void *ctx);
