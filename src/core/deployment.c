#include "core/deployment.h"

#include <inttypes.h>
#include <string.h>

enum {
    OLDEST_SERVER = 140000,
    CONNECTIONS_OF_A_NODE = 3,
    FEWEST_LOCKS = 64,
    LONGEST_SILENCE_S = 60, /* after which a server should have noticed that a host is gone */
    MS_US = 1000
};

const char *finding_level_name(enum finding_level level)
{
    static const char *const names[] = {"ok", "warning", "error"};
    return names[level];
}

/* Where findings go, and how many there were that are not ok. */
struct told {
    finding_fn found;
    void *ctx;
    int bad;
};

static void tell(struct told *told, enum finding_level level, const char *subject,
                 const struct error *what)
{
    told->bad += level != FINDING_OK;
    told->found(told->ctx, level, subject, what);
}

/* One that needs no figures in its message; NULL detail: none. */
static void say(struct told *told, enum finding_level level, const char *subject,
                const char *message, const char *detail, const char *hint)
{
    struct error what;
    error_set(&what, "%s", message);
    if (detail != NULL)
        error_detail(&what, "%s", detail);
    if (hint != NULL)
        error_hint(&what, "%s", hint);
    tell(told, level, subject, &what);
}

/* ---- the login ---------------------------------------------------------------------------- */

static void look_at_roles(const struct server_facts *f, struct told *told)
{
    const char *roles = "Run server/roles.sql once in this database, as a superuser.";
    if (!f->owner_exists)
        say(told, FINDING_ERROR, "roles", "the roles of Holdfast are missing", NULL, roles);
    else if (!f->owner_serves)
        say(told, FINDING_ERROR, "roles", "holdfast_owner may not see or end other backends",
            "Without that nobody can bury what a dead node has left behind.", roles);
    if (!f->extension)
        say(told, FINDING_ERROR, "roles", "the extension btree_gist is missing",
            "The history of leases and partitions needs it.", roles);
}

static void look_at_login(const struct server_facts *f, struct told *told)
{
    struct error what;
    if (!f->node) {
        error_set(&what, "%s is not a member of holdfast_node", f->login);
        error_hint(&what, "GRANT holdfast_node TO the role of the nodes; migrate and "
                          "administrators have roles of their own.");
        tell(told, FINDING_ERROR, "login", &what);
        return;
    }
    if (f->superuser || f->owner || f->writes_tables) {
        error_set(&what, "%s may do more than a node needs", f->login);
        error_detail(&what, "It %s.",
                     f->superuser ? "is a superuser"
                     : f->owner   ? "is a member of holdfast_owner"
                                  : "may write tables of the schema");
        error_hint(&what, "Give nodes a login that is a member of holdfast_node and of nothing "
                          "else.");
        tell(told, FINDING_WARNING, "login", &what);
    }
    if (f->schema && f->missing_functions[0] != '\0') {
        error_set(&what, "%s may not call all functions of the protocol", f->login);
        error_detail(&what, "Not these: %s.", f->missing_functions);
        error_hint(&what, "Give the login INHERIT, or run `holdfast migrate` if rights were "
                          "changed by hand.");
        tell(told, FINDING_ERROR, "login", &what);
    }
}

/* ---- settings ----------------------------------------------------------------------------- */

static void look_at_durability(const struct server_facts *f, struct told *told)
{
    struct error what;
    const char *hint = "Set it to on in postgresql.conf and reload.";
    if (!f->fsync)
        say(told, FINDING_ERROR, "fsync", "it is off",
            "A power cut can destroy the database, or give a token twice, which breaks the fence.",
            hint);
    if (!f->full_page_writes)
        say(told, FINDING_ERROR, "full_page_writes", "it is off",
            "A power cut can leave torn pages: tables are lost.", hint);
    if (!f->track_activities)
        say(told, FINDING_ERROR, "track_activities", "it is off",
            "No node can join: the server does not show which backend is whose.", hint);
    if (strcmp(f->synchronous_commit, "off") == 0 ||
        (f->standby_names[0] != '\0' && strcmp(f->synchronous_commit, "local") == 0)) {
        error_set(&what, "it is %s", f->synchronous_commit);
        error_detail(&what, "%s can forget configuration and bindings that were confirmed.",
                     f->standby_names[0] != '\0' ? "A fail-over" : "A crash of the server");
        error_hint(&what, "%s", hint);
        tell(told, FINDING_WARNING, "synchronous_commit", &what);
    }
    if (strcmp(f->wal_level, "minimal") == 0)
        say(told, FINDING_WARNING, "wal_level", "it is minimal",
            "No standby can follow, and no base backup can be rolled forward.",
            "Set wal_level = replica and restart the server.");
}

