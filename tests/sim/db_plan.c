#include "db.h"

/* Moves, hubs, and what is written: the rest of sql/20_coordination. */

static int64_t least(int64_t a, int64_t b)
{
    return a == 0 ? b : b == 0 ? a : a < b ? a : b;
}

/* ---- moves -------------------------------------------------------------------------------- */

void db_call_off(struct db *db, int partition)
{
    struct db_partition *p = &db->t.partitions[partition];
    int64_t again = db->now_us + db->settings.decline_pass_over_ms * 1000;
    db->t.rebalance_us = least(db->t.rebalance_us, again);
    if (p->state != DB_RELEASING)
        return;
    p->state = DB_OWNED;
    p->successor = DB_NOBODY;
    p->deadline_us = 0;
    p->move_again_us = again;
    db_touch(db, p->owner);
}

static void begin_move(struct db *db, int partition, int successor)
{
    struct db_partition *p = &db->t.partitions[partition];
    if (p->owner == DB_NOBODY)
        return;
    p->state = DB_RELEASING;
    p->successor = successor;
    p->deadline_us = db->now_us + db->settings.move_deadline_ms * 1000;
    p->move_again_us = 0;
    db_touch(db, p->owner);
}

static void carry_out_wishes(struct db *db)
{
    for (int i = 0; i < db->t.partition_count; i++) {
        struct db_partition *p = &db->t.partitions[i];
        if (p->wish < 0)
            continue;
        const struct db_session *to = db_live_session(db, p->wish);
        p->wish = -1;
        if (to == NULL || p->retired)
            continue;
        if (p->owner == DB_NOBODY)
            db_grant(db, i, to->id, 0);
        else if (p->owner != to->id)
            begin_move(db, i, to->id);
    }
}

static void note_what_comes_next(struct db *db)
{
    int64_t next = 0;
    for (int i = 0; i < db->t.partition_count; i++)
        if (db->t.partitions[i].move_again_us > db->now_us)
            next = least(next, db->t.partitions[i].move_again_us);
    for (int i = 0; i < DB_NODES * DB_HUBS; i++) {
        struct db_decline *d = &db->t.declines[i];
        if (d->session == DB_NOBODY)
            continue;
        if (d->until_us > db->now_us)
            next = least(next, d->until_us);
        else
            d->session = DB_NOBODY;
    }
    db->t.rebalance_us = next;
}

void db_plan_and_move(struct db *db)
{
    struct db_place places[DB_PARTITIONS];
    db->t.planned_config = db->t.config_version;
    db->t.planned_wishes = db->t.wishes_version;
    note_what_comes_next(db);
    for (int i = 0; i < db->t.partition_count; i++) {
        const struct db_partition *p = &db->t.partitions[i];
        if (p->state == DB_RELEASING && p->successor == DB_NOBODY && db->t.hubs[p->hub].enabled)
            db_call_off(db, i);
    }
    db_place_free(db, true);
    carry_out_wishes(db);
    int n = db_placement(db, true, true, places);
    for (int i = 0; i < n; i++)
        if (places[i].from != DB_NOBODY)
            begin_move(db, places[i].partition, places[i].to);
    for (int i = 0; i < db->t.partition_count; i++) {
        const struct db_partition *p = &db->t.partitions[i];
        bool heading = p->state == DB_OWNED || p->successor != DB_NOBODY;
        if (!db->t.hubs[p->hub].enabled && heading && p->move_again_us <= db->now_us)
            begin_move(db, i, DB_NOBODY);
    }
}

static bool is_leader(const struct db *db, const struct db_session *me, int64_t token)
{
    return db->t.leader == me->id && db->t.term_token == token;
}

static bool plan_is_due(const struct db *db)
{
    const struct db_tables *t = &db->t;
    if (t->reserved_until_us > db->now_us)
        for (int i = 0; i < t->partition_count; i++)
            if (t->partitions[i].owner == DB_NOBODY && t->partitions[i].reserved_node >= 0)
                return false;
    return (t->rebalance_us != 0 && t->rebalance_us <= db->now_us) ||
           t->planned_config != t->config_version || t->planned_wishes != t->wishes_version;
}

