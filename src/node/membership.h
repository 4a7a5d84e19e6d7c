#pragma once
#include "store/configuration.h"
#include "store/coordination.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A node's membership in the cluster: three connections, the lease, the watch of the predecessor,
 * the polls. Carries out what core/session decides. */

struct event_base;
struct evdns_base;
struct log;
struct metrics;
struct random;
struct membership;

struct membership_config {
    const char *database; /* connection string */
    const char *node;
    int ttl_ms;
    int capacity;
    int schema_version; /* of this build; a database with another one is refused */
    const char *schema_digest;
    struct metrics *metrics; /* may be NULL */
};

/* All come from the loop. */
struct membership_handlers {
    void *ctx;
    /* Joined: calls that carry the session key may be made on membership_work. */
    void (*live)(void *ctx);
    /* The lease is in doubt or lost: nothing is ours for sure until `live` comes again. */
    void (*doubt)(void *ctx);
    /* What this session owns, whole; rows valid during the call. */
    void (*assignment)(void *ctx, const struct store_assigned *rows, size_t count);
    /* A new configuration; the handler owns it. */
    void (*configuration)(void *ctx, struct configuration *configuration);
    void (*bindings_changed)(void *ctx);
    void (*replays_wanted)(void *ctx);
    void (*leader)(void *ctx, bool leader, int64_t token);
    /* A ping was answered that was sent after membership_confirm. */
    void (*confirmed)(void *ctx);
    void (*gone)(void *ctx); /* left, or gave up leaving: the last callback */
};

struct membership *membership_open(struct event_base *base, struct evdns_base *dns,
                                   const struct membership_config *config,
                                   struct membership_handlers handlers, struct random *random,
                                   struct log *log);
void membership_free(struct membership *m);

/* Looks after pings, polls, watch and back-off; call it often (every 50 ms or so). */
void membership_tick(struct membership *m, int64_t now_us);

/* The work connection while the session is live, else NULL. */
struct pg_connection *membership_work(const struct membership *m);
const char *membership_key(const struct membership *m); /* "" before the first join */
bool membership_trusted(const struct membership *m, int64_t now_us);
int64_t membership_remaining_trust_us(const struct membership *m, int64_t now_us);
bool membership_leads(const struct membership *m, int64_t now_us, int64_t *token);
const char *membership_state(const struct membership *m);
int membership_session_id(const struct membership *m);
/* Round trip of the last ping, microseconds. */
int64_t membership_ping_us(const struct membership *m);
/* How often the node polls and reports: see core/cadence.h. */
int64_t membership_cadence_us(const struct membership *m);

/* A grant with this token has been seen: join reports the highest, so that tokens only grow. */
void membership_saw_token(struct membership *m, int64_t token);
/* Asks for the assignment anew; several calls at once are one. */
void membership_refresh(struct membership *m);
/* When the answer that is being handled was asked for: what happened later is not in it. */
int64_t membership_asked_us(const struct membership *m);
/* Were the other hosts of the connection string looked at since then (always, when there are none)?
 * If not, they soon are: when one is on a newer timeline, the session is given up and joined there,
 * else the assignment is asked for anew. */
bool membership_looked_since(struct membership *m, int64_t since_us);
/* A call came back with "session ended". */
void membership_ended(struct membership *m);
/* Sends a ping now; `confirmed` follows, or `doubt`. */
void membership_confirm(struct membership *m, int64_t now_us);
/* Leaves: everything must be drained before. `gone` follows. */
void membership_leave(struct membership *m);
