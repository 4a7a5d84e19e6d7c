#include "server.h"

#include "base/error.h"
#include "base/memory.h"
#include "checks.h"
#include "pg/connection.h"
#include "pg/host_list.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- backends ----------------------------------------------------------------------------- */

enum { RETRANSMIT_US = 20000, LINGER_US = 8000000 };

struct request {
    struct call *call;
    bool sent;
    struct request *next, *prev;
};

/* The client's end. */
struct pg_connection {
    int node, pid, server;
    struct pg_handlers handlers;
    int64_t idle_timeout_us, statement_timeout_us;
    bool up, dead, in_callback, closing;
    struct request *queue; /* the first is on the wire */
    struct pg_connection *next, *prev;
};

static struct servers *all(void)
{
    return the_world->servers;
}

static struct backend *find_backend(struct servers *s, int pid, struct server **server)
{
    for (int i = 0; i < s->backend_n; i++)
        if (s->backends[i]->pid == pid) {
            if (server != NULL)
                *server = &s->server[s->owner[i]];
            return s->backends[i];
        }
    return NULL;
}

static struct pg_connection *find_connection(int pid)
{
    struct pg_connection *pg;
    DL_FOREACH(all()->connections, pg)
    {
        if (pg->pid == pid && !pg->dead)
            return pg;
    }
    return NULL;
}

void backend_forget(struct servers *s, struct backend *backend)
{
    for (int i = 0; i < s->backend_n; i++)
        if (s->backends[i] == backend) {
            s->backends[i] = s->backends[--s->backend_n];
            s->owner[i] = s->owner[s->backend_n];
            break;
        }
    if (backend->waiting != NULL)
        call_release(backend->waiting);
    free(backend);
}

void call_release(struct call *call)
{
    if (--call->references > 0)
        return;
    free(call->rows);
    free(call->devices);
    free(call);
}

static void drop_call(void *ctx, uint64_t number)
{
    (void)number;
    call_release(ctx);
}

static bool is_cut(const struct servers *s, int node, const struct server *server)
{
    return s->world->nodes[node].cut_off_db[server->index] > 0;
}

/* ---- what the client learns --------------------------------------------------------------- */

static void fail_requests(struct pg_connection *pg, const struct error *why)
{
    struct request *r, *next;
    DL_FOREACH_SAFE(pg->queue, r, next)
    {
        DL_DELETE(pg->queue, r);
        call_answer(r->call, why);
        call_release(r->call);
        free(r);
    }
}

/* A connection that was closed by its own callback goes when that is over. */
static void leave_callback(struct pg_connection *pg)
{
    pg->in_callback = false;
    if (!pg->closing)
        return;
    DL_DELETE(all()->connections, pg);
    free(pg);
}

static void die(struct pg_connection *pg, const char *what)
{
    struct error why;
    if (pg->dead)
        return;
    pg->dead = true;
    pg->up = false;
    error_set(&why, "%s", what);
    error_hint(&why, "a model");
    pg->in_callback = true;
    fail_requests(pg, &why);
    if (!pg->closing)
        pg->handlers.lost(pg->handlers.ctx, &why);
    leave_callback(pg);
}

static void on_lost(void *ctx, uint64_t pid)
{
    struct pg_connection *pg = find_connection((int)pid);
    if (pg != NULL && is_cut(all(), pg->node, ctx))
        world_at(the_world, the_world->now_us + RETRANSMIT_US, pg->node, on_lost, NULL, ctx, pid);
    else if (pg != NULL)
        die(pg, "the server has closed the connection");
}

void backend_tell_lost(struct servers *s, struct server *server, const struct backend *backend)
{
    const struct sim_node *n = &s->world->nodes[backend->node];
    if (n->life == backend->life && !backend->gone)
        world_at(s->world, s->world->now_us + world_latency(s->world, backend->node), backend->node,
                 on_lost, NULL, server, (uint64_t)backend->pid);
}

/* ---- backends end ------------------------------------------------------------------------- */

static void run_call(struct servers *s, struct server *server, struct backend *backend,
                     struct call *call, bool patient);

static void on_awake(void *ctx, uint64_t pid)
{
    struct servers *s = ctx;
    struct server *server;
    struct backend *backend = find_backend(s, (int)pid, &server);
    if (backend == NULL || backend->waiting == NULL || !server->up)
        return;
    bool patient = s->world->now_us < backend->waits_until_us;
    if (patient && db_is_locked(&server->db, backend->waits_for))
        return;
    struct call *call = backend->waiting;
    backend->waiting = NULL;
    run_call(s, server, backend, call, patient);
}

