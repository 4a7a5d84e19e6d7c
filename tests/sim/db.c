#include "db.h"

#include <string.h>

/* Sessions: join, leave, sweep, and what hangs off them. */

const char *db_rule_name(enum db_rule rule)
{
    static const char *const names[DB_RULES] = {[DB_RULE_NONE] = "none",
                                                [DB_RULE_FENCE] = "fence",
                                                [DB_RULE_PROOF] = "proof",
                                                [DB_RULE_KEY] = "key",
                                                [DB_RULE_RESERVATION] = "reservation",
                                                [DB_RULE_JUMP] = "jump",
                                                [DB_RULE_TIMELINE] = "timeline",
                                                [DB_RULE_COMMIT] = "commit",
                                                [DB_RULE_TAKE_OVER] = "take-over",
                                                [DB_RULE_TERM] = "term",
                                                [DB_RULE_INHERIT] = "inherit",
                                                [DB_RULE_LETTERS] = "letters"};
    return names[rule];
}

void db_init(struct db *db, const struct db_settings *settings)
{
    *db = (struct db){.settings = *settings, .timeline = 1};
    db->t.config_version = db->t.wishes_version = 1;
    for (int i = 0; i < DB_PARTITIONS; i++)
        db->t.partitions[i].reserved_node = db->t.partitions[i].wish = -1;
}

void db_begin(struct db *db, int64_t now_us)
{
    db->now_us = now_us;
    db->ended_count = 0;
    db->notify_members = db->notify_assignment = false;
}

void db_restarted(struct db *db, bool promoted)
{
    db->live_incarnation = 0;
    db->lock_count = 0;
    if (promoted)
        db->timeline++;
}

bool db_is_locked(const struct db *db, int session)
{
    for (int i = 0; i < db->lock_count; i++)
        if (db->locks[i] == session)
            return true;
    return false;
}

void db_unlock(struct db *db, int session)
{
    for (int i = 0; i < db->lock_count; i++)
        if (db->locks[i] == session) {
            db->locks[i] = db->locks[--db->lock_count];
            return;
        }
}

struct db_session *db_find_session(const struct db *db, int id)
{
    for (int i = 0; id != DB_NOBODY && i < DB_SESSIONS; i++)
        if (db->t.sessions[i].id == id)
            return (struct db_session *)(uintptr_t)&db->t.sessions[i];
    return NULL;
}

struct db_session *db_live_session(const struct db *db, int node)
{
    for (int i = 0; i < DB_SESSIONS; i++)
        if (db->t.sessions[i].id != 0 && !db->t.sessions[i].ended && db->t.sessions[i].node == node)
            return (struct db_session *)(uintptr_t)&db->t.sessions[i];
    return NULL;
}

enum db_error db_session_of(const struct db *db, uint64_t key, struct db_session **session)
{
    for (int i = 0; i < DB_SESSIONS; i++) {
        const struct db_session *s = &db->t.sessions[i];
        if (s->id == 0 || s->key != key)
            continue;
        if (s->ended || s->incarnation != db->live_incarnation)
            return DB_SESSION_ENDED;
        *session = (struct db_session *)(uintptr_t)s;
        return DB_OK;
    }
    return DB_SESSION_ENDED;
}

int64_t db_new_token(struct db *db)
{
    return ++db->t.token;
}

/* To the clock at least: another server may go on drawing where `above` comes from. */
static void raise_tokens(struct db *db, int64_t above)
{
    if (above > db->t.token)
        db->t.token = above > db->now_us ? above : db->now_us;
}

void db_touch(struct db *db, int session)
{
    struct db_session *s = db_find_session(db, session);
    if (s == NULL || s->ended)
        return;
    s->assignment_version++;
    db->notify_assignment = true;
}

/* ---- grants ------------------------------------------------------------------------------- */

bool db_is_active(const struct db *db, const struct db_partition *p)
{
    return !p->retired && db->t.hubs[p->hub].enabled;
}

void db_grant(struct db *db, int partition, int session, int64_t token)
{
    struct db_partition *p = &db->t.partitions[partition];
    int before = p->owner;
    p->state = DB_OWNED;
    p->owner = session;
    p->token = token != 0 ? token : db_new_token(db);
    p->successor = DB_NOBODY;
    p->deadline_us = p->move_again_us = 0;
    p->reserved_node = -1;
    p->reserved_session = DB_NOBODY;
    if (db->broken != DB_RULE_TAKE_OVER || db->t.checkpoints[partition].token == 0)
        db->t.checkpoints[partition].token = p->token;
    if (before != session)
        db_touch(db, before);
    db_touch(db, session);
}

