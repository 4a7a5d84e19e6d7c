#pragma once
#include "base/error.h"

#include <stdbool.h>

/* The three connections of a node to the database, opened and closed together: the lease holds
 * the lock and must speak to live, the watch waits for the predecessor, the work does the rest. */

struct event_base;
struct evdns_base;
struct log;
struct pg_connection;
struct lines;

enum line { LINE_LEASE, LINE_WATCH, LINE_WORK, LINES };

struct lines_config {
    struct event_base *base;
    struct evdns_base *dns;
    struct log *log;
    const char *database, *node;
    int ttl_ms;
};

struct lines_handlers {
    void *ctx;
    void (*up)(void *ctx); /* all three */
    void (*lost)(void *ctx, const struct error *why);
    void (*notified)(void *ctx, const char *payload);
};

/* The texts of `config` are borrowed. */
struct lines *lines_create(const struct lines_config *config, struct lines_handlers handlers);
void lines_free(struct lines *lines);
void lines_open(struct lines *lines);
/* Closes all three; what waits for an answer gets an error from inside. */
void lines_close(struct lines *lines);
/* NULL while closed. */
struct pg_connection *lines_get(const struct lines *lines, enum line which);
