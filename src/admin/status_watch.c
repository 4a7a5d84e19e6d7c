#include "admin/status_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "pg/connection.h"
#include "store/status_page.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TICK_MS = 250,
    EVERY_MS = 1000,
    SHARE = 10, /* of the time may be spent on an answer: a tenth */
    FINDINGS_EVERY_MS = 15000,
    FINDINGS_AGAIN_MS = 120000, /* after they took too long */
    FRESH_FOR_MS = 10000,       /* after the last look */
    OPEN_FOR_MS = 30000,
    CONNECT_MS = 3000,
    CONNECT_AGAIN_MS = 2000,
    STATEMENT_MS = 5000,
    GIVE_UP_MS = 8000,
};

struct status_watch {
    struct event_base *base;
    struct evdns_base *dns;
    const char *database, *node;
    struct log *log;
    struct event *timer;
    struct pg_connection *pg; /* NULL: closed */
    struct cluster *cluster, *findings;
    int64_t at_us; /* of the cluster */
    int64_t looked_us, asked_us, ask_at_us, connect_at_us, findings_at_us;
    bool ticking, up, asking, asked_findings;
    bool failed;
    struct error problem;
};

static void fail(struct status_watch *w, const struct error *why)
{
    w->failed = true;
    w->problem = *why;
}

static void close_connection(struct status_watch *w)
{
    struct pg_connection *pg = w->pg;
    w->pg = NULL; /* first: closing answers what was asked */
    w->up = w->asking = false;
    pg_close(pg);
}

static void on_up(void *ctx)
{
    struct status_watch *w = ctx;
    w->up = true;
}

static void on_lost(void *ctx, const struct error *why)
{
    struct status_watch *w = ctx;
    if (w->pg == NULL)
        return;
    if (!w->failed)
        log_failure(w->log, LOG_WARNING, "the status page does without the database", why, NULL);
    fail(w, why);
    w->connect_at_us = clock_now_us() + CONNECT_AGAIN_MS * MS_US;
    close_connection(w);
}

static void open_connection(struct status_watch *w)
{
    char application[96], options[160];
    (void)snprintf(application, sizeof application, "holdfast %s page", w->node);
    (void)snprintf(options, sizeof options,
                   "-c statement_timeout=%d -c idle_in_transaction_session_timeout=%d",
                   STATEMENT_MS, STATEMENT_MS);
    struct pg_settings settings = {.conninfo = w->database,
                                   .application_name = application,
                                   .options = options,
                                   .connect_timeout_us = CONNECT_MS * MS_US};
    w->pg = pg_open(w->base, w->dns, &settings,
                    (struct pg_handlers){.ctx = w, .up = on_up, .lost = on_lost}, w->log);
}

static void on_answer(void *ctx, struct cluster *cluster, const struct error *err)
{
    struct status_watch *w = ctx;
    int64_t now = clock_now_us(), took = now - w->asked_us;
    if (w->pg == NULL) { /* it is being closed */
        cluster_free(cluster);
        return;
    }
    w->asking = false;
    w->ask_at_us =
        w->asked_us + (took * SHARE > EVERY_MS * MS_US ? took * SHARE : EVERY_MS * MS_US);
    if (err != NULL) {
        if (err->code[0] == '\0')
            return; /* the connection's own handler says it */
        if (w->asked_findings)
            w->findings_at_us = now + FINDINGS_AGAIN_MS * MS_US;
        fail(w, err);
        return;
    }
    w->failed = false;
    w->at_us = now;
    if (w->cluster != w->findings)
        cluster_free(w->cluster);
    w->cluster = cluster;
    if (w->asked_findings) {
        cluster_free(w->findings);
        w->findings = cluster;
        w->findings_at_us = now + FINDINGS_EVERY_MS * MS_US;
    }
}

static void ask(struct status_watch *w, int64_t now_us)
{
    w->asking = true;
    w->asked_us = now_us;
    w->asked_findings = now_us >= w->findings_at_us;
    store_status_page(w->pg, w->asked_findings, on_answer, w);
}

/* A server that stands still answers nothing, not even that it takes too long. */
static void give_up(struct status_watch *w, int64_t now_us)
{
    struct error why;
    error_set(&why, "the database has not answered");
    (void)error_hint(&why, "Look at its load, and at the network to it.");
    w->connect_at_us = now_us + CONNECT_AGAIN_MS * MS_US;
    fail(w, &why);
    close_connection(w);
}

static void go_on(struct status_watch *w, int64_t now_us)
{
    if (w->asking && now_us - w->asked_us > GIVE_UP_MS * MS_US)
        give_up(w, now_us);
    if (now_us - w->looked_us < FRESH_FOR_MS * MS_US) {
        if (w->pg == NULL && now_us >= w->connect_at_us)
            open_connection(w);
        if (w->up && !w->asking && now_us >= w->ask_at_us)
            ask(w, now_us);
    } else if (w->pg != NULL && now_us - w->looked_us > OPEN_FOR_MS * MS_US) {
        close_connection(w);
    }
}

static void tick_again(struct status_watch *w)
{
    struct timeval again = {.tv_usec = TICK_MS * MS_US};
    event_add(w->timer, &again);
    w->ticking = true;
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct status_watch *w = ctx;
    int64_t now = clock_now_us();
    (void)fd;
    (void)what;
    go_on(w, now);
    w->ticking = false;
    if (w->pg != NULL || now - w->looked_us < FRESH_FOR_MS * MS_US)
        tick_again(w);
}

struct status_watch *status_watch_create(struct event_base *base, struct evdns_base *dns,
                                         const char *database, const char *node, struct log *log)
{
    struct status_watch *w = xcalloc(1, sizeof *w);
    *w = (struct status_watch){
        .base = base, .dns = dns, .database = database, .node = node, .log = log};
    w->timer = evtimer_new(base, on_tick, w);
    return w;
}

void status_watch_free(struct status_watch *w)
{
    if (w == NULL)
        return;
    close_connection(w);
    event_free(w->timer);
    if (w->findings != w->cluster)
        cluster_free(w->findings);
    cluster_free(w->cluster);
    free(w);
}

void status_watch_look(struct status_watch *w, int64_t now_us)
{
    w->looked_us = now_us;
    go_on(w, now_us);
    if (!w->ticking)
        tick_again(w);
}

const struct cluster *status_watch_cluster(const struct status_watch *w, int64_t *at_us)
{
    *at_us = w->at_us;
    return w->cluster;
}

const struct cluster *status_watch_findings(const struct status_watch *w)
{
    return w->findings;
}

const struct error *status_watch_problem(const struct status_watch *w)
{
    return w->failed ? &w->problem : NULL;
}
