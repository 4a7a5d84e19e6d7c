#include "server.h"

#include "checks.h"

#include <string.h>

/* What a statement does on the server. */

enum { WATCH_CEILING_MS = 800 /* of deadlock_timeout, one second */ };

bool call_commits_synchronously(const struct call *call)
{
    switch (call->kind) {
    case CALL_JOIN:
    case CALL_LEAVE:
    case CALL_SWEEP:
    case CALL_TEND:
    case CALL_REPORT_HUB:
    case CALL_RELEASE:
    case CALL_KEEP:
    case CALL_DECLINE:
    case CALL_ABANDON:
    case CALL_LETTERS:
        return true;
    default:
        return false;
    }
}

static void fill_assignment(const struct server *server, struct call *call, int session)
{
    const struct db_tables *t = &server->db.t;
    call->assigned_n = 0;
    call->now_us = server->db.now_us;
    for (int i = 0; i < DB_HUBS; i++)
        call->hub_created[i] = t->hubs[i].created_ms;
    for (int i = 0; i < t->partition_count; i++) {
        if (t->partitions[i].owner != session)
            continue;
        call->assigned_ids[call->assigned_n] = i;
        call->assigned[call->assigned_n] = t->partitions[i];
        call->checkpoints[call->assigned_n++] = t->checkpoints[i];
    }
}

static void poll(const struct db *db, struct call *call, const struct db_session *me)
{
    call->poll = (struct store_poll){.config_version = db->t.config_version,
                                     .assignment_version = me->assignment_version,
                                     .binding_version = 1,
                                     .leader = db->t.leader == me->id,
                                     .leader_token = db->t.leader == me->id ? db->t.term_token : 0};
}

static void save(struct servers *s, struct server *server, struct call *call,
                 const struct db_session *me)
{
    struct db_tables *t = &server->db.t;
    for (int i = 0; i < call->count; i++) {
        struct call_row *row = &call->rows[i];
        struct db_checkpoint before = t->checkpoints[row->partition];
        if (server->async_n < ASYNC_MAX)
            server->async[server->async_n++] =
                (struct async_write){row->partition, s->world->now_us, before};
        row->outcome =
            db_save(&server->db, row->partition, row->token, row->sequence, row->enqueued_ms);
        if (row->outcome == DB_SAVED)
            check_saved(s->world, server, me, row->partition, row->token, &before);
        else
            server->async_n--;
    }
}

static void keep_letters(struct servers *s, struct server *server, struct call *call,
                         const struct db_session *me)
{
    for (int i = 0; i < call->count; i++) {
        struct call_row *row = &call->rows[i];
        struct db_letter letter = {.partition = row->partition,
                                   .generation = server->db.t.partitions[row->partition].generation,
                                   .row = row->row,
                                   .sequence = row->sequence};
        row->filed = db_keep_letter(&server->db, me, row->token, &letter);
        if (!row->filed)
            continue;
        check_letter(s->world, server, me, &letter, row->token);
    }
}

static bool watch(struct servers *s, const struct server *server, struct backend *backend,
                  struct call *call, bool patient)
{
    int predecessor = DB_NOBODY;
    call->error = db_predecessor(&server->db, call->key, &predecessor);
    if (call->error != DB_OK)
        return true;
    if (backend->waits_for == DB_NOBODY && predecessor == DB_NOBODY) {
        call->text = "alone";
        return true;
    }
    if (backend->waits_for == DB_NOBODY) {
        int patience = call->timeout_ms < WATCH_CEILING_MS ? call->timeout_ms : WATCH_CEILING_MS;
        backend->waits_for = predecessor;
        backend->waits_until_us = s->world->now_us + patience * 1000;
    }
    bool locked = db_is_locked(&server->db, backend->waits_for);
    if (locked && patient)
        return false;
    const struct db_session *other = db_find_session(&server->db, backend->waits_for);
    call->text = !locked && other != NULL && !other->ended ? "died" : "waiting";
    backend->waits_for = DB_NOBODY;
    return true;
}

