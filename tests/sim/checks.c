#include "checks.h"

#include "base/memory.h"
#include "checks_state.h"
#include "hub.h"
#include "node/grants.h"
#include "node/membership.h"
#include "node/parts.h"
#include "server.h"

#include <stdlib.h>
#include <string.h>

struct checks *checks_create(struct world *w)
{
    (void)w;
    return xcalloc(1, sizeof(struct checks));
}

void checks_free(struct checks *c)
{
    struct grant_record *grant, *next;
    HASH_ITER(hh, c->grants, grant, next)
    {
        HASH_DEL(c->grants, grant);
        free(grant);
    }
    for (int i = 0; i < HUB_LOGS; i++)
        for (int k = 0; k < HUB_PARTITIONS; k++)
            free(c->ledgers[i][k].fates);
    free(c->readers);
    free(c);
}

struct check_counts check_counts(const struct checks *c)
{
    return c->counts;
}

struct grant_record *checks_grant(struct checks *c, int64_t token)
{
    struct grant_record *grant = NULL;
    HASH_FIND(hh, c->grants, &token, sizeof token, grant);
    if (grant == NULL) {
        grant = xcalloc(1, sizeof *grant);
        grant->token = token;
        grant->node = NOWHERE;
        HASH_ADD(hh, c->grants, token, sizeof token, grant);
    }
    return grant;
}

/* ---- leases ------------------------------------------------------------------------------- */

void check_joined(struct world *w, int node, int session, uint64_t key)
{
    w->checks->leases[node] = (struct lease_record){session, key, false};
}

static const struct node_parts *parts_of(const struct world *w, int node)
{
    return (const struct node_parts *)(const void *)w->nodes[node].node;
}

/* The server's own timer has freed the lock: the node must have ceased to trust it a good while
 * ago, so that whatever it still does after having looked comes before this. */
void check_lease_ended(struct world *w, struct server *server, int node, uint32_t life, int session,
                       const char *why)
{
    struct lease_record *lease = &w->checks->leases[node];
    const struct db_session *ended = db_find_session(&server->db, session);
    /* Two servers that were promoted at once give the same numbers. */
    if (w->nodes[node].life != life || !node_is_there(w, node) || ended == NULL ||
        lease->session != session || lease->key != ended->key || strcmp(why, "idle") != 0)
        return;
    lease->ended = true;
    const struct membership *m = parts_of(w, node)->membership;
    int64_t before = node_clock(w, node) - w->ttl_ms * 100;
    if (membership_session_id(m) == session && membership_trusted(m, before))
        world_fail(w,
                   "n%d trusts its lease, session %d, up to the moment at which the server ends it",
                   node, session);
}

void check_acts_as_leader(struct world *w, int node)
{
    const struct lease_record *lease = &w->checks->leases[node];
    const struct membership *m = parts_of(w, node)->membership;
    if (lease->ended && membership_session_id(m) == lease->session)
        world_fail(w, "n%d acts as the leader after its lease, session %d, has ended", node,
                   lease->session);
    if (!membership_trusted(m, node_clock(w, node)))
        world_fail(w, "n%d acts as the leader without trusting its lease", node);
}

/* ---- tokens ------------------------------------------------------------------------------- */

void check_told(struct world *w, int node, int64_t token, int64_t at_us)
{
    struct grant_record *grant = checks_grant(w->checks, token);
    uint32_t life = w->nodes[node].life;
    if (grant->told && (grant->node != node || grant->life != life))
        world_fail(w, "token %lld of n%d is told to another process", (long long)token,
                   grant->node);
    grant->told = true;
    grant->life = life;
    if (at_us >= grant->stolen_us)
        grant->stolen_us = 0;
    if (token > w->checks->highest_told)
        w->checks->highest_told = token;
}