enum db_error db_tend(struct db *db, uint64_t key, int64_t token, int64_t *again_ms)
{
    struct db_session *me;
    enum db_error error = db_session_of(db, key, &me);
    int64_t next = 0;
    *again_ms = 1000;
    if (error != DB_OK)
        return error;
    if (!is_leader(db, me, token))
        return DB_NOT_LEADER;
    db_sweep_dead(db, me->id, &error);
    if (error != DB_OK || me->ended)
        return error;
    for (int i = 0; i < db->t.partition_count; i++)
        if (db->t.partitions[i].deadline_us != 0 && db->t.partitions[i].deadline_us <= db->now_us)
            db_call_off(db, i);
    if (plan_is_due(db))
        db_plan_and_move(db);
    if (db->t.rebalance_us > db->now_us)
        next = db->t.rebalance_us;
    if (db->t.reserved_until_us > db->now_us)
        next = least(next, db->t.reserved_until_us);
    for (int i = 0; i < db->t.partition_count; i++)
        next = least(next, db->t.partitions[i].deadline_us);
    int64_t wait = next == 0 ? 1000 : (next - db->now_us + 999) / 1000;
    *again_ms = wait < 10 ? 10 : wait > 1000 ? 1000 : wait;
    return DB_OK;
}

/* ---- one partition ------------------------------------------------------------------------ */

/* The partition if it is the caller's under the token, else NULL. */
static struct db_partition *mine(struct db *db, const struct db_session *me, int partition,
                                 int64_t token)
{
    struct db_partition *p = &db->t.partitions[partition];
    return partition < db->t.partition_count && p->owner == me->id && p->token == token ? p : NULL;
}

enum db_error db_release(struct db *db, uint64_t key, int partition, int64_t token, bool *yes)
{
    struct db_session *me;
    enum db_error error = db_session_of(db, key, &me);
    *yes = false;
    if (error != DB_OK)
        return error;
    const struct db_partition *p = mine(db, me, partition, token);
    if (p == NULL || p->state != DB_RELEASING)
        return DB_OK;
    const struct db_session *to = db_find_session(db, p->successor);
    *yes = true;
    if (to != NULL && !to->ended) {
        db_grant(db, partition, to->id, 0);
    } else {
        db_free_partition(db, partition);
        db_place_free(db, true);
    }
    return DB_OK;
}

enum db_error db_keep(struct db *db, uint64_t key, int partition, int64_t token, bool *yes)
{
    struct db_session *me;
    enum db_error error = db_session_of(db, key, &me);
    *yes = false;
    if (error != DB_OK)
        return error;
    const struct db_partition *p = mine(db, me, partition, token);
    if (p == NULL || p->state != DB_RELEASING)
        return DB_OK;
    *yes = true;
    db_call_off(db, partition);
    return DB_OK;
}

static void note_decline(struct db *db, int session, int hub, int64_t until)
{
    struct db_decline *place = NULL;
    for (int i = 0; i < DB_NODES * DB_HUBS; i++) {
        struct db_decline *d = &db->t.declines[i];
        if (d->session == session && d->hub == hub) {
            place = d;
            break;
        }
        if (d->session == DB_NOBODY && place == NULL)
            place = d;
    }
    if (place != NULL)
        *place = (struct db_decline){session, hub, until};
}

enum db_error db_decline(struct db *db, uint64_t key, int partition, int64_t token, bool *yes)
{
    struct db_session *me;
    enum db_error error = db_session_of(db, key, &me);
    *yes = false;
    if (error != DB_OK)
        return error;
    const struct db_partition *p = mine(db, me, partition, token);
    if (p == NULL)
        return DB_OK;
    int hub = p->hub;
    bool other_up = false;
    for (int i = 0; i < DB_SESSIONS; i++) {
        const struct db_session *s = &db->t.sessions[i];
        other_up =
            other_up || (s->id != 0 && !s->ended && s->id != me->id && s->hub_state[hub] == 1);
    }
    if (me->hub_state[hub] == 2 && !other_up)
        return DB_OK;
    int64_t until = db->now_us + db->settings.decline_pass_over_ms * 1000;
    note_decline(db, me->id, hub, until);
    db_free_partition(db, partition);
    db_place_free(db, false);
    db->t.rebalance_us = least(db->t.rebalance_us, until);
    *yes = true;
    return DB_OK;
}

enum db_error db_abandon(struct db *db, uint64_t key, int partition, int64_t token, bool *yes)
{
    struct db_session *me;
    enum db_error error = db_session_of(db, key, &me);
    *yes = false;
    if (error != DB_OK)
        return error;
    struct db_partition *p = mine(db, me, partition, token);
    struct db_checkpoint *c = &db->t.checkpoints[partition];
    if (p == NULL || c->token != token || !c->saved)
        return DB_OK;
    c->generation++;
    p->generation = c->generation;
    c->saved = false;
    c->sequence = c->enqueued_ms = 0;
    *yes = true;
    return DB_OK;
}

/* ---- hubs --------------------------------------------------------------------------------- */

