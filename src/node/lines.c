#include "node/lines.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "base/random.h"
#include "node/instruments.h"
#include "node/survey.h"
#include "pg/connection.h"
#include "store/coordination.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CONNECT_TIMEOUT_MS = 3000,
    STATEMENT_TTLS = 3,
    SETTING_TEXT = 16,
    LOOK_EVERY_MS = 30000, /* with nothing amiss; the others cost each host a short connection */
    LOOK_AGAIN_MS = 1000
};

/* The order in which a pooler is asked again who answers. One that hands out the backend that was
 * free last, or the one that was free for longest, cannot get both directions right. */
static const enum line again[] = {LINE_WORK,  LINE_WATCH, LINE_LEASE,
                                  LINE_LEASE, LINE_WATCH, LINE_WORK};
enum { AGAIN = sizeof again / sizeof again[0] };

/* One connection, with what its handlers need to know. */
struct line_state {
    struct lines *all;
    struct pg_connection *pg;
    int pid; /* 0 until it has answered */
};

struct lines {
    struct lines_config config;
    struct lines_handlers handlers;
    struct line_state line[LINES];
    struct survey *survey;
    struct primary_place joined;
    int64_t look_at_us, look_sent_us, looked_us; /* what a look tells is as old as its beginning */
    bool seeking;                                /* the survey looks for a host to connect to */
    bool looking;                                /* it looks whether another one is further */
    int asked_again;                             /* how many of `again` have answered */
};

static void on_found(void *ctx, const struct pg_host *host, const struct primary_place *place);
static void on_none(void *ctx, const struct error *why);

struct lines *lines_create(const struct lines_config *config, struct lines_handlers handlers)
{
    struct lines *lines = xcalloc(1, sizeof *lines);
    lines->config = *config;
    lines->handlers = handlers;
    for (int i = 0; i < LINES; i++)
        lines->line[i].all = lines;
    struct survey_config survey = {.base = config->base,
                                   .dns = config->dns,
                                   .log = config->log,
                                   .database = config->database,
                                   .node = config->node};
    lines->survey = survey_create(
        &survey, (struct survey_handlers){.ctx = lines, .found = on_found, .none = on_none});
    return lines;
}

void lines_free(struct lines *lines)
{
    if (lines == NULL)
        return;
    lines_close(lines);
    survey_free(lines->survey);
    free(lines);
}

static void on_answer(void *ctx, int64_t pid, const struct error *err);

static void ask(struct lines *all, enum line which)
{
    struct line_state *line = &all->line[which];
    int ttl_ms = all->config.ttl_ms;
    char statement[SETTING_TEXT], transaction[SETTING_TEXT];
    (void)snprintf(statement, sizeof statement, "%d", STATEMENT_TTLS * ttl_ms);
    (void)snprintf(transaction, sizeof transaction, "%d", ttl_ms);
    /* The start-up options have said it; a pooler may have dropped them. The lease's own time-out
     * must stand where no SET can reach it, so `join` checks that one. */
    store_line(line->pg,
               &(struct store_line){.statement_timeout = statement,
                                    .transaction_timeout = transaction,
                                    .session_timeout = which == LINE_LEASE ? NULL : "0"},
               on_answer, line);
}

static bool behind_pooler(const struct lines *all)
{
    for (int i = 0; i < LINES; i++)
        if (all->line[i].pid != pg_backend_pid(all->line[i].pg))
            return true;
    return false;
}

static void refuse_pooler(struct lines *all)
{
    struct error why;
    error_set(&why, "a pooler in transaction mode stands before the database");
    error_detail(&why, "the backends behind the three connections change or are shared");
    error_hint(&why, "A lease is a session of the database: connect directly, or set pool_mode = "
                     "session for this database and user.");
    all->handlers.lost(all->handlers.ctx, &why);
}

static void on_answer(void *ctx, int64_t pid, const struct error *err)
{
    struct line_state *line = ctx;
    struct lines *all = line->all;
    if (err != NULL) {
        if (err->code[0] != '\0')
            all->handlers.lost(all->handlers.ctx, err);
        return; /* else the connection's own handler says it */
    }
    bool known = line->pid != 0;
    if (known && line->pid != (int)pid) {
        refuse_pooler(all);
        return;
    }
    line->pid = (int)pid;
    all->asked_again += known;
    for (int i = 0; i < LINES; i++) {
        if (all->line[i].pid == 0)
            return;
        if (&all->line[i] != line && all->line[i].pid == line->pid) {
            refuse_pooler(all);
            return;
        }
    }
    if (all->asked_again < AGAIN && behind_pooler(all))
        ask(all, again[all->asked_again]);
    else
        all->handlers.up(all->handlers.ctx);
}

static void on_up(void *ctx)
{
    struct line_state *line = ctx;
    ask(line->all, (enum line)(line - line->all->line));
}

static void on_lost(void *ctx, const struct error *why)
{
    const struct line_state *line = ctx;
    line->all->handlers.lost(line->all->handlers.ctx, why);
}

static void on_notified(void *ctx, const char *payload)
{
    const struct line_state *line = ctx;
    line->all->handlers.notified(line->all->handlers.ctx, payload);
}

/* Answers on the watch come late on purpose. */
static struct metric *round_trip(const struct lines *lines, enum line which)
{
    if (which == LINE_WATCH)
        return NULL;
    return instrument(lines->config.metrics,
                      which == LINE_LEASE ? INSTRUMENT_LEASE_RENEWAL : INSTRUMENT_ROUND_TRIP, NULL);
}