static void look_at_room(const struct server_facts *f, struct told *told)
{
    struct error what;
    int64_t all = f->max_connections - f->reserved_connections, left = all - f->used_connections;
    if (left < CONNECTIONS_OF_A_NODE || left * 10 < all) {
        error_set(&what, "the server is about to run out of connections");
        error_detail(&what, "%" PRId64 " of %" PRId64 " are in use; a node needs %d.",
                     f->used_connections, all, CONNECTIONS_OF_A_NODE);
        error_hint(&what, "Raise max_connections, or find out in pg_stat_activity who has them.");
        tell(told, left < CONNECTIONS_OF_A_NODE ? FINDING_ERROR : FINDING_WARNING,
             "max_connections", &what);
    }
    int64_t limit = f->login_limit >= 0 ? f->login_limit : f->database_limit;
    if (f->login_limit >= 0 && f->database_limit >= 0 && f->database_limit < limit)
        limit = f->database_limit;
    if (limit >= 0 && !f->superuser) {
        error_set(&what, "role or database allow %" PRId64 " connections", limit);
        error_detail(&what, "Each node holds %d for as long as it lives.", CONNECTIONS_OF_A_NODE);
        error_hint(&what, "ALTER ROLE or ALTER DATABASE ... CONNECTION LIMIT -1.");
        tell(told, limit < CONNECTIONS_OF_A_NODE ? FINDING_ERROR : FINDING_WARNING,
             "connection limit", &what);
    }
    if (f->max_locks < FEWEST_LOCKS) {
        error_set(&what, "it is %" PRId64, f->max_locks);
        error_detail(&what, "Dead letters lie in one table per week, and a statement locks them "
                            "all.");
        error_hint(&what, "Set max_locks_per_transaction = 64, the default, or more.");
        tell(told, FINDING_WARNING, "max_locks_per_transaction", &what);
    }
}

/* The server has to notice that a node's host is gone, also in the middle of an answer. */
static void look_at_network(const struct server_facts *f, int64_t ttl_ms, struct told *told)
{
    struct error what;
    int64_t silence_s = f->keepalive_idle_s + f->keepalive_interval_s * f->keepalive_count;
    if (f->unix_socket) {
        say(told, FINDING_WARNING, "network", "the database is reached by a unix socket",
            "No time-out ends a backend that waits for a frozen node to read there.",
            "Connect by TCP (host=127.0.0.1 on the same machine); a unix socket is for "
            "development.");
        return;
    }
    if (f->user_timeout_ms == 0 || f->user_timeout_ms > 6 * ttl_ms) {
        error_set(&what, "it is %" PRId64 " ms%s", f->user_timeout_ms,
                  f->user_timeout_ms == 0 ? ", the system's quarter of an hour" : "");
        error_detail(&what,
                     "A node that vanishes while the server sends to it keeps its lease of "
                     "%" PRId64 " ms for so long, unless the leader ends it.",
                     ttl_ms);
        error_hint(&what, "Set tcp_user_timeout = '5s' in postgresql.conf and reload.");
        tell(told, FINDING_WARNING, "tcp_user_timeout", &what);
    }
    if (silence_s > LONGEST_SILENCE_S) {
        error_set(&what, "a host that is gone is noticed after %" PRId64 " s", silence_s);
        error_detail(&what, "Leases end without it, but locks of its other connections stay.");
        error_hint(&what, "Set tcp_keepalives_idle = 2, _interval = 1, _count = 3 as in "
                          "server/postgresql.conf.");
        tell(told, FINDING_WARNING, "tcp_keepalives", &what);
    }
}

