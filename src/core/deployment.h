#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* What `holdfast check` makes of a database: facts that were read from it go in, findings come out,
 * each with what is wrong, why it matters, and what to do. */

enum finding_level { FINDING_OK, FINDING_WARNING, FINDING_ERROR };
/* "ok", "warning", "error" */
const char *finding_level_name(enum finding_level level);

typedef void (*finding_fn)(void *ctx, enum finding_level level, const char *subject,
                           const struct error *what);

/* Texts are borrowed and never NULL. */
struct server_facts {
    int version; /* as server_version_num has it */
    const char *version_text;
    bool read_only, unix_socket;

    const char *login;
    bool superuser;
    bool node, owner;                /* has the rights of holdfast_node, of holdfast_owner */
    bool owner_exists, owner_serves; /* the latter: may see and end backends */
    bool extension;                  /* btree_gist */
    bool schema;
    const char *missing_functions; /* of the protocol, that the login may not call */
    bool writes_tables, diagnoses; /* the latter: may call diagnose() */

    const char *synchronous_commit, *standby_names, *wal_level;
    bool fsync, full_page_writes, track_activities;
    int64_t max_connections, reserved_connections, used_connections;
    int64_t login_limit, database_limit; /* of connections; -1: none */
    int64_t max_locks;
    int64_t keepalive_idle_s, keepalive_interval_s, keepalive_count, user_timeout_ms;
};
void deployment_server(const struct server_facts *facts, int64_t ttl_ms, finding_fn found,
                       void *ctx);

/* What was seen on the lease's own connection. */
struct lease_facts {
    int64_t ttl_ms;
    int64_t timeout_ms, reset_timeout_ms; /* idle_session_timeout: now, and after a RESET */
    int64_t round_trip_us, worst_us;      /* the middle one, and the longest */
};
void deployment_lease(const struct lease_facts *facts, finding_fn found, void *ctx);