static void begin_generation(struct db *db, int hub)
{
    int generation = db->t.hubs[hub].generation;
    for (int i = 0; i < db->t.partition_count; i++)
        if (db->t.partitions[i].hub == hub && db->t.partitions[i].generation > generation)
            generation = db->t.partitions[i].generation;
    generation++;
    db->t.hubs[hub].generation = generation;
    for (int i = 0; i < db->t.partition_count; i++) {
        struct db_partition *p = &db->t.partitions[i];
        if (p->hub != hub)
            continue;
        struct db_checkpoint *c = &db->t.checkpoints[i];
        *c = (struct db_checkpoint){.generation = generation, .token = c->token};
        p->generation = generation;
        p->reserved_node = -1;
        p->reserved_session = DB_NOBODY;
        if (p->owner != DB_NOBODY)
            db_grant(db, i, p->owner, 0);
    }
    db_fence_free(db);
}

enum db_error db_report_hub(struct db *db, uint64_t key, int64_t token, int hub, int64_t created_ms,
                            int partitions, int *added)
{
    struct db_session *me;
    enum db_error error = db_session_of(db, key, &me);
    struct db_hub *h = &db->t.hubs[hub];
    int have = 0;
    *added = 0;
    if (error != DB_OK)
        return error;
    if (!is_leader(db, me, token))
        return DB_NOT_LEADER;
    if (!h->known || !h->enabled)
        return DB_INVALID;
    for (int i = 0; i < db->t.partition_count; i++)
        have += db->t.partitions[i].hub == hub;
    if (h->registered && h->created_ms == created_ms && have >= partitions)
        return DB_OK;
    if (!h->registered) {
        h->registered = true;
        h->generation = 1;
        h->created_ms = created_ms;
    } else if (h->created_ms != created_ms) {
        h->created_ms = created_ms;
        begin_generation(db, hub);
    }
    for (; have < partitions; have++, ++*added) {
        db->t.partitions[db->t.partition_count] = (struct db_partition){.hub = hub,
                                                                        .number = have,
                                                                        .generation = h->generation,
                                                                        .reserved_node = -1,
                                                                        .wish = -1};
        db->t.checkpoints[db->t.partition_count++] =
            (struct db_checkpoint){.generation = h->generation};
    }
    db_place_free(db, true);
    if (db->t.rebalance_us == 0)
        db->t.rebalance_us = db->now_us + db->settings.rebalance_delay_ms * 1000;
    return DB_OK;
}

/* ---- what nodes write --------------------------------------------------------------------- */

enum db_saved db_save(struct db *db, int partition, int64_t token, int64_t sequence,
                      int64_t enqueued_ms)
{
    struct db_checkpoint *c = &db->t.checkpoints[partition];
    if (c->token != token && db->broken != DB_RULE_FENCE)
        return DB_STALE_TOKEN;
    if (c->saved && c->sequence > sequence)
        return DB_NOT_MONOTONE;
    c->saved = true;
    c->sequence = sequence;
    c->enqueued_ms = enqueued_ms;
    return DB_SAVED;
}

bool db_keep_letter(struct db *db, const struct db_session *session, int64_t token,
                    const struct db_letter *letter)
{
    const struct db_partition *p = &db->t.partitions[letter->partition];
    if ((p->token != token || p->owner != session->id) && db->broken != DB_RULE_LETTERS)
        return false;
    for (int i = 0; i < db->t.letter_count; i++) {
        const struct db_letter *known = &db->t.letters[i];
        if (known->partition == letter->partition && known->generation == letter->generation &&
            known->sequence == letter->sequence && known->row == letter->row)
            return true;
    }
    if (db->t.letter_count < DB_LETTERS)
        db->t.letters[db->t.letter_count++] = *letter;
    return true;
}

/* ---- administrators ----------------------------------------------------------------------- */

void db_drain(struct db *db, int node, bool drained)
{
    if (db->t.nodes[node].drained == drained || !db->t.nodes[node].known)
        return;
    db->t.nodes[node].drained = drained;
    db->t.wishes_version++;
    db->notify_members = true;
}

bool db_move(struct db *db, int partition, int node)
{
    if (partition >= db->t.partition_count || db_live_session(db, node) == NULL)
        return false;
    db->t.partitions[partition].wish = node;
    db->t.wishes_version++;
    db->notify_members = true;
    return true;
}

void db_enable_hub(struct db *db, int hub, bool enabled)
{
    db->t.hubs[hub].known = true;
    if (db->t.hubs[hub].enabled == enabled)
        return;
    db->t.hubs[hub].enabled = enabled;
    db->t.config_version++;
}
