#include "node/lines.h"

#include "base/clock.h"
#include "base/memory.h"
#include "pg/connection.h"

#include <stdio.h>
#include <stdlib.h>

enum { CONNECT_TIMEOUT_MS = 3000, STATEMENT_TTLS = 3 };

/* One connection, with what its handlers need to know. */
struct line_state {
    struct lines *all;
    struct pg_connection *pg;
    bool up;
};

struct lines {
    struct lines_config config;
    struct lines_handlers handlers;
    struct line_state line[LINES];
};

struct lines *lines_create(const struct lines_config *config, struct lines_handlers handlers)
{
    struct lines *lines = xcalloc(1, sizeof *lines);
    lines->config = *config;
    lines->handlers = handlers;
    for (int i = 0; i < LINES; i++)
        lines->line[i].all = lines;
    return lines;
}

void lines_free(struct lines *lines)
{
    if (lines == NULL)
        return;
    lines_close(lines);
    free(lines);
}

static void on_up(void *ctx)
{
    struct line_state *line = ctx;
    struct lines *all = line->all;
    line->up = true;
    for (int i = 0; i < LINES; i++)
        if (!all->line[i].up)
            return;
    all->handlers.up(all->handlers.ctx);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct line_state *line = ctx;
    line->up = false;
    line->all->handlers.lost(line->all->handlers.ctx, why);
}

static void on_notified(void *ctx, const char *payload)
{
    const struct line_state *line = ctx;
    line->all->handlers.notified(line->all->handlers.ctx, payload);
}

void lines_open(struct lines *lines)
{
    static const char *const names[LINES] = {"lease", "watch", "work"};
    int ttl_ms = lines->config.ttl_ms;
    for (int i = 0; i < LINES; i++) {
        struct line_state *line = &lines->line[i];
        char application[96], options[192];
        (void)snprintf(application, sizeof application, "holdfast %s %s", lines->config.node,
                       names[i]);
        /* Of the three only the lease connection must speak to live; the others must not be able
         * to hang for ever in a transaction or a statement. */
        (void)snprintf(options, sizeof options,
                       "-c idle_session_timeout=%d -c idle_in_transaction_session_timeout=%d"
                       " -c statement_timeout=%d",
                       i == LINE_LEASE ? ttl_ms : 0, ttl_ms, STATEMENT_TTLS * ttl_ms);
        struct pg_settings settings = {.conninfo = lines->config.database,
                                       .application_name = application,
                                       .options = options,
                                       .connect_timeout_us = CONNECT_TIMEOUT_MS * MS_US};
        struct pg_handlers handlers = {.ctx = line,
                                       .up = on_up,
                                       .lost = on_lost,
                                       .notified = i == LINE_WORK ? on_notified : NULL};
        line->up = false;
        line->pg =
            pg_open(lines->config.base, lines->config.dns, &settings, handlers, lines->config.log);
    }
}

void lines_close(struct lines *lines)
{
    for (int i = 0; i < LINES; i++) {
        struct pg_connection *pg = lines->line[i].pg;
        lines->line[i].pg = NULL;
        lines->line[i].up = false;
        pg_close(pg);
    }
}

struct pg_connection *lines_get(const struct lines *lines, enum line which)
{
    return lines->line[which].pg;
}