void deployment_server(const struct server_facts *facts, int64_t ttl_ms, finding_fn found,
                       void *ctx)
{
    struct told told = {.found = found, .ctx = ctx};
    struct error what;
    if (facts->version < OLDEST_SERVER) {
        error_set(&what, "PostgreSQL %s is too old", facts->version_text);
        error_detail(&what, "idle_session_timeout, which ends a lease, came with version 14.");
        error_hint(&what, "Upgrade the server.");
        tell(&told, FINDING_ERROR, "server", &what);
    }
    if (facts->read_only)
        say(&told, FINDING_ERROR, "server", "it takes no writes", NULL,
            "Connect to the primary; see default_transaction_read_only of role and database.");
    look_at_roles(facts, &told);
    look_at_login(facts, &told);
    if (!facts->schema)
        say(&told, FINDING_ERROR, "schema", "there is none", NULL, "Run `holdfast migrate`.");
    if (told.bad == 0) {
        error_set(&what, "%s may run a node, and nothing else", facts->login);
        tell(&told, FINDING_OK, "login", &what);
    }
    told.bad = 0;
    look_at_durability(facts, &told);
    look_at_room(facts, &told);
    look_at_network(facts, ttl_ms, &told);
    if (told.bad > 0)
        return;
    error_set(&what,
              "PostgreSQL %s; settings keep every promise; %" PRId64 " of %" PRId64
              " connections in use",
              facts->version_text, facts->used_connections,
              facts->max_connections - facts->reserved_connections);
    tell(&told, FINDING_OK, "server", &what);
}

/* ---- the lease ---------------------------------------------------------------------------- */

void deployment_lease(const struct lease_facts *f, finding_fn found, void *ctx)
{
    struct told told = {.found = found, .ctx = ctx};
    struct error what;
    int64_t ttl_us = f->ttl_ms * MS_US;
    if (f->timeout_ms != f->ttl_ms || f->reset_timeout_ms != f->ttl_ms) {
        error_set(&what, "idle_session_timeout is not the lease's time to live");
        error_detail(&what,
                     "It is %" PRId64 " ms, and %" PRId64 " ms after a RESET; --ttl-ms is %" PRId64
                     ".",
                     f->timeout_ms, f->reset_timeout_ms, f->ttl_ms);
        error_hint(&what,
                   "A pooler drops the start-up options of a node: ALTER ROLE ... SET "
                   "idle_session_timeout = %" PRId64 ", or connect directly.",
                   f->ttl_ms);
        tell(&told, FINDING_ERROR, "lease", &what);
    }
    /* A node pings every third of the TTL and stops trusting its lease a fifth before its end. */
    int64_t room_us = ttl_us - ttl_us / 3 - ttl_us / 5;
    if (f->worst_us > ttl_us / 10) {
        error_set(&what, "the database is too far away for a time to live of %" PRId64 " ms",
                  f->ttl_ms);
        error_detail(&what,
                     "Round trips took %.1f ms, the longest %.1f ms; a node loses trust in its "
                     "lease if one takes %.0f ms.",
                     (double)f->round_trip_us / MS_US, (double)f->worst_us / MS_US,
                     (double)room_us / MS_US);
        error_hint(&what,
                   "Raise --ttl-ms of all nodes (to %" PRId64 " at least), or bring nodes "
                   "and database closer together.",
                   f->worst_us * 10 / MS_US + 1);
        tell(&told, f->worst_us >= room_us ? FINDING_ERROR : FINDING_WARNING, "lease", &what);
    }
    if (told.bad > 0)
        return;
    error_set(&what, "time to live %" PRId64 " ms; a round trip takes %.1f ms, the longest %.1f ms",
              f->ttl_ms, (double)f->round_trip_us / MS_US, (double)f->worst_us / MS_US);
    tell(&told, FINDING_OK, "lease", &what);
}