/* After a restart, and after a cut: each for as long as it lasts. */
static void check_kept(struct world *w, const struct server *server, int i, int node)
{
    struct checks *c = w->checks;
    int kept = c->kept_for[server->index][i], cut = c->cut_for[server->index][i];
    if (kept != 0 && kept != node + 1 && server->db.t.reserved_until_us > server->db.now_us)
        world_fail(w, "server %d: a restart has moved partition %d from n%d to n%d", server->index,
                   i, kept - 1, node);
    if (cut != 0 && cut != node + 1 && c->cut_until_us[server->index] > server->db.now_us)
        world_fail(w, "server %d: a cut has moved partition %d from n%d to n%d", server->index, i,
                   cut - 1, node);
    c->kept_for[server->index][i] = c->cut_for[server->index][i] = 0;
}

static bool is_back(const struct server *server, int kept)
{
    return kept != 0 && db_live_session(&server->db, kept - 1) != NULL;
}

static void check_grant(struct world *w, struct server *server, int i, int64_t highest_before)
{
    struct checks *c = w->checks;
    const struct db_tables *t = &server->db.t;
    const struct db_partition *p = &t->partitions[i];
    const struct db_session *owner = db_find_session(&server->db, p->owner);
    if (owner == NULL || owner->ended) {
        world_fail(w, "server %d: partition %d belongs to session %d, which has ended",
                   server->index, i, p->owner);
        return;
    }
    if (t->checkpoints[i].token != p->token)
        world_fail(w,
                   "server %d: the checkpoint of partition %d carries another token than its grant",
                   server->index, i);
    if (p->token == c->highest_granted[server->index][i])
        return;
    if (p->token <= highest_before)
        world_fail(w,
                   "server %d: token %lld of partition %d is not above all tokens before it (%lld)",
                   server->index, (long long)p->token, i, (long long)highest_before);
    check_kept(w, server, i, owner->node);
    struct grant_record *grant = checks_grant(c, p->token);
    /* A primary that was left behind draws tokens that the other one may not know of. */
    bool elsewhere = grant->node != NOWHERE && grant->timeline != server->db.timeline;
    if (grant->node != NOWHERE && !elsewhere)
        world_fail(w, "token %lld was drawn twice", (long long)p->token);
    if (elsewhere)
        grant->disturbed = grant->unknown = true;
    grant->told = false;
    grant->timeline = server->db.timeline;
    grant->node = owner->node;
    grant->start = t->checkpoints[i].sequence;
    c->highest_granted[server->index][i] = p->token;
    c->highest[server->index] =
        p->token > c->highest[server->index] ? p->token : c->highest[server->index];
    if (p->token > c->drawn[server->index])
        c->drawn[server->index] = p->token;
    c->counts.grants++;
}

void check_tables(struct world *w, struct server *server)
{
    struct checks *c = w->checks;
    const struct db_tables *t = &server->db.t;
    int64_t before = c->highest[server->index];
    /* Who is back has taken what was kept for it. */
    for (int i = 0; i < t->partition_count && server->db.live_incarnation != 0; i++) {
        if (is_back(server, c->kept_for[server->index][i]))
            c->kept_for[server->index][i] = 0;
        if (is_back(server, c->cut_for[server->index][i]))
            c->cut_for[server->index][i] = 0;
    }
    for (int i = 0; i < t->partition_count; i++) {
        if (t->checkpoints[i].generation != c->generation[server->index][i]) {
            c->generation[server->index][i] = t->checkpoints[i].generation;
            c->floor[server->index][i] = 0;
            c->kept_for[server->index][i] = c->cut_for[server->index][i] = 0;
        }
        if (t->partitions[i].owner != DB_NOBODY)
            check_grant(w, server, i, before);
    }
    const struct db_session *leader = db_find_session(&server->db, t->leader);
    if (t->leader != DB_NOBODY && (leader == NULL || leader->ended))
        world_fail(w, "server %d: the lease belongs to session %d, which has ended", server->index,
                   t->leader);
    if (t->term_token > c->highest[server->index])
        c->highest[server->index] = c->drawn[server->index] = t->term_token;
}

void check_buried(struct world *w, const struct server *server, int session, int node)
{
    const struct db_session *s = db_find_session(&server->db, session);
    if (s != NULL && s->node != node && db_is_locked(&server->db, session))
        world_fail(w, "server %d: session %d of n%d was buried alive", server->index, session,
                   s->node);
}

