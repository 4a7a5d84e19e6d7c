#pragma once
#include "base/error.h"
#include "core/verbosity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What administrators have set with holdfast.set_hub and its like: one immutable copy of it,
 * replaced as a whole when it changes. Secrets are named here, never held. */

struct pg_connection;
struct mapping;
struct mapping_rule;
struct heartbeat_rule;

struct destination_config {
    char *name;
    char **base_urls;
    size_t base_url_count;
    char *app_key_secret;
    unsigned max_in_flight;
    int request_timeout_ms;
    unsigned max_rows;
    size_t max_bytes;
    int linger_ms;
    bool bulk;     /* by the bulk service where ThingWorx has it */
    bool adaptive; /* as few requests on the wire as suffice, at most max_in_flight */
    unsigned max_rows_per_second; /* 0: no limit */
    int failed_after_s;
    int64_t restarts;                             /* counts the calls of restart_destination */
    char *ca_secret, *certificate_secret, *proxy; /* NULL: none */
};

struct fleet_config {
    char *name, *destination;
    char *time_member;          /* NULL: the hub's enqueued time is the value's time */
    struct mapping_rule *rules; /* for the payloads; texts are the configuration's */
    size_t rule_count;
    struct mapping *mapping;                /* of them, with its scratch; NULL: there are none */
    char *create_template, *create_project; /* of Things that are missing; NULL: none is made */
    struct heartbeat_rule *heartbeats;
    size_t heartbeat_count;
};

/* What to do when the hub says that the offset of a checkpoint does not exist. */
enum invalid_offset { INVALID_OFFSET_STOP, INVALID_OFFSET_EARLIEST, INVALID_OFFSET_LATEST };

struct hub_config {
    char *name, *fleet, *connection_secret, *consumer_group;
    char *ca_secret; /* NULL: the system's certificate authorities */
    char *proxy;     /* NULL: none */
    bool start_at_latest;
    int64_t start_ms;       /* begin at this enqueued time; -1: see start_at_latest */
    int64_t start_sequence; /* begin at this sequence number; -1: the same */
    bool new_log_latest;    /* where the new log of a re-created hub is begun */
    enum invalid_offset on_invalid_offset;
    bool enabled;
};

struct configuration {
    int64_t version;
    struct verbosity_wish log_level; /* of this node alone */
    struct destination_config *destinations;
    size_t destination_count;
    struct fleet_config *fleets;
    size_t fleet_count;
    struct hub_config *hubs;
    size_t hub_count;
};

/* Reads the JSON of holdfast.configuration. NULL and `err` when it is not what it must be: a list
 * or a promised member is missing, or of another type. Caller frees. */
struct configuration *configuration_parse(const char *json, struct error *err);
void configuration_free(struct configuration *configuration);

const struct fleet_config *configuration_fleet(const struct configuration *c, const char *name);
const struct destination_config *configuration_destination(const struct configuration *c,
                                                           const char *name);

/* The callback owns the configuration. */
typedef void (*store_configuration_fn)(void *ctx, struct configuration *configuration,
                                       const struct error *err);
void store_configuration(struct pg_connection *pg, const char *key, store_configuration_fn done,
                         void *ctx);
