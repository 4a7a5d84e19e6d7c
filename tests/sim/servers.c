#include "server.h"

#include "base/memory.h"
#include "checks.h"

#include <stdlib.h>
#include <string.h>

/* The servers as a whole: what is replicated, what is lost, who takes over. */

enum { ASYNC_SPAN_US = 600000 };

static void on_replicated(void *ctx, uint64_t index)
{
    struct servers *s = ctx;
    struct server *server = &s->server[index];
    if (server->up && server->primary && !s->synchronous)
        server->standby = server->db.t;
    world_at(s->world, s->world->now_us + world_between(s->world, 20000, 800000), NOWHERE,
             on_replicated, NULL, s, index);
}

/* What the WAL writer has written is safe. */
static void settle_async(struct servers *s, struct server *server)
{
    int kept = 0;
    for (int i = 0; i < server->async_n; i++)
        if (server->async[i].at_us > s->world->now_us - ASYNC_SPAN_US)
            server->async[kept++] = server->async[i];
    server->async_n = kept;
}

struct servers *servers_create(struct world *w, const struct db_settings *settings)
{
    struct servers *s = xcalloc(1, sizeof *s);
    s->world = w;
    for (int i = 0; i < SERVERS; i++) {
        s->server[i].index = i;
        s->server[i].slow = 1;
        db_init(&s->server[i].db, settings);
    }
    s->server[0].up = s->server[0].primary = true;
    on_replicated(s, 0);
    on_replicated(s, 1);
    return s;
}

void servers_free(struct servers *s)
{
    while (s->backend_n > 0)
        backend_forget(s, s->backends[0]);
    free(s);
}

struct server *servers_primary(struct servers *s)
{
    struct server *best = NULL;
    for (int i = 0; i < SERVERS; i++)
        if (s->server[i].up && s->server[i].primary &&
            (best == NULL || s->server[i].db.timeline > best->db.timeline))
            best = &s->server[i];
    return best;
}

static void end_all(struct servers *s, struct server *server)
{
    for (int i = s->backend_n - 1; i >= 0; i--) {
        if (i >= s->backend_n || &s->server[s->owner[i]] != server)
            continue;
        struct backend *backend = s->backends[i];
        if (backend->session != DB_NOBODY)
            check_lease_ended(s->world, server, backend->node, backend->life, backend->session,
                              "crash");
        backend_tell_lost(s, server, backend);
        backend_forget(s, backend);
    }
    server->db.lock_count = 0;
}

static void on_up_again(void *ctx, uint64_t index)
{
    struct servers *s = ctx;
    s->server[index].up = true;
    world_trace(s->world, "server %d is up again", (int)index);
}

void servers_crash(struct servers *s, int64_t down_us, bool clean)
{
    struct world *w = s->world;
    struct server *server = servers_primary(s);
    if (server == NULL)
        return;
    /* Up again before the end of the faults, when administrators undo what they have ordered. */
    if (w->now_us + down_us >= w->quiet_us)
        down_us = w->quiet_us - w->now_us - 1;
    end_all(s, server);
    settle_async(s, server);
    int kept = clean ? server->async_n : (int)world_between(w, 0, server->async_n);
    world_trace(w, "server %d %s for %.3f s, %d checkpoints are lost", server->index,
                clean ? "restarts" : "crashes", (double)down_us / 1e6, server->async_n - kept);
    for (int i = server->async_n - 1; i >= kept; i--)
        server->db.t.checkpoints[server->async[i].partition] = server->async[i].before;
    if (server->db.broken == DB_RULE_COMMIT && !clean)
        server->db.t = server->standby;
    server->async_n = 0;
    check_crashed(w, server, false);
    db_restarted(&server->db, false);
    server->up = false;
    world_at(w, w->now_us + down_us, NOWHERE, on_up_again, NULL, s, (uint64_t)server->index);
}

static void on_split_ends(void *ctx, uint64_t index)
{
    struct servers *s = ctx;
    struct server *server = &s->server[index];
    const struct server *other = &s->server[(index + 1) % SERVERS];
    if (!other->primary || other->db.timeline < server->db.timeline)
        return; /* it has become the newer one again */
    world_trace(s->world, "server %d, left behind, is cut off", (int)index);
    end_all(s, server);
    server->up = server->primary = false;
}

void servers_fail_over(struct servers *s, int64_t split_us)
{
    struct world *w = s->world;
    struct server *old = servers_primary(s);
    if (old == NULL)
        return;
    struct server *next = &s->server[(old->index + 1) % SERVERS];
    if (next->up)
        return; /* still there from the last time */
    world_trace(w, "fail-over to server %d; server %d %s", next->index, old->index,
                split_us > 0 ? "goes on" : "is dead");
    struct db_settings settings = old->db.settings;
    enum db_rule broken = old->db.broken;
    db_init(&next->db, &settings);
    next->db.broken = broken;
    next->db.salt = (uint64_t)w->now_us;
    next->db.t = next->standby = old->standby;
    next->db.timeline = old->db.timeline;
    db_restarted(&next->db, true);
    next->async_n = 0;
    next->frozen_until_us = 0;
    next->up = next->primary = true;
    next->highest_told = old->highest_told;
    check_crashed(w, next, true);
    if (split_us > 0) {
        world_at(w, w->now_us + split_us, NOWHERE, on_split_ends, NULL, s, (uint64_t)old->index);
        return;
    }
    end_all(s, old);
    old->up = old->primary = false;
}

void servers_terminate(struct servers *s, int node, int which)
{
    for (int i = 0, n = 0; i < s->backend_n; i++)
        if (s->backends[i]->node == node && n++ == which) {
            backend_end(s, &s->server[s->owner[i]], s->backends[i], "terminated by hand");
            return;
        }
}

void servers_change(struct servers *s, void (*change)(struct db *db, int a, int b), int a, int b)
{
    struct server *server = servers_primary(s);
    if (server == NULL)
        return;
    db_begin(&server->db, s->world->now_us + server->wall_offset_us);
    change(&server->db, a, b);
    server->async_n = 0;
    server_after_commit(s, server, NULL);
}
