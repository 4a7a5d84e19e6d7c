#pragma once
#include "base/error.h"
#include "base/log.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct evdns_base;
struct metric;
struct pg_host;

/* One PostgreSQL connection on the loop. Nothing here blocks: names are resolved by evdns and
 * handed to libpq as hostaddr beside host (which TLS still verifies). Requests are queued and
 * answered in order, one on the wire at a time. A connection is never reset and reused: after
 * `lost` it is dead and only good for pg_close. */
struct pg_connection;

/* `result` is valid during the call only. On failure `result` is NULL and `err` is set: with the
 * server's SQLSTATE when it answered, with an empty code when the connection was lost. A commit
 * that was not replicated (SQLSTATE 01000) counts as failed: it is not acknowledged. */
typedef void (*pg_answer_fn)(void *ctx, const PGresult *result, const struct error *err);

struct pg_handlers {
    void *ctx;
    void (*up)(void *ctx);                            /* connected, writable server */
    void (*lost)(void *ctx, const struct error *why); /* could not connect, or lost it */
    void (*notified)(void *ctx, const char *payload); /* a NOTIFY arrived; may be NULL */
};

struct pg_settings {
    const char *conninfo;         /* everything libpq understands, several hosts too */
    const char *application_name; /* shown in pg_stat_activity */
    const char *options;          /* start-up options, added to those of conninfo; or NULL */
    const struct pg_host *host;   /* the one to connect to; NULL: as conninfo says */
    bool any_server;              /* also one that is read only, whatever conninfo says */
    int64_t connect_timeout_us;
    struct metric *round_trip; /* histogram of how long answers take; NULL: none */
};

/* Starts to connect; `up` or `lost` follows from the loop. Copies the settings. Never NULL. */
struct pg_connection *pg_open(struct event_base *base, struct evdns_base *dns,
                              const struct pg_settings *settings, struct pg_handlers handlers,
                              struct log *log);

/* Closes at once and frees. Requests that wait are answered with an error first, from inside. */
void pg_close(struct pg_connection *pg);

/* Queues one statement with text parameters (NULL = SQL null); everything is copied. The answer
 * comes from the loop, exactly once; on a dead connection it is an error, given at once. */
void pg_request(struct pg_connection *pg, const char *sql, int count, const char *const *values,
                pg_answer_fn answer, void *ctx);

bool pg_is_up(const struct pg_connection *pg);
size_t pg_queued(const struct pg_connection *pg);
/* The server process behind the connection, as libpq was told at start; 0 before `up`. */
int pg_backend_pid(const struct pg_connection *pg);

/* What of a connection string may be logged: hosts, ports, database and user, and nothing else, so
 * that no form of writing a password slips through. Caller frees. */
char *pg_scrub(const char *conninfo);
