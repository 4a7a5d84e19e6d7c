#include "pg/connection.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "pg/failure.h"
#include "pg/host_list.h"
#include "pg/resolve.h"
#include "pg/secure.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct request {
    char *sql;
    int count;
    char **values;
    pg_answer_fn answer;
    void *ctx;
    struct request *next, *prev;
};

struct pg_connection {
    struct event_base *base;
    struct evdns_base *dns;
    struct pg_handlers handlers;
    struct log *log;
    char *conninfo, *application_name, *options;
    struct pg_host host; /* NULLs: as conninfo says */
    bool any_server;
    struct pg_resolve *resolve;
    PGconn *conn;
    struct event *io, *deadline;
    struct request *queue; /* the first is on the wire when `busy` */
    PGresult *held;        /* its answer so far */
    size_t queued;
    struct metric *round_trip;
    int64_t sent_us; /* what is on the wire */
    bool up, dead, busy, not_replicated, in_callback, closing;
};

static void on_ready(evutil_socket_t fd, short what, void *ctx);

static void request_free(struct request *r)
{
    for (int i = 0; i < r->count; i++)
        free(r->values[i]);
    free(r->values);
    free(r->sql);
    free(r);
}

/* ---- endings ------------------------------------------------------------------------------ */

static void release(struct pg_connection *pg)
{
    if (pg->io != NULL)
        event_free(pg->io);
    pg->io = NULL;
    if (pg->deadline != NULL)
        event_free(pg->deadline);
    pg->deadline = NULL;
    PQclear(pg->held);
    pg->held = NULL;
    if (pg->conn != NULL)
        PQfinish(pg->conn);
    pg->conn = NULL;
}

/* Every request is answered exactly once, so that whoever asked can free what it holds. */
static void fail_requests(struct pg_connection *pg, const struct error *why)
{
    struct request *r, *next;
    DL_FOREACH_SAFE(pg->queue, r, next)
    {
        DL_DELETE(pg->queue, r);
        pg->queued--;
        if (r->answer != NULL)
            r->answer(r->ctx, NULL, why);
        request_free(r);
    }
}

static void die(struct pg_connection *pg, const struct error *why)
{
    if (pg->dead)
        return;
    pg->dead = true;
    pg->up = false;
    release(pg);
    bool outer = pg->in_callback;
    pg->in_callback = true;
    fail_requests(pg, why);
    if (!pg->closing)
        pg->handlers.lost(pg->handlers.ctx, why);
    pg->in_callback = outer;
}

static void die_of_libpq(struct pg_connection *pg, const char *what, const char *distrust)
{
    struct error err;
    char text[384];
    (void)snprintf(text, sizeof text, "%s%s", PQerrorMessage(pg->conn), distrust);
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
    error_set(&err, "%s", what);
    error_detail(&err, "%s", text);
    error_hint(&err, "%s",
               pg_failure_hint(text, "The node tries again by itself; check that the "
                                     "database is reachable."));
    die(pg, &err);
}

static void free_all(struct pg_connection *pg)
{
    free(pg->conninfo);
    free(pg->application_name);
    free(pg->options);
    free(pg->host.host);
    free(pg->host.hostaddr);
    free(pg->host.port);
    free(pg);
}

void pg_close(struct pg_connection *pg)
{
    if (pg == NULL)
        return;
    pg_resolve_cancel(pg->resolve);
    pg->resolve = NULL;
    struct error err;
    error_set(&err, "the database connection was closed");
    bool outer = pg->in_callback;
    pg->in_callback = true;
    pg->dead = true;
    pg->up = false;
    pg->closing = true;
    release(pg);
    fail_requests(pg, &err);
    pg->in_callback = outer;
    if (!outer)
        free_all(pg);
}

/* ---- answers ------------------------------------------------------------------------------ */

static void copy_field(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from != NULL ? from : "");
}

