#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/process.h"
#include "node/destination.h"
#include "node/grant_view.h"
#include "node/hubs.h"
#include "node/parts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One connector node: all its parts on one loop. */
struct node;

struct node_config {
    const char *database; /* connection string, everything libpq understands */
    const char *name;
    const char *secrets_folder; /* NULL: secrets come from the environment only */
    int ttl_ms;
    int capacity;
    int drain_ms;             /* how long a clean stop may take */
    int64_t token_lifetime_s; /* of the tokens for hubs; 0: an hour */
    int autonomy_ms;          /* how long to go on without the database */
    int schema_version;
    const char *schema_digest;
    bool discard;
    struct metrics *metrics; /* histograms are made in it; borrowed, may be NULL */
};

/* `base` must have two priorities: the node's heartbeat runs before all I/O. The texts of
 * `config` are borrowed for the node's life. `finished` is called once, when a stop is done. */
struct node *node_start(struct event_base *base, struct evdns_base *dns,
                        const struct node_config *config, struct log *log,
                        void (*finished)(void *ctx), void *ctx);
/* Stops reading, finishes what is in flight, saves, leaves; then `finished`. */
void node_stop(struct node *node);
/* Reads the secrets anew and uses those that have changed; happens by itself every ten seconds. */
void node_reload(struct node *node);
/* One level more in the log, or less. */
void node_log_more(struct node *node, bool more);
void node_free(struct node *node);

/* Whether the node trusts its lease; if not, why. */
bool node_ready(const struct node *node, struct buffer *why);

/* What a metrics page or a status page shows. */
struct node_snapshot {
    struct node_counts counts;
    const char *name, *session_state;
    int session_id;
    bool leader, trusted;
    int64_t leader_token;
    int64_t remaining_trust_us, ping_us, stall_max_us;
    size_t partitions, in_flight, bytes_in_flight, on_the_wire, bindings_cached, events_waiting,
        letters_waiting, letters_held, things_connected;
    size_t in_state[OWNERSHIP_ENDED + 1]; /* partitions, by the state of their grant */
    int64_t lag_events, lag_max_ms;       /* of all partitions together; of the worst */
    int64_t events_per_second;
    uint64_t log_lines[LOG_LEVELS], log_untold;
    struct process_figures process;
};
void node_snapshot(const struct node *node, struct node_snapshot *snapshot);

/* Calls back for each partition, destination and hub of the node; any may be NULL. */
struct node_visitor {
    void *ctx;
    void (*partition)(void *ctx, const struct grant_view *view);
    void (*destination)(void *ctx, const struct destination_view *view);
    void (*hub)(void *ctx, const struct hub_view *view);
};
void node_visit(const struct node *node, const struct node_visitor *visitor);