static bool join(struct servers *s, struct server *server, struct backend *backend,
                 struct call *call, bool patient)
{
    int session = DB_NOBODY;
    call->join.patient = patient;
    const struct db_session *other = db_live_session(&server->db, call->join.node);
    check_joins(s->world, server, &call->join);
    call->error = db_join(&server->db, &call->join, &session);
    if (call->error == DB_WAIT) {
        if (backend->waits_for == DB_NOBODY)
            backend->waits_until_us = s->world->now_us + call->join.ttl_ms * 1000;
        backend->waits_for = other->id;
        return false;
    }
    backend->waits_for = DB_NOBODY;
    if (call->error != DB_OK)
        return true;
    backend->session = session;
    call->session = *db_find_session(&server->db, session);
    call->incarnation = server->db.live_incarnation;
    call->timeline = server->db.timeline;
    world_trace(s->world, "server %d: n%d joins as session %d", server->index, call->node, session);
    return true;
}

static void report(const struct call *call, struct db_session *me)
{
    memcpy(me->hub_state, call->hub_state, sizeof me->hub_state);
}

/* Calls of a live session about what it owns. */
static void about_partition(struct servers *s, struct server *server, struct call *call,
                            const struct db_session *me)
{
    struct db *db = &server->db;
    if (call->kind == CALL_RELEASE) {
        check_releasing(s->world, server, me, call->partition, call->token);
        call->error = db_release(db, call->key, call->partition, call->token, &call->yes);
    } else if (call->kind == CALL_KEEP) {
        call->error = db_keep(db, call->key, call->partition, call->token, &call->yes);
    } else if (call->kind == CALL_DECLINE) {
        call->error = db_decline(db, call->key, call->partition, call->token, &call->yes);
    } else {
        call->error = db_abandon(db, call->key, call->partition, call->token, &call->yes);
        if (call->yes)
            check_abandoned(s->world, server, call->partition);
    }
}

static void in_session(struct servers *s, struct server *server, struct call *call,
                       struct db_session *me)
{
    struct db *db = &server->db;
    int id = me->id, added;
    switch (call->kind) {
    case CALL_LEAVE:
        check_leaving(s->world, server, me);
        call->error = db_leave(db, call->key);
        break;
    case CALL_SWEEP:
        call->error = db_sweep(db, call->key, &id);
        if (call->error == DB_OK)
            check_swept(s->world, server);
        fill_assignment(server, call, id);
        break;
    case CALL_ASSIGNMENT:
        fill_assignment(server, call, id);
        break;
    case CALL_POLL:
        poll(db, call, me);
        break;
    case CALL_TEND:
        call->error = db_tend(db, call->key, call->token, &call->number);
        if (call->error == DB_OK)
            check_led(s->world, server, id, call->token);
        break;
    case CALL_REPORT_HUB:
        call->error = db_report_hub(db, call->key, call->token, call->hub, call->created_ms,
                                    call->count, &added);
        call->number = added;
        break;
    case CALL_SAVE:
        save(s, server, call, me);
        break;
    case CALL_LETTERS:
        keep_letters(s, server, call, me);
        break;
    case CALL_REPORT:
        report(call, me);
        break;
    case CALL_RELEASE:
    case CALL_KEEP:
    case CALL_DECLINE:
    case CALL_ABANDON:
        about_partition(s, server, call, me);
        break;
    default:
        break;
    }
}

bool call_execute(struct servers *s, struct server *server, struct backend *backend,
                  struct call *call, bool patient)
{
    struct db_session *me;
    if (call->cancelled)
        return true;
    switch (call->kind) {
    case CALL_JOIN:
        return join(s, server, backend, call, patient);
    case CALL_WATCH:
        return watch(s, server, backend, call, patient);
    case CALL_LISTEN:
        backend->listening = true;
        return true;
    case CALL_SERVER:
        call->timeline = server->db.timeline;
        return true;
    case CALL_PING:
    case CALL_SCHEMA:
        return true;
    case CALL_CONFIGURATION:
        for (int i = 0; i < DB_HUBS; i++)
            call->hub_state[i] = server->db.t.hubs[i].enabled;
        call->number = server->db.t.config_version;
        break;
    default:
        break;
    }
    call->error = db_session_of(&server->db, call->key, &me);
    if (call->error == DB_OK)
        in_session(s, server, call, me);
    return true;
}