static void wake_waiting(struct servers *s, int session)
{
    for (int i = 0; i < s->backend_n; i++)
        if (s->backends[i]->waiting != NULL && s->backends[i]->waits_for == session)
            world_at(s->world, s->world->now_us + world_between(s->world, 20, 300), NOWHERE,
                     on_awake, NULL, s, (uint64_t)s->backends[i]->pid);
}

void backend_end(struct servers *s, struct server *server, struct backend *backend, const char *why)
{
    int session = backend->session;
    if (session != DB_NOBODY) {
        world_trace(s->world, "server %d: the lock of session %d of n%d is free: %s", server->index,
                    session, backend->node, why);
        db_unlock(&server->db, session);
        check_lease_ended(s->world, server, backend->node, backend->life, session, why);
    }
    backend_tell_lost(s, server, backend);
    backend_forget(s, backend);
    if (session != DB_NOBODY)
        wake_waiting(s, session);
}

static void on_idle(void *ctx, uint64_t pid)
{
    struct servers *s = ctx;
    struct world *w = s->world;
    struct server *server;
    struct backend *backend = find_backend(s, (int)pid, &server);
    if (backend == NULL || backend->busy || backend->waiting != NULL)
        return;
    int64_t due = backend->idle_since_us + backend->idle_timeout_us;
    if (server->frozen_until_us > w->now_us)
        world_at(w, server->frozen_until_us, NOWHERE, on_idle, NULL, s, pid);
    else if (w->now_us >= due)
        backend_end(s, server, backend, "idle");
}

static void become_idle(struct servers *s, struct backend *backend)
{
    backend->busy = false;
    backend->idle_since_us = s->world->now_us;
    if (backend->idle_timeout_us > 0)
        world_at(s->world, s->world->now_us + backend->idle_timeout_us, NOWHERE, on_idle, NULL, s,
                 (uint64_t)backend->pid);
}

/* The client's end was closed; a network that is cut tells only later, or never. */
static void on_closed(void *ctx, uint64_t pid)
{
    struct servers *s = ctx;
    struct server *server;
    struct backend *backend = find_backend(s, (int)pid, &server);
    if (backend == NULL)
        return;
    int64_t since = s->world->now_us - backend->idle_since_us;
    if ((is_cut(s, backend->node, server) && since < LINGER_US) || backend->busy) {
        world_at(s->world, s->world->now_us + RETRANSMIT_US, NOWHERE, on_closed, NULL, s, pid);
        return;
    }
    backend_end(s, server, backend, "closed");
}

/* ---- statements --------------------------------------------------------------------------- */

static void send_first(struct pg_connection *pg);

static void on_reply(void *ctx, uint64_t number)
{
    struct call *call = ctx;
    struct servers *s = all();
    (void)number;
    struct pg_connection *pg = find_connection(call->pid);
    if (pg == NULL || pg->queue == NULL || pg->queue->call != call) {
        call_release(call);
        return;
    }
    struct server *server;
    if (find_backend(s, call->pid, &server) != NULL && is_cut(s, pg->node, server)) {
        world_at(s->world, s->world->now_us + RETRANSMIT_US, pg->node, on_reply, drop_call, call,
                 0);
        return;
    }
    struct request *r = pg->queue;
    struct error err;
    DL_DELETE(pg->queue, r);
    free(r);
    call_error(call, &err);
    pg->in_callback = true;
    call_answer(call, call_failed(call) ? &err : NULL);
    call->references--; /* the client's */
    call_release(call);
    if (!pg->dead)
        send_first(pg);
    leave_callback(pg);
}

static void note_notified(void *ctx, uint64_t number)
{
    (void)ctx;
    struct pg_connection *pg = find_connection((int)(number >> 1));
    if (pg == NULL || pg->handlers.notified == NULL)
        return;
    pg->in_callback = true;
    pg->handlers.notified(pg->handlers.ctx, number & 1 ? "assignment" : "members");
    leave_callback(pg);
}

static void notify(struct servers *s, const struct server *server, uint64_t assignment)
{
    for (int i = 0; i < s->backend_n; i++) {
        const struct backend *to = s->backends[i];
        if (&s->server[s->owner[i]] != server || !to->listening || is_cut(s, to->node, server) ||
            to->life != s->world->nodes[to->node].life || world_chance(s->world, s->notify_loss))
            continue;
        world_at(s->world, s->world->now_us + world_latency(s->world, to->node), to->node,
                 note_notified, NULL, NULL, (uint64_t)to->pid << 1 | assignment);
    }
}