void db_fence_free(struct db *db)
{
    for (int i = 0; i < db->t.partition_count; i++) {
        struct db_partition *p = &db->t.partitions[i];
        if (p->owner == DB_NOBODY && p->reserved_node < 0 && p->token != 0)
            p->token = db->t.checkpoints[i].token = 0;
    }
}

static void clear_partition(struct db_partition *p)
{
    p->state = DB_FREE;
    p->owner = p->successor = DB_NOBODY;
    p->deadline_us = 0;
    p->reserved_node = -1;
    p->reserved_session = DB_NOBODY;
}

void db_free_partition(struct db *db, int partition)
{
    struct db_partition *p = &db->t.partitions[partition];
    int owner = p->owner;
    clear_partition(p);
    db_fence_free(db);
    db_touch(db, owner);
}

void db_place_free(struct db *db, bool fall_back)
{
    struct db_place places[DB_PARTITIONS];
    int n = db_placement(db, false, fall_back, places);
    for (int i = 0; i < n && db->broken != DB_RULE_INHERIT; i++)
        db_grant(db, places[i].partition, places[i].to, 0);
    db_fence_free(db);
}

/* ---- sessions end ------------------------------------------------------------------------- */

struct ids {
    int id[DB_SESSIONS];
    int n;
};

static bool holds(const struct ids *ids, int id)
{
    for (int i = 0; i < ids->n; i++)
        if (ids->id[i] == id)
            return true;
    return false;
}

static struct ids dead_sessions(const struct db *db)
{
    struct ids dead = {.n = 0};
    for (int i = 0; i < DB_SESSIONS; i++) {
        const struct db_session *s = &db->t.sessions[i];
        bool free_lock = !db_is_locked(db, s->id);
        if (db->broken == DB_RULE_PROOF && s->id % 7 == 0)
            free_lock = true;
        if (s->id != 0 && !s->ended && free_lock)
            dead.id[dead.n++] = s->id;
    }
    return dead;
}

static void terminate(struct db *db, const struct ids *ids)
{
    for (int i = 0; i < ids->n; i++)
        db->ended[db->ended_count++] = ids->id[i];
}

/* What a session owned: to its heir, or free, or kept for its node. */
static void let_go(struct db *db, int partition, bool reserve)
{
    struct db_partition *p = &db->t.partitions[partition];
    const struct db_session *owner = db_find_session(db, p->owner);
    const struct db_session *heir = db_find_session(db, p->successor);
    int to = heir != NULL && !heir->ended ? heir->id : DB_NOBODY;
    clear_partition(p);
    p->move_again_us = 0;
    if (reserve && db->broken != DB_RULE_RESERVATION) {
        p->reserved_node = owner->node;
        p->reserved_session = owner->id;
    }
    if (to != DB_NOBODY)
        db_grant(db, partition, to, 0);
}

static void end_sessions(struct db *db, const struct ids *ids, bool reserve)
{
    struct db_tables *t = &db->t;
    for (int i = 0; i < ids->n; i++) {
        db_find_session(db, ids->id[i])->ended = true;
        if (t->leader == ids->id[i]) {
            t->term_free_us = db->now_us > t->term_free_us + 1 ? db->now_us : t->term_free_us + 1;
            t->leader = DB_NOBODY;
            t->term_token = 0;
        }
    }
    for (int i = 0; i < DB_NODES * DB_HUBS; i++)
        if (holds(ids, t->declines[i].session))
            t->declines[i].session = DB_NOBODY;
    for (int i = 0; i < t->partition_count; i++) {
        struct db_partition *p = &t->partitions[i];
        if (p->successor == DB_NOBODY || !holds(ids, p->successor) || holds(ids, p->owner))
            continue;
        p->state = DB_OWNED;
        p->successor = DB_NOBODY;
        p->deadline_us = 0;
        db_touch(db, p->owner);
    }
    for (int i = 0; i < t->partition_count; i++)
        if (t->partitions[i].owner != DB_NOBODY && holds(ids, t->partitions[i].owner))
            let_go(db, i, reserve);
}

/* ---- leases ------------------------------------------------------------------------------- */

static void open_terms(struct db *db, int candidate)
{
    const struct db_session *best = NULL;
    if (db->t.leader != DB_NOBODY)
        return;
    for (int i = 0; i < DB_SESSIONS; i++) {
        const struct db_session *s = &db->t.sessions[i];
        if (s->id == 0 || s->ended)
            continue;
        bool drained = db->t.nodes[s->node].drained;
        bool best_drained = best != NULL && db->t.nodes[best->node].drained;
        if (best == NULL || (best_drained && !drained) ||
            (drained == best_drained && best->id != candidate &&
             (s->id == candidate || s->id < best->id)))
            best = s;
    }
    if (best == NULL)
        return;
    db->t.leader = best->id;
    db->t.term_token = db_new_token(db);
    db->notify_members = true;
}