static void error_from_result(struct error *err, const PGresult *result)
{
    error_set(err, "%s", "");
    copy_field(err->message, sizeof err->message,
               PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    copy_field(err->detail, sizeof err->detail, PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
    copy_field(err->hint, sizeof err->hint, PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
    copy_field(err->code, sizeof err->code, PQresultErrorField(result, PG_DIAG_SQLSTATE));
    if (err->message[0] == '\0')
        copy_field(err->message, sizeof err->message, PQresultErrorMessage(result));
}

static void on_notice(void *ctx, const PGresult *notice)
{
    struct pg_connection *pg = ctx;
    const char *code = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
    /* "committed locally, but might not have been replicated": a warning to PostgreSQL, but to
     * a grant it means that a fail-over may forget it. */
    if (code != NULL && strcmp(code, "01000") == 0)
        pg->not_replicated = true;
    struct error err;
    error_from_result(&err, notice);
    log_failure(pg->log, LOG_DEBUG, "database notice", &err, NULL);
}

static void deliver(struct pg_connection *pg, PGresult *result)
{
    struct request *r = pg->queue;
    struct error err;
    ExecStatusType status = PQresultStatus(result);
    bool ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    if (!ok) {
        error_from_result(&err, result);
    } else if (pg->not_replicated) {
        ok = false;
        error_set(&err, "the commit was not acknowledged by the synchronous standby");
        error_hint(&err, "Check pg_stat_replication and synchronous_standby_names.");
        (void)snprintf(err.code, sizeof err.code, "01000");
    }
    pg->not_replicated = false;
    pg->busy = false;
    metric_observe(pg->round_trip, (double)(clock_now_us() - pg->sent_us) / SECOND_US);
    DL_DELETE(pg->queue, r);
    pg->queued--;
    if (r->answer != NULL)
        r->answer(r->ctx, ok ? result : NULL, ok ? NULL : &err);
    request_free(r);
    PQclear(result);
}

/* Takes what has arrived of the answer on the wire; true when it is whole. libpq ends an answer
 * with a NULL result, which may come in a later packet than the answer itself. */
static bool collect(struct pg_connection *pg)
{
    while (!PQisBusy(pg->conn)) {
        PGresult *result = PQgetResult(pg->conn);
        if (result == NULL)
            return pg->held != NULL;
        PQclear(pg->held);
        pg->held = result;
    }
    /* A FATAL error ends the connection without that NULL. */
    return pg->held != NULL && PQstatus(pg->conn) == CONNECTION_BAD;
}

static void read_notifications(struct pg_connection *pg)
{
    for (PGnotify *n = PQnotifies(pg->conn); n != NULL; n = PQnotifies(pg->conn)) {
        if (pg->handlers.notified != NULL)
            pg->handlers.notified(pg->handlers.ctx, n->extra);
        PQfreemem(n);
        if (pg->closing || pg->dead)
            return;
    }
}

static void read_answers(struct pg_connection *pg)
{
    if (PQconsumeInput(pg->conn) == 0 && !pg->busy) {
        die_of_libpq(pg, "the database connection was lost", "");
        return;
    }
    if (pg->busy && collect(pg)) {
        PGresult *whole = pg->held;
        pg->held = NULL;
        deliver(pg, whole);
    }
    if (pg->closing || pg->dead)
        return;
    read_notifications(pg);
    if (!pg->closing && !pg->dead && PQstatus(pg->conn) == CONNECTION_BAD)
        die_of_libpq(pg, "the database closed the connection", "");
}

/* ---- the socket --------------------------------------------------------------------------- */

static void wait_for(struct pg_connection *pg, short what)
{
    int fd = PQsocket(pg->conn);
    if (pg->io != NULL)
        event_free(pg->io);
    /* libpq changes its socket while it tries one host after the other. */
    pg->io = event_new(pg->base, fd, (short)(what | EV_PERSIST), on_ready, pg);
    event_add(pg->io, NULL);
}

static void flush(struct pg_connection *pg)
{
    int left = PQflush(pg->conn);
    if (left < 0) {
        die_of_libpq(pg, "the database connection was lost", "");
        return;
    }
    wait_for(pg, left > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void send_next(struct pg_connection *pg)
{
    struct request *r = pg->queue;
    if (pg->busy || r == NULL || !pg->up)
        return;
    int sent = PQsendQueryParams(pg->conn, r->sql, r->count, NULL, (const char *const *)r->values,
                                 NULL, NULL, 0);
    if (sent == 0) {
        die_of_libpq(pg, "the database connection was lost", "");
        return;
    }
    pg->busy = true;
    pg->sent_us = clock_now_us();
    if (PQflush(pg->conn) != 0)
        flush(pg);
}

/* A request from outside the loop's callbacks is sent from the loop, so that a failure to send
 * never calls `lost` from inside pg_request. */
static void kick(struct pg_connection *pg)
{
    if (pg->up && !pg->busy && pg->io != NULL)
        event_active(pg->io, EV_WRITE, 0);
}

static void became_up(struct pg_connection *pg)
{
    event_free(pg->deadline);
    pg->deadline = NULL;
    pg->up = true;
    (void)PQsetnonblocking(pg->conn, 1);
    (void)PQsetNoticeReceiver(pg->conn, on_notice, pg);
    wait_for(pg, EV_READ);
    pg->handlers.up(pg->handlers.ctx);
}

static void poll_connect(struct pg_connection *pg)
{
    struct ssl_st *tls = pg_tls_hold(pg->conn);
    PostgresPollingStatusType status = PQconnectPoll(pg->conn);
    const char *distrust = pg_tls_release(tls);
    switch (status) {
    case PGRES_POLLING_READING:
        wait_for(pg, EV_READ);
        break;
    case PGRES_POLLING_WRITING:
        wait_for(pg, EV_WRITE);
        break;
    case PGRES_POLLING_OK:
        became_up(pg);
        break;
    default:
        /* Where nobody verifies, there is a result too, but it is no reason. */
        if (distrust == NULL || strstr(PQerrorMessage(pg->conn), "verify failed") == NULL)
            distrust = "";
        die_of_libpq(pg, "could not connect to the database", distrust);
        break;
    }
}

static void on_ready(evutil_socket_t fd, short what, void *ctx)
{
    struct pg_connection *pg = ctx;
    (void)fd;
    pg->in_callback = true;
    if (!pg->up) {
        poll_connect(pg);
    } else {
        if ((what & EV_WRITE) != 0)
            flush(pg);
        if (!pg->dead)
            read_answers(pg);
    }
    if (!pg->dead)
        send_next(pg);
    pg->in_callback = false;
    if (pg->closing)
        free_all(pg);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
    struct pg_connection *pg = ctx;
    struct error err;
    (void)fd;
    (void)what;
    error_set(&err, "could not connect to the database in time");
    error_hint(&err, "Check the address, the firewall and that the server accepts connections.");
    pg->in_callback = true;
    pg_resolve_cancel(pg->resolve);
    pg->resolve = NULL;
    die(pg, &err);
    pg->in_callback = false;
    if (pg->closing)
        free_all(pg);
}

/* ---- opening ------------------------------------------------------------------------------ */

static const char *given(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val;
    return NULL;
}

static void start(struct pg_connection *pg, const char *hostaddr)
{
    PQconninfoOption *options = PQconninfoParse(pg->conninfo, NULL);
    if (options == NULL)
        return; /* cannot be: the resolver has parsed it */
    const char *own = given(options, "options");
    /* What was set for the role or the database must not make a node's calls fail. */
    char *all = xasprintf("%s -c default_transaction_isolation=read\\ committed %s", own ? own : "",
                          pg->options ? pg->options : "");
    const char *attrs = given(options, "target_session_attrs");
    const char *user_timeout = given(options, "tcp_user_timeout");
    const char *gss = given(options, "gssencmode");
    bool attrs_given = attrs != NULL && strcmp(attrs, "any") != 0;
    if (pg->any_server)
        attrs = "any";
    else if (!attrs_given)
        attrs = "read-write";
    struct pg_security security = pg_secure(options, pg->host.host, pg->host.hostaddr);
    /* A node's statements are small and its peers must notice a dead network soon: keepalives
     * when idle, a user timeout when something is unacknowledged. GSS negotiation would block. */
    const char *keywords[] = {"dbname",
                              "application_name",
                              "options",
                              "target_session_attrs",
                              "keepalives_idle",
                              "keepalives_interval",
                              "keepalives_count",
                              "tcp_user_timeout",
                              "gssencmode",
                              "sslmode",
                              "sslrootcert",
                              "host", /* libpq takes no notice of what is NULL */
                              "port",
                              "hostaddr",
                              NULL};
    const char *values[] = {pg->conninfo,
                            pg->application_name,
                            all,
                            attrs,
                            "2",
                            "1",
                            "3",
                            user_timeout && strcmp(user_timeout, "0") != 0 ? user_timeout : "5000",
                            gss && strcmp(gss, "prefer") != 0 ? gss : "disable",
                            security.sslmode,
                            security.sslrootcert,
                            pg->host.host,
                            pg->host.port,
                            hostaddr ? hostaddr : pg->host.hostaddr,
                            NULL};
    pg->conn = PQconnectStartParams(keywords, values, 1);
    free(all);
    PQconninfoFree(options);
}

static void on_resolved(void *ctx, const char *hostaddr, const struct error *err)
{
    struct pg_connection *pg = ctx;
    pg->resolve = NULL;
    if (err != NULL) {
        die(pg, err);
        return;
    }
    start(pg, hostaddr != NULL && hostaddr[0] != '\0' ? hostaddr : NULL);
    if (pg->conn == NULL || PQstatus(pg->conn) == CONNECTION_BAD) {
        die_of_libpq(pg, "could not connect to the database", "");
        return;
    }
    wait_for(pg, EV_WRITE);
}

static void on_start(evutil_socket_t fd, short what, void *ctx)
{
    struct pg_connection *pg = ctx;
    (void)fd;
    (void)what;
    event_free(pg->io);
    pg->io = NULL;
    pg->in_callback = true;
    struct pg_resolve *resolve =
        pg_resolve_start(pg->dns, pg->conninfo, &pg->host, on_resolved, pg);
    if (!pg->closing && !pg->dead)
        pg->resolve = resolve;
    pg->in_callback = false;
    if (pg->closing)
        free_all(pg);
}

static void after(struct event *event, int64_t us)
{
    struct timeval t = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    event_add(event, &t);
}

static char *copy(const char *text)
{
    return text != NULL ? xstrdup(text) : NULL;
}

struct pg_connection *pg_open(struct event_base *base, struct evdns_base *dns,
                              const struct pg_settings *settings, struct pg_handlers handlers,
                              struct log *log)
{
    struct pg_connection *pg = xcalloc(1, sizeof *pg);
    *pg = (struct pg_connection){
        .base = base,
        .dns = dns,
        .handlers = handlers,
        .log = log,
        .conninfo = xstrdup(settings->conninfo),
        .application_name = xstrdup(settings->application_name),
        .options = copy(settings->options),
        .any_server = settings->any_server,
        .round_trip = settings->round_trip,
    };
    if (settings->host != NULL)
        pg->host = (struct pg_host){.host = copy(settings->host->host),
                                    .hostaddr = copy(settings->host->hostaddr),
                                    .port = copy(settings->host->port)};
    pg->deadline = event_new(base, -1, 0, on_deadline, pg);
    after(pg->deadline, settings->connect_timeout_us);
    /* Callbacks come from the loop only, so even a failure that is known at once waits for it. */
    pg->io = event_new(base, -1, 0, on_start, pg);
    after(pg->io, 0);
    return pg;
}

/* ---- requests and state ------------------------------------------------------------------- */

void pg_request(struct pg_connection *pg, const char *sql, int count, const char *const *values,
                pg_answer_fn answer, void *ctx)
{
    if (pg->dead) {
        struct error err;
        error_set(&err, "the database connection is closed");
        if (answer != NULL)
            answer(ctx, NULL, &err);
        return;
    }
    struct request *r = xcalloc(1, sizeof *r);
    *r = (struct request){.sql = xstrdup(sql), .count = count, .answer = answer, .ctx = ctx};
    r->values = xcalloc((size_t)count, sizeof *r->values);
    for (int i = 0; i < count; i++)
        r->values[i] = values[i] != NULL ? xstrdup(values[i]) : NULL;
    DL_APPEND(pg->queue, r);
    pg->queued++;
    if (!pg->in_callback)
        kick(pg);
}

bool pg_is_up(const struct pg_connection *pg)
{
    return pg != NULL && pg->up && !pg->dead;
}

size_t pg_queued(const struct pg_connection *pg)
{
    return pg->queued;
}

int pg_backend_pid(const struct pg_connection *pg)
{
    return pg->up && pg->conn != NULL ? PQbackendPID(pg->conn) : 0;
}

char *pg_scrub(const char *conninfo)
{
    static const char *const shown[] = {"host", "port", "dbname", "user"};
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    if (options == NULL)
        return xstrdup("(not a valid connection string)");
    struct buffer text;
    buffer_init(&text, 4096);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        const char *value = given(options, shown[i]);
        if (value != NULL)
            (void)buffer_printf(&text, "%s%s=%s", text.n > 0 ? " " : "", shown[i], value);
    }
    PQconninfoFree(options);
    char *copy = xstrdup(buffer_text(&text));
    buffer_free(&text);
    return copy;
}