void check_swept(struct world *w, const struct server *server)
{
    bool live = false;
    for (int i = 0; i < DB_SESSIONS; i++)
        live = live || (server->db.t.sessions[i].id != 0 && !server->db.t.sessions[i].ended);
    if (live && server->db.t.leader == DB_NOBODY)
        world_fail(w, "server %d: nobody leads after a sweep", server->index);
}

void check_crashed(struct world *w, struct server *server, bool promoted)
{
    struct checks *c = w->checks;
    const struct db_tables *t = &server->db.t;
    if (!promoted && t->token < c->drawn[server->index])
        world_fail(w, "server %d: a crash has taken back token %lld, which was committed",
                   server->index, (long long)c->drawn[server->index]);
    if (promoted) {
        c->drawn[server->index] = 0;
        c->highest[server->index] = c->highest_told;
        for (int i = 0; i < DB_PARTITIONS; i++) {
            c->highest_granted[server->index][i] = t->partitions[i].token;
            c->generation[server->index][i] = t->checkpoints[i].generation;
        }
    }
    for (int i = 0; i < t->partition_count; i++) {
        const struct db_session *owner = db_find_session(&server->db, t->partitions[i].owner);
        c->kept_for[server->index][i] = owner != NULL ? owner->node + 1 : 0;
        c->cut_for[server->index][i] = 0;
        c->floor[server->index][i] = t->checkpoints[i].sequence;
    }
}

void check_joins(struct world *w, struct server *server, const struct db_join *join)
{
    struct checks *c = w->checks;
    const struct db *db = &server->db;
    const struct db_session *mine = db_live_session(db, join->node);
    if (db->live_incarnation == 0 || mine == NULL || mine->key != join->previous_key)
        return;
    for (int i = 0; i < DB_SESSIONS; i++) {
        const struct db_session *s = &db->t.sessions[i];
        if (s->id != 0 && !s->ended && s != mine && db_is_locked(db, s->id))
            return;
    }
    /* It has lived through the end of all sessions: so may have the others. */
    c->cut_until_us[server->index] = db->now_us + (int64_t)join->ttl_ms * 1000;
    for (int i = 0; i < db->t.partition_count; i++) {
        const struct db_partition *p = &db->t.partitions[i];
        const struct db_session *owner = db_find_session(db, p->owner);
        if (owner != NULL && db_is_active(db, p))
            c->cut_for[server->index][i] = owner->node + 1;
    }
}

void check_led(struct world *w, struct server *server, int session, int64_t token)
{
    const struct db_tables *t = &server->db.t;
    if (t->leader == session && t->term_token != token)
        world_fail(w, "server %d: session %d leads under a stale token", server->index, session);
    if (t->leader != session && t->leader != DB_NOBODY && token < t->term_token &&
        !db_find_session(&server->db, session)->ended)
        world_fail(w, "server %d: session %d led under token %lld while session %d leads",
                   server->index, session, (long long)token, t->leader);
}

static void check_writer(struct world *w, const struct server *server, const struct db_session *me,
                         int partition, int64_t token, const char *what)
{
    const struct db_partition *p = &server->db.t.partitions[partition];
    if (p->token != token || p->owner != me->id)
        world_fail(
            w,
            "server %d: a %s of session %d under token %lld was taken for partition %d, which "
            "is session %d's under token %lld",
            server->index, what, me->id, (long long)token, partition, p->owner,
            (long long)p->token);
}

void check_letter(struct world *w, struct server *server, const struct db_session *me,
                  const struct db_letter *letter, int64_t token)
{
    const struct db_partition *p = &server->db.t.partitions[letter->partition];
    int log = hub_log_of(server->db.t.hubs[p->hub].created_ms);
    struct hub_event event = hub_event(w, log, p->number, letter->sequence);
    w->checks->counts.letters++;
    if (event.kind == EVENT_VALUES && event.poison != letter->row - 1 && !w->checks->gave_up)
        world_fail(w, "event %lld of partition %d became a dead letter, though ThingWorx takes it",
                   (long long)letter->sequence, letter->partition);
    check_writer(w, server, me, letter->partition, token, "dead letter");
}