/* ---- the calls ---------------------------------------------------------------------------- */

static void open_incarnation(struct db *db, int ttl_ms)
{
    struct ids old = {.n = 0};
    int64_t longest = ttl_ms > db->settings.ttl_ms ? ttl_ms : db->settings.ttl_ms;
    if (db->live_incarnation != 0)
        return;
    if (db->broken != DB_RULE_JUMP)
        raise_tokens(db, db->now_us);
    for (int i = 0; i < DB_SESSIONS; i++) {
        const struct db_session *s = &db->t.sessions[i];
        if (s->id == 0 || s->ended)
            continue;
        old.id[old.n++] = s->id;
        longest = s->ttl_ms > longest ? s->ttl_ms : longest;
    }
    db->live_incarnation = ++db->t.incarnation_number;
    db->t.reserved_until_us = db->now_us + longest * 1000;
    end_sessions(db, &old, true);
}

/* A place for a new session: a free one, or that of the oldest that is over and done with. */
static struct db_session *place_of_session(struct db *db)
{
    struct db_session *oldest = NULL;
    for (int i = 0; i < DB_SESSIONS; i++) {
        struct db_session *s = &db->t.sessions[i];
        bool needed = !s->ended;
        if (s->id == 0)
            return s;
        for (int k = 0; k < db->t.partition_count; k++)
            needed = needed || db->t.partitions[k].reserved_session == s->id;
        if (!needed && (oldest == NULL || s->id < oldest->id))
            oldest = s;
    }
    return oldest;
}

static uint64_t new_key(struct db *db)
{
    db->t.keys += 0x9e3779b97f4a7c15u;
    return (db->t.keys ^ (db->t.keys >> 29) ^ db->salt << 8) | 1;
}

/* What the node's last session owned, with the tokens under which it may go on. */
static int to_adopt(const struct db *db, const struct db_join *join, int previous, int ids[],
                    int64_t tokens[])
{
    int n = 0;
    for (int i = 0; i < db->t.partition_count; i++) {
        const struct db_partition *p = &db->t.partitions[i];
        bool mine =
            (previous != DB_NOBODY && p->owner == previous) || p->reserved_node == join->node;
        const struct db_session *s =
            db_find_session(db, p->owner != DB_NOBODY ? p->owner : p->reserved_session);
        if (!mine || s == NULL || !db_is_active(db, p))
            continue;
        bool same_key = s->key == join->previous_key || db->broken == DB_RULE_KEY;
        bool same_line = s->timeline == db->timeline || db->broken == DB_RULE_TIMELINE;
        ids[n] = i;
        tokens[n++] = same_key && same_line ? p->token : 0;
    }
    return n;
}

static void call_moves_off(struct db *db, int owner)
{
    for (int i = 0; i < db->t.partition_count; i++) {
        struct db_partition *p = &db->t.partitions[i];
        if (owner == DB_NOBODY || p->owner != owner || p->state != DB_RELEASING)
            continue;
        p->state = DB_OWNED;
        p->successor = DB_NOBODY;
        p->deadline_us = 0;
    }
}

/* The process that joins has outlived its session, and all others have ended with it: the way to
 * the database was cut, and what they owned waits for them. `dead` are the others. */
static bool reserve_after_cut(struct db *db, const struct db_join *join,
                              const struct db_session *previous, const struct ids *dead)
{
    int longest = join->ttl_ms > db->settings.ttl_ms ? join->ttl_ms : (int)db->settings.ttl_ms;
    if (dead->n == 0 || previous == NULL || previous->key != join->previous_key)
        return false;
    for (int i = 0; i < DB_SESSIONS; i++) {
        const struct db_session *s = &db->t.sessions[i];
        if (s->id == 0 || s->ended || s == previous)
            continue;
        if (!holds(dead, s->id))
            return false;
        longest = s->ttl_ms > longest ? s->ttl_ms : longest;
    }
    int64_t until_us = db->now_us + (int64_t)longest * 1000;
    if (until_us > db->t.reserved_until_us)
        db->t.reserved_until_us = until_us;
    return true;
}