/* What a statement leads to besides its answer. */
void server_after_commit(struct servers *s, struct server *server, const struct call *call)
{
    struct db *db = &server->db;
    int ended[DB_SESSIONS], n = db->ended_count;
    memcpy(ended, db->ended, sizeof ended);
    if (db->notify_members)
        notify(s, server, 0);
    if (db->notify_assignment)
        notify(s, server, 1);
    for (int i = 0; i < n; i++) {
        bool joins = call != NULL && call->kind == CALL_JOIN;
        check_buried(s->world, server, ended[i], joins ? call->node : NOWHERE);
        for (int k = 0; k < s->backend_n; k++)
            if (&s->server[s->owner[k]] == server && s->backends[k]->session == ended[i]) {
                backend_end(s, server, s->backends[k], "terminated");
                break;
            }
    }
    check_tables(s->world, server);
}

static void run_call(struct servers *s, struct server *server, struct backend *backend,
                     struct call *call, bool patient)
{
    struct world *w = s->world;
    int pid = backend->pid, node = backend->node;
    uint32_t life = backend->life;
    call->executed_us = w->now_us;
    db_begin(&server->db, w->now_us + server->wall_offset_us);
    if (!call_execute(s, server, backend, call, patient)) {
        backend->waiting = call;
        backend->busy = true;
        world_at(w, backend->waits_until_us, NOWHERE, on_awake, NULL, s, (uint64_t)pid);
        return;
    }
    if (call_commits_synchronously(call) && server->db.broken != DB_RULE_COMMIT) {
        server->async_n = 0;
        if (s->synchronous)
            server->standby = server->db.t;
    }
    become_idle(s, backend);
    server_after_commit(s, server, call);
    if (find_backend(s, pid, NULL) == NULL || w->nodes[node].life != life) {
        call_release(call);
        return;
    }
    world_at(w, w->now_us + world_latency(w, node), node, on_reply, drop_call, call, 0);
}

static void on_work_done(void *ctx, uint64_t number)
{
    struct call *call = ctx;
    struct servers *s = all();
    struct server *server;
    struct backend *backend = find_backend(s, call->pid, &server);
    (void)number;
    if (backend == NULL || !server->up) {
        call_release(call);
        return;
    }
    if (server->frozen_until_us > s->world->now_us) {
        world_at(s->world, server->frozen_until_us, NOWHERE, on_work_done, drop_call, call, 0);
        return;
    }
    run_call(s, server, backend, call, true);
}

static void on_arrived(void *ctx, uint64_t number)
{
    struct call *call = ctx;
    struct servers *s = all();
    struct world *w = s->world;
    struct server *server;
    struct backend *backend = find_backend(s, call->pid, &server);
    (void)number;
    if (backend == NULL) {
        call_release(call);
        return;
    }
    if (is_cut(s, backend->node, server)) {
        world_at(w, w->now_us + RETRANSMIT_US, NOWHERE, on_arrived, drop_call, call, 0);
        return;
    }
    int64_t work = world_chance(w, 3) ? world_between(w, 2000, 60000) : world_between(w, 30, 1500);
    if (server->slow > 1 && call->kind != CALL_PING)
        work *= server->slow;
    call->cancelled = backend->statement_timeout_us > 0 && work > backend->statement_timeout_us;
    backend->busy = true;
    world_at(w, w->now_us + work, NOWHERE, on_work_done, drop_call, call, 0);
}

static void on_the_wire(void *ctx, uint64_t number)
{
    struct call *call = ctx;
    struct servers *s = all();
    struct world *w = s->world;
    (void)number;
    struct backend *backend = find_backend(s, call->pid, NULL);
    int64_t at = w->now_us + world_latency(w, call->node);
    if (backend != NULL) {
        if (at <= backend->arrival_us)
            at = backend->arrival_us + 1;
        backend->arrival_us = at;
    }
    world_at(w, at, NOWHERE, on_arrived, drop_call, call, 0);
}

static void send_first(struct pg_connection *pg)
{
    if (!pg->up || pg->queue == NULL || pg->queue->sent)
        return;
    pg->queue->sent = true;
    struct call *call = pg->queue->call;
    call->pid = pg->pid;
    call->references++;
    world_send(the_world, pg->node, on_the_wire, drop_call, call, 0);
}

