#pragma once
#include "base/error.h"
#include "core/primary.h"

#include <stdbool.h>
#include <stdint.h>

/* The three connections of a node to the database, opened and closed together: the lease holds
 * the lock and must speak to live, the watch waits for the predecessor, the work does the rest.
 * All three go to one host of the connection string, the one that the survey has found.
 * Behind a pooler they are `up` only when it has shown that it keeps a backend for each of them. */

struct event_base;
struct evdns_base;
struct log;
struct metrics;
struct pg_connection;
struct random;
struct lines;

enum line { LINE_LEASE, LINE_WATCH, LINE_WORK, LINES };

struct lines_config {
    struct event_base *base;
    struct evdns_base *dns;
    struct log *log;
    struct random *random;
    const char *database, *node;
    int ttl_ms;
    struct metrics *metrics; /* may be NULL */
};

struct lines_handlers {
    void *ctx;
    void (*up)(void *ctx); /* all three */
    void (*lost)(void *ctx, const struct error *why);
    void (*notified)(void *ctx, const char *payload);
    /* The other hosts were looked at while the lines are open: one of them is further than the one
     * that was joined (`why` says so), or none is (NULL). */
    void (*looked)(void *ctx, const struct error *why);
};

/* The texts of `config` are borrowed. */
struct lines *lines_create(const struct lines_config *config, struct lines_handlers handlers);
void lines_free(struct lines *lines);
void lines_open(struct lines *lines);
/* Closes all three; what waits for an answer gets an error from inside. */
void lines_close(struct lines *lines);
/* The database that was joined; false when its timeline was left behind, as `why` says. */
bool lines_joined(struct lines *lines, const struct primary_place *place, struct error *why);
/* Were the other hosts looked at since then, or are there none? If not, they soon are, and `looked`
 * follows. They are looked at now and then in any case. */
bool lines_looked_since(struct lines *lines, int64_t since_us);
/* Starts a look that is due; call it often while joined. */
void lines_tick(struct lines *lines, int64_t now_us);
/* NULL while closed. */
struct pg_connection *lines_get(const struct lines *lines, enum line which);
/* Another backend answers on the lease's line: behind a pooler the one with the lock lives on
 * without its node. Ends the session by its key, then says `lost`. */
void lines_give_up(struct lines *lines, const char *key);
/* The server process that answers on a line, by its own word: a pooler makes up what libpq is told.
 * 0 before `up`. */
int lines_backend_pid(const struct lines *lines, enum line which);
