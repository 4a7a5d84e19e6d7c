#pragma once
#include "base/error.h"
#include "core/primary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The coordination protocol: one C function for each SQL function of sql/20_coordination. Each
 * queues one call on a connection; its callback comes from the loop with either the answer or an
 * error, never both. Rows and texts are valid during the callback only. */

struct pg_connection;

enum { SESSION_KEY_TEXT = 37, PROTOCOL_VERSION = 1 };

/* SQLSTATEs of the protocol (see sql/20_coordination). */
#define HF_NAME_IN_USE "HF001"
#define HF_SESSION_ENDED "HF002"
#define HF_NOT_LEADER "HF006"

struct store_join {
    const char *node;
    const char *previous_key; /* NULL: none */
    int64_t highest_token;
    int capacity, ttl_ms, watch_pid, work_pid;
};

struct store_joined {
    int session_id;
    char session_key[SESSION_KEY_TEXT];
    struct primary_place place;
    char incarnation[SESSION_KEY_TEXT];
};

struct store_assigned {
    int partition_id;
    const char *hub, *partition;
    int64_t token;
    bool releasing;           /* a planned move away: stop, drain, save, release */
    int deadline_ms;          /* for releasing: from now */
    const char *start_offset; /* NULL: nothing delivered yet, the hub's start policy decides */
    int64_t sequence;
    int64_t enqueued_ms; /* without an offset: begin at this time, 0: at the start; -1: none */
    const char *log; /* endpoint@created_ms of the log that the offset belongs to; may be NULL */
    int generation;  /* above 1: the log began anew, see on_new_log of the hub */
};

struct store_poll {
    int64_t config_version, assignment_version, binding_version, leader_token;
    int live_sessions;
    bool leader, replays;
};

typedef void (*store_done_fn)(void *ctx, const struct error *err);
typedef void (*store_joined_fn)(void *ctx, const struct store_joined *joined,
                                const struct error *err);
typedef void (*store_assignment_fn)(void *ctx, const struct store_assigned *rows, size_t count,
                                    const struct error *err);
typedef void (*store_poll_fn)(void *ctx, const struct store_poll *poll, const struct error *err);
typedef void (*store_text_fn)(void *ctx, const char *text, const struct error *err);
typedef void (*store_number_fn)(void *ctx, int64_t number, const struct error *err);
typedef void (*store_bool_fn)(void *ctx, bool yes, const struct error *err);

/* What version of the schema the database has: the highest migration and the digest of sql/. */
typedef void (*store_schema_fn)(void *ctx, int version, const char *digest,
                                const struct error *err);
void store_schema_version(struct pg_connection *pg, store_schema_fn done, void *ctx);
/* Whether the database, whose schema is another one, serves a build that ends at this migration;
 * `broken_by` is the migration that broke it, or NULL. */
typedef void (*store_serves_fn)(void *ctx, bool serves, const char *broken_by,
                                const struct error *err);
void store_schema_serves(struct pg_connection *pg, int version, const char *digest,
                         store_serves_fn done, void *ctx);

/* Time-outs of one connection, in milliseconds; session_timeout NULL leaves it as it is. */
struct store_line {
    const char *statement_timeout, *transaction_timeout, *session_timeout;
};
/* Sets them for as long as the connection lives, and gives the pid of the backend that answers. */
void store_line(struct pg_connection *pg, const struct store_line *line, store_number_fn done,
                void *ctx);
void store_join(struct pg_connection *pg, const struct store_join *join, store_joined_fn done,
                void *ctx);
/* Touches no relation: any answer of this backend proves that it still holds its lock. */
void store_ping(struct pg_connection *pg, store_number_fn done, void *ctx);
void store_listen(struct pg_connection *pg, store_done_fn done, void *ctx);
void store_leave(struct pg_connection *pg, const char *key, store_done_fn done, void *ctx);
void store_watch(struct pg_connection *pg, const char *key, int timeout_ms, store_text_fn done,
                 void *ctx);
void store_sweep(struct pg_connection *pg, const char *key, store_assignment_fn done, void *ctx);
void store_assignment(struct pg_connection *pg, const char *key, store_assignment_fn done,
                      void *ctx);
void store_poll(struct pg_connection *pg, const char *key, store_poll_fn done, void *ctx);
void store_tend(struct pg_connection *pg, const char *key, int64_t leader_token,
                store_number_fn done, void *ctx);

struct store_hub_report {
    const char *hub, *endpoint;
    int64_t created_ms;
    const char *const *partitions;
    size_t partition_count;
};
void store_report_hub(struct pg_connection *pg, const char *key, int64_t leader_token,
                      const struct store_hub_report *report, store_number_fn done, void *ctx);
void store_release(struct pg_connection *pg, const char *key, int partition_id, int64_t token,
                   store_bool_fn done, void *ctx);
void store_keep(struct pg_connection *pg, const char *key, int partition_id, int64_t token,
                const char *reason, store_bool_fn done, void *ctx);
void store_decline(struct pg_connection *pg, const char *key, int partition_id, int64_t token,
                   const char *reason, store_bool_fn done, void *ctx);
/* The offset of the checkpoint does not exist in the log: begins a new generation of the partition,
 * as the hub's policy says. False when there was nothing to abandon. */
void store_abandon_offset(struct pg_connection *pg, const char *key, int partition_id,
                          int64_t token, const char *reason, store_bool_fn done, void *ctx);