static void open_at(struct lines *lines, const struct pg_host *host)
{
    static const char *const names[LINES] = {"lease", "watch", "work"};
    int ttl_ms = lines->config.ttl_ms;
    lines->asked_again = 0;
    for (int i = 0; i < LINES; i++) {
        struct line_state *line = &lines->line[i];
        char application[96], options[192];
        (void)snprintf(application, sizeof application, "holdfast %s %s", lines->config.node,
                       names[i]);
        /* Of the three only the lease connection must speak to live; the others must not be able
         * to hang for ever in a transaction or a statement. The server wakes up to look for a
         * client that died in the middle of a statement, and once more after every short one: not
         * oftener than it would end a silent lease, because a sweep ends these backends anyway. */
        (void)snprintf(options, sizeof options,
                       "-c idle_session_timeout=%d -c idle_in_transaction_session_timeout=%d"
                       " -c statement_timeout=%d -c client_connection_check_interval=%d",
                       i == LINE_LEASE ? ttl_ms : 0, ttl_ms, STATEMENT_TTLS * ttl_ms, ttl_ms);
        struct pg_settings settings = {.conninfo = lines->config.database,
                                       .application_name = application,
                                       .options = options,
                                       .host = host,
                                       .round_trip = round_trip(lines, (enum line)i),
                                       .connect_timeout_us = CONNECT_TIMEOUT_MS * MS_US};
        struct pg_handlers handlers = {.ctx = line,
                                       .up = on_up,
                                       .lost = on_lost,
                                       .notified = i == LINE_WORK ? on_notified : NULL};
        line->pid = 0;
        line->pg =
            pg_open(lines->config.base, lines->config.dns, &settings, handlers, lines->config.log);
    }
}

/* ---- which host --------------------------------------------------------------------------- */

static void looked(struct lines *lines, const struct error *why)
{
    int64_t now = clock_now_us();
    lines->looking = false;
    lines->looked_us = lines->look_sent_us;
    int64_t half = LOOK_EVERY_MS * MS_US / 2;
    lines->look_at_us = now + half + (int64_t)random_below(lines->config.random, (uint64_t)half);
    lines->handlers.looked(lines->handlers.ctx, why);
}

static void on_found(void *ctx, const struct pg_host *host, const struct primary_place *place)
{
    struct lines *lines = ctx;
    if (lines->looking) {
        if (!primary_newer(&lines->joined, place)) {
            looked(lines, NULL);
            return;
        }
        struct error why;
        primary_explain(place, &lines->joined, &why);
        survey_saw(lines->survey, place);
        looked(lines, &why);
        return;
    }
    lines->seeking = false;
    if (place != NULL)
        survey_saw(lines->survey, place);
    open_at(lines, host);
}

static void on_none(void *ctx, const struct error *why)
{
    struct lines *lines = ctx;
    if (lines->looking) {
        looked(lines, NULL);
        return;
    }
    lines->seeking = false;
    lines->handlers.lost(lines->handlers.ctx, why);
}

void lines_open(struct lines *lines)
{
    lines->seeking = true;
    survey_look(lines->survey, false);
}

bool lines_joined(struct lines *lines, const struct primary_place *place, struct error *why)
{
    const struct primary_place *known = survey_known(lines->survey);
    if (primary_left_behind(known, place)) {
        primary_explain(known, place, why);
        return false;
    }
    survey_saw(lines->survey, place);
    lines->joined = *place;
    lines->looked_us = 0;
    lines->look_at_us = clock_now_us() + LOOK_EVERY_MS * MS_US;
    return true;
}

bool lines_looked_since(struct lines *lines, int64_t since_us)
{
    if (!survey_has_choice(lines->survey) || lines->looked_us > since_us)
        return true;
    int64_t soon = lines->looked_us + LOOK_AGAIN_MS * MS_US;
    if (soon < lines->look_at_us)
        lines->look_at_us = soon;
    return false;
}

void lines_tick(struct lines *lines, int64_t now_us)
{
    if (lines->looking || now_us < lines->look_at_us || !survey_has_choice(lines->survey))
        return;
    lines->looking = true;
    lines->look_sent_us = now_us;
    survey_look(lines->survey, true);
}

void lines_close(struct lines *lines)
{
    survey_cancel(lines->survey);
    lines->seeking = lines->looking = false;
    for (int i = 0; i < LINES; i++) {
        struct pg_connection *pg = lines->line[i].pg;
        lines->line[i].pg = NULL;
        lines->line[i].pid = 0;
        pg_close(pg);
    }
}

struct pg_connection *lines_get(const struct lines *lines, enum line which)
{
    return lines->line[which].pg;
}

static void on_given_up(void *ctx, const struct error *err)
{
    struct lines *all = ctx;
    struct error changed;
    if (err != NULL && err->code[0] == '\0')
        return; /* the connection's own handler says it */
    error_set(&changed, "another backend answers on the lease connection");
    error_hint(&changed, "A pooler in transaction mode stands between: connect directly, or set "
                         "pool_mode = session.");
    all->handlers.lost(all->handlers.ctx, &changed);
}

void lines_give_up(struct lines *lines, const char *key)
{
    store_leave(lines->line[LINE_WORK].pg, key, on_given_up, lines);
}

int lines_backend_pid(const struct lines *lines, enum line which)
{
    return lines->line[which].pid;
}