/* ---- checkpoints -------------------------------------------------------------------------- */

struct fate *checks_fate(struct checks *c, int log, int partition, int64_t sequence)
{
    struct ledger *l = &c->ledgers[log][partition];
    while ((size_t)sequence >= l->capacity) {
        size_t capacity = l->capacity ? l->capacity * 2 : 256;
        l->fates = xrealloc(l->fates, capacity * sizeof *l->fates);
        memset(l->fates + l->capacity, 0, (capacity - l->capacity) * sizeof *l->fates);
        l->capacity = capacity;
    }
    return &l->fates[sequence];
}

bool checks_has_letter(const struct db_tables *t, int partition, int64_t sequence, int row)
{
    for (int i = t->letter_count - 1; i >= 0; i--) {
        const struct db_letter *l = &t->letters[i];
        if (l->partition == partition && l->sequence == sequence && l->row == row &&
            l->generation == t->checkpoints[partition].generation)
            return true;
    }
    return false;
}

/* Every event at or below a checkpoint was accepted or is a dead letter. */
static void check_delivered(struct world *w, const struct server *server, int partition,
                            int64_t sequence)
{
    const struct db_tables *t = &server->db.t;
    const struct db_partition *p = &t->partitions[partition];
    int log = hub_log_of(t->hubs[p->hub].created_ms);
    struct hub_event event = hub_event(w, log, p->number, sequence);
    const struct fate *fate = checks_fate(w->checks, log, p->number, sequence);
    bool whole = event.kind == EVENT_UNPARSABLE || event.kind == EVENT_UNBOUND;
    if (whole && !checks_has_letter(t, partition, sequence, 0))
        world_fail(w, "server %d: the checkpoint of partition %d passes event %lld, which is lost",
                   server->index, partition, (long long)sequence);
    for (int row = 0; row < event.rows; row++)
        if (!(fate->accepted & 1 << row) && !checks_has_letter(t, partition, sequence, row + 1))
            world_fail(
                w,
                "server %d: the checkpoint of partition %d passes event %lld, whose value %d "
                "is lost",
                server->index, partition, (long long)sequence, row);
}

void check_saved(struct world *w, struct server *server, const struct db_session *me, int partition,
                 int64_t token, const struct db_checkpoint *before)
{
    struct checks *c = w->checks;
    const struct db_checkpoint *now = &server->db.t.checkpoints[partition];
    int64_t *floor = &c->floor[server->index][partition];
    c->counts.saves++;
    check_writer(w, server, me, partition, token, "checkpoint");
    if (now->sequence < *floor)
        world_fail(w, "server %d: the checkpoint of partition %d went back from %lld to %lld",
                   server->index, partition, (long long)*floor, (long long)now->sequence);
    *floor = now->sequence;
    int64_t from = before->saved && before->generation == now->generation ? before->sequence : 0;
    for (int64_t i = from + 1; i <= now->sequence && !w->failed; i++)
        check_delivered(w, server, partition, i);
}

void check_abandoned(struct world *w, struct server *server, int partition)
{
    struct grant_record *grant = checks_grant(w->checks, server->db.t.partitions[partition].token);
    grant->start = 0;
    grant->disturbed = true;
}

/* A planned hand-over repeats nothing: the successor begins behind all that ThingWorx has seen. */
static void check_handed_over(struct world *w, const struct server *server, int partition)
{
    const struct db_tables *t = &server->db.t;
    const struct grant_record *grant = checks_grant(w->checks, t->partitions[partition].token);
    if (!grant->disturbed && grant->highest > t->checkpoints[partition].sequence)
        world_fail(w,
                   "server %d: partition %d is handed over at checkpoint %lld, but ThingWorx has "
                   "accepted up to %lld of it",
                   server->index, partition, (long long)t->checkpoints[partition].sequence,
                   (long long)grant->highest);
}