enum db_error db_join(struct db *db, const struct db_join *join, int *session)
{
    const struct db_session *other = db_live_session(db, join->node);
    if (other != NULL && other->key != join->previous_key && db_is_locked(db, other->id))
        return join->patient ? DB_WAIT : DB_NAME_IN_USE;
    raise_tokens(db, join->highest_token);
    open_incarnation(db, join->ttl_ms);
    struct ids dead = dead_sessions(db);
    struct ids previous = {.n = 0};
    other = db_live_session(db, join->node);
    if (other != NULL)
        previous.id[previous.n++] = other->id;
    if (other != NULL && holds(&dead, other->id)) {
        for (int i = 0; i < dead.n; i++)
            if (dead.id[i] == other->id)
                dead.id[i--] = dead.id[--dead.n];
    }
    terminate(db, &dead);
    terminate(db, &previous);
    int adopted[DB_PARTITIONS];
    int64_t tokens[DB_PARTITIONS];
    int previous_id = previous.n > 0 ? previous.id[0] : DB_NOBODY;
    int n = to_adopt(db, join, previous_id, adopted, tokens);
    call_moves_off(db, previous_id);
    bool reserve = reserve_after_cut(db, join, other, &dead);
    end_sessions(db, &previous, false);
    end_sessions(db, &dead, reserve);
    db->t.nodes[join->node].known = true;
    db->t.nodes[join->node].capacity = join->capacity;
    struct db_session *s = place_of_session(db);
    *s = (struct db_session){.id = ++db->t.session_number,
                             .key = new_key(db),
                             .node = join->node,
                             .incarnation = db->live_incarnation,
                             .timeline = db->timeline,
                             .ttl_ms = join->ttl_ms,
                             .assignment_version = 1};
    db->locks[db->lock_count++] = s->id;
    open_terms(db, s->id);
    for (int i = 0; i < n; i++)
        db_grant(db, adopted[i], s->id, tokens[i]);
    for (int i = 0; i < db->t.partition_count; i++)
        if (db->t.partitions[i].reserved_node == join->node) {
            db->t.partitions[i].reserved_node = -1;
            db->t.partitions[i].reserved_session = DB_NOBODY;
        }
    db_place_free(db, true);
    if (db->t.rebalance_us == 0)
        db->t.rebalance_us = db->now_us + db->settings.rebalance_delay_ms * 1000;
    db->notify_members = true;
    *session = s->id;
    return DB_OK;
}

enum db_error db_leave(struct db *db, uint64_t key)
{
    struct db_session *me;
    enum db_error error = db_session_of(db, key, &me);
    if (error != DB_OK)
        return error;
    struct ids dead = dead_sessions(db), left = {.id = {me->id}, .n = 1};
    for (int i = 0; i < dead.n; i++)
        if (dead.id[i] == me->id)
            dead.id[i--] = dead.id[--dead.n];
    terminate(db, &dead);
    end_sessions(db, &dead, false);
    end_sessions(db, &left, false);
    open_terms(db, DB_NOBODY);
    db_place_free(db, true);
    db->notify_members = true;
    return DB_OK;
}

static bool is_free_to_place(const struct db *db)
{
    bool taker = false;
    for (int i = 0; i < DB_SESSIONS; i++)
        taker = taker || (db->t.sessions[i].id != 0 && !db->t.sessions[i].ended &&
                          !db->t.nodes[db->t.sessions[i].node].drained);
    for (int i = 0; taker && i < db->t.partition_count; i++) {
        const struct db_partition *p = &db->t.partitions[i];
        if (p->owner == DB_NOBODY && db_is_active(db, p) &&
            (p->reserved_node < 0 || db->t.reserved_until_us <= db->now_us))
            return true;
    }
    return false;
}

bool db_sweep_dead(struct db *db, int session, enum db_error *error)
{
    *error = DB_OK;
    if (db->live_incarnation == 0) {
        *error = DB_SESSION_ENDED;
        return false;
    }
    struct ids dead = dead_sessions(db);
    if (dead.n == 0 && db->t.leader != DB_NOBODY && !is_free_to_place(db))
        return false;
    terminate(db, &dead);
    end_sessions(db, &dead, false);
    if (db->broken != DB_RULE_TERM)
        open_terms(db, session);
    db_place_free(db, true);
    db->notify_members = db->notify_members || dead.n > 0;
    return true;
}

enum db_error db_sweep(struct db *db, uint64_t key, int *session)
{
    struct db_session *me;
    enum db_error error = db_session_of(db, key, &me);
    if (error != DB_OK)
        return error;
    *session = me->id;
    db_sweep_dead(db, me->id, &error);
    return error;
}

enum db_error db_predecessor(const struct db *db, uint64_t key, int *predecessor)
{
    struct db_session *me;
    enum db_error error = db_session_of(db, key, &me);
    int below = DB_NOBODY, last = DB_NOBODY;
    if (error != DB_OK)
        return error;
    for (int i = 0; i < DB_SESSIONS; i++) {
        const struct db_session *s = &db->t.sessions[i];
        if (s->id == 0 || s->ended || s->id == me->id)
            continue;
        below = s->id < me->id && s->id > below ? s->id : below;
        last = s->id > last ? s->id : last;
    }
    *predecessor = below != DB_NOBODY ? below : last;
    return DB_OK;
}
