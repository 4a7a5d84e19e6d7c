#pragma once
#include "db.h"
#include "world.h"

#include "store/coordination.h"

/* The database servers: one primary, another that may be promoted. Connections and backends, what
 * waits, what is lost in a crash. The tables and their rules are db.c. */

enum { SERVERS = 2, BACKENDS_MAX = 256, ASYNC_MAX = 4096 };

enum call_kind {
    CALL_SERVER,
    CALL_SCHEMA,
    CALL_JOIN,
    CALL_PING,
    CALL_LISTEN,
    CALL_LEAVE,
    CALL_WATCH,
    CALL_SWEEP,
    CALL_ASSIGNMENT,
    CALL_POLL,
    CALL_TEND,
    CALL_REPORT_HUB,
    CALL_RELEASE,
    CALL_KEEP,
    CALL_DECLINE,
    CALL_ABANDON,
    CALL_SAVE,
    CALL_LETTERS,
    CALL_RESOLVE,
    CALL_CONFIGURATION,
    CALL_REPORT,
    CALL_NOTHING /* events, replays: the model does not keep them */
};

struct call_row {
    int partition, row;
    int64_t token, sequence, enqueued_ms;
    enum db_saved outcome;
    bool filed; /* of a dead letter */
};

struct call_device {
    char name[24], thing[24];
};

/* One statement: what is asked and what is answered. Client and server hold it together. */
struct call {
    int references;
    enum call_kind kind;
    int pid; /* of the backend */
    int node;
    uint64_t key;
    struct db_join join;
    int partition, hub, count, timeout_ms;
    int64_t token, created_ms;
    int hub_state[DB_HUBS];
    struct call_row *rows;
    struct call_device *devices;
    /* The answer. */
    enum db_error error;
    bool cancelled; /* by statement_timeout */
    bool yes;
    int64_t number;
    const char *text;
    struct db_session session;
    struct db_partition assigned[DB_PARTITIONS];
    struct db_checkpoint checkpoints[DB_PARTITIONS];
    int assigned_ids[DB_PARTITIONS];
    int assigned_n, incarnation, timeline;
    int64_t hub_created[DB_HUBS];
    int64_t now_us;      /* of the server */
    int64_t executed_us; /* in true time */
    struct store_poll poll;
    void (*done)(void); /* of the kind's own type */
    void *ctx;
};

void call_release(struct call *call);
/* store.c: gives the answer to whoever asked; `err` when there is none. */
void call_answer(struct call *call, const struct error *err);
void call_error(const struct call *call, struct error *err);
bool call_failed(const struct call *call);

struct backend {
    int pid, node;
    uint32_t life; /* of the node */
    bool alive, busy;
    bool listening;
    bool gone; /* the client's end of the connection was closed */
    int64_t idle_since_us, idle_timeout_us, statement_timeout_us, arrival_us;
    int session;          /* whose lock it holds */
    struct call *waiting; /* for a lock */
    int waits_for;        /* session */
    int64_t waits_until_us;
};

struct async_write {
    int partition;
    int64_t at_us;
    struct db_checkpoint before;
};

struct server {
    int index;
    bool up, primary;
    struct db db;
    struct db_tables standby; /* what the other one would begin with */
    struct async_write async[ASYNC_MAX];
    int async_n;
    int64_t frozen_until_us, wall_offset_us;
    int slow;
    int64_t highest_told; /* the highest token that a reply carried */
};

struct servers {
    struct world *world;
    struct server server[SERVERS];
    struct backend *backends[BACKENDS_MAX];
    int owner[BACKENDS_MAX];           /* server of each backend */
    struct pg_connection *connections; /* the clients' ends */
    int backend_n, last_pid;
    bool synchronous; /* the standby confirms each commit */
    int notify_loss;  /* percent */
    int refuse;       /* connections are refused, percent */
};

struct servers *servers_create(struct world *w, const struct db_settings *settings);
void servers_free(struct servers *s);

/* Faults. */
void servers_crash(struct servers *s, int64_t down_us, bool clean);
/* The standby takes over; the old one stays for `split_us` (0: it is dead). */
void servers_fail_over(struct servers *s, int64_t split_us);
void servers_terminate(struct servers *s, int node, int which);
struct server *servers_primary(struct servers *s); /* the one on the highest timeline; or NULL */
/* An administrator's change on the primary. */
void servers_change(struct servers *s, void (*change)(struct db *db, int a, int b), int a, int b);

/* server.c, for servers.c. */
void backend_end(struct servers *s, struct server *server, struct backend *backend,
                 const char *why);
void backend_tell_lost(struct servers *s, struct server *server, const struct backend *backend);
void backend_forget(struct servers *s, struct backend *backend);
/* What a statement leads to besides its answer. */
void server_after_commit(struct servers *s, struct server *server, const struct call *call);

/* calls.c: carries the statement out. False: it waits for a lock. */
bool call_execute(struct servers *s, struct server *server, struct backend *backend,
                  struct call *call, bool patient);
bool call_commits_synchronously(const struct call *call);

/* server.c, for store.c. */
struct pg_connection;
struct call *call_new(struct pg_connection *pg, enum call_kind kind, const char *key, void *done,
                      void *ctx);
void call_submit(struct pg_connection *pg, struct call *call);