struct call *call_new(struct pg_connection *pg, enum call_kind kind, const char *key, void *done,
                      void *ctx)
{
    struct call *call = xcalloc(1, sizeof *call);
    call->references = 1;
    call->kind = kind;
    call->node = pg->node;
    call->key = key != NULL ? strtoull(key, NULL, 16) : 0;
    memcpy(&call->done, &done, sizeof done);
    call->ctx = ctx;
    return call;
}

void call_submit(struct pg_connection *pg, struct call *call)
{
    struct error err;
    if (pg->dead) {
        error_set(&err, "the connection is lost");
        call_answer(call, &err);
        call_release(call);
        return;
    }
    struct request *r = xcalloc(1, sizeof *r);
    r->call = call;
    bool idle = pg->queue == NULL;
    DL_APPEND(pg->queue, r);
    if (idle)
        send_first(pg);
}

/* ---- libpq -------------------------------------------------------------------------------- */

/* The server that a connection is for, if it can be had. */
static struct server *reachable(struct servers *s, const struct pg_connection *pg)
{
    struct server *server = &s->server[pg->server];
    bool there = server->up && server->primary && !is_cut(s, pg->node, server) &&
                 server->frozen_until_us <= s->world->now_us;
    return there ? server : NULL;
}

static void on_connected(void *ctx, uint64_t pid)
{
    (void)ctx;
    struct servers *s = all();
    struct pg_connection *pg = find_connection((int)pid);
    if (pg == NULL)
        return;
    struct server *server = reachable(s, pg);
    if (server == NULL || s->backend_n == BACKENDS_MAX || world_chance(s->world, s->refuse)) {
        die(pg, "could not connect");
        return;
    }
    struct backend *backend = xcalloc(1, sizeof *backend);
    *backend = (struct backend){.pid = pg->pid,
                                .node = pg->node,
                                .life = s->world->nodes[pg->node].life,
                                .alive = true,
                                .idle_timeout_us = pg->idle_timeout_us,
                                .statement_timeout_us = pg->statement_timeout_us};
    s->owner[s->backend_n] = server->index;
    s->backends[s->backend_n++] = backend;
    become_idle(s, backend);
    pg->up = true;
    pg->in_callback = true;
    pg->handlers.up(pg->handlers.ctx);
    if (!pg->dead)
        send_first(pg);
    leave_callback(pg);
}

static int64_t option_us(const char *options, const char *name)
{
    const char *at = strstr(options, name);
    return at == NULL ? 0 : strtoll(at + strlen(name), NULL, 10) * 1000;
}

struct pg_connection *pg_open(struct event_base *base, struct evdns_base *dns,
                              const struct pg_settings *settings, struct pg_handlers handlers,
                              struct log *log)
{
    (void)base;
    (void)dns;
    (void)log;
    struct world *w = the_world;
    struct pg_connection *pg = xcalloc(1, sizeof *pg);
    pg->node = w->running;
    pg->pid = ++all()->last_pid;
    pg->handlers = handlers;
    pg->server = settings->host->host[2] - '0';
    pg->idle_timeout_us = option_us(settings->options, " idle_session_timeout=");
    pg->statement_timeout_us = option_us(settings->options, " statement_timeout=");
    DL_APPEND(all()->connections, pg);
    int64_t wait = reachable(all(), pg) != NULL ? 3 * world_latency(w, pg->node)
                                                : world_between(w, 1000, 3000000);
    world_at(w, w->now_us + wait, pg->node, on_connected, NULL, NULL, (uint64_t)pg->pid);
    return pg;
}

void pg_close(struct pg_connection *pg)
{
    struct world *w = the_world;
    struct error err;
    if (pg == NULL)
        return;
    struct backend *backend = find_backend(all(), pg->pid, NULL);
    if (backend != NULL) {
        backend->gone = true;
        int64_t at = w->now_us + world_latency(w, pg->node);
        if (at <= backend->arrival_us)
            at = backend->arrival_us + 1;
        world_at(w, at, NOWHERE, on_closed, NULL, all(), (uint64_t)pg->pid);
    }
    error_set(&err, "the database connection was closed");
    pg->dead = true;
    pg->up = false;
    pg->closing = true;
    fail_requests(pg, &err);
    if (pg->in_callback)
        return;
    DL_DELETE(all()->connections, pg);
    free(pg);
}

int pg_backend_pid(const struct pg_connection *pg)
{
    return pg->pid;
}