void check_releasing(struct world *w, struct server *server, const struct db_session *me,
                     int partition, int64_t token)
{
    const struct db_partition *p = &server->db.t.partitions[partition];
    if (p->owner == me->id && p->token == token && p->state == DB_RELEASING)
        check_handed_over(w, server, partition);
}

void check_leaving(struct world *w, struct server *server, const struct db_session *me)
{
    const struct sim_node *n = &w->nodes[me->node];
    if (w->now_us - n->leaves_us > 3 * (int64_t)w->ttl_ms * 1000)
        return; /* it may have given up draining */
    for (int i = 0; i < server->db.t.partition_count; i++)
        if (server->db.t.partitions[i].owner == me->id)
            check_handed_over(w, server, i);
}

/* ---- readers ------------------------------------------------------------------------------ */

void check_opens(struct world *w, int node, int64_t token)
{
    if (token > w->checks->highest_told)
        world_fail(w, "n%d uses token %lld before the database has told it", node,
                   (long long)token);
    if (checks_grant(w->checks, token)->stolen_us != 0)
        world_fail(w, "n%d reads again with token %lld, which was stolen, without having asked",
                   node, (long long)token);
}

void check_attached(struct world *w, int reader, int node, uint32_t life, int64_t token, int log,
                    int partition)
{
    struct checks *c = w->checks;
    (void)life, (void)log, (void)partition;
    if ((size_t)reader >= c->reader_n) {
        size_t n = ((size_t)reader + 1) * 2;
        c->readers = xrealloc(c->readers, n * sizeof *c->readers);
        c->reader_n = n;
    }
    c->readers[reader] = (struct reader_record){node, token, w->now_us};
}

void check_stolen(struct world *w, int64_t token)
{
    checks_grant(w->checks, token)->stolen_us = w->now_us;
}

void check_disturbed(struct world *w, int64_t token)
{
    checks_grant(w->checks, token)->disturbed = true;
}

void check_node_disturbed(struct world *w, int node)
{
    struct grant_record *grant, *next;
    HASH_ITER(hh, w->checks->grants, grant, next)
    {
        if (grant->node == node)
            grant->disturbed = true;
    }
}

void check_woken(struct world *w, int node, int64_t gap_us)
{
    check_node_disturbed(w, node);
    if (gap_us > w->ttl_ms * 1000 / 5 + 50000)
        w->checks->woken_us[node] = w->now_us;
}

/* ---- the end ------------------------------------------------------------------------------ */

bool check_drained(const struct world *w)
{
    const struct server *server = servers_primary(w->servers);
    for (int i = 0; server != NULL && i < server->db.t.partition_count; i++) {
        const struct db_partition *p = &server->db.t.partitions[i];
        if (server->db.t.checkpoints[i].sequence < hub_due(w->hubs, p->hub, p->number))
            return false;
    }
    return true;
}

void check_end(struct world *w)
{
    const struct server *server = servers_primary(w->servers);
    if (server == NULL) {
        world_fail(w, "no server is left");
        return;
    }
    const struct db_tables *t = &server->db.t;
    if (t->partition_count != HUBS * hub_partitions(w->hubs))
        world_fail(w, "only %d partitions are registered", t->partition_count);
    for (int i = 0; i < t->partition_count; i++) {
        const struct db_partition *p = &t->partitions[i];
        int64_t due = hub_due(w->hubs, p->hub, p->number);
        if (p->owner == DB_NOBODY)
            world_fail(w, "partition %d has no owner at the end", i);
        else if (!db_is_locked(&server->db, p->owner))
            world_fail(w, "partition %d belongs to the dead session %d at the end", i, p->owner);
        else if (t->checkpoints[i].sequence < due)
            world_fail(w, "partition %d is at %lld of %lld at the end, owned by n%d", i,
                       (long long)t->checkpoints[i].sequence, (long long)due,
                       db_find_session(&server->db, p->owner)->node);
        for (int64_t s = 1; s <= t->checkpoints[i].sequence && !w->failed; s++)
            check_delivered(w, server, i, s);
    }
    if (t->leader == DB_NOBODY || !db_is_locked(&server->db, t->leader))
        world_fail(w, "nobody leads at the end");
}
