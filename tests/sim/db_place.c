#include "db.h"

#include <stdlib.h>
#include <string.h>

/* Who shall get which partition: quotas() and placement() of sql/20_coordination. */

struct share {
    int session, hubs_declined;
    int64_t weight, held, base, remainder, quota;
};

static bool has_declined(const struct db *db, int session, int hub)
{
    for (int i = 0; i < DB_NODES * DB_HUBS; i++) {
        const struct db_decline *d = &db->t.declines[i];
        if (d->session == session && d->hub == hub && d->until_us > db->now_us)
            return true;
    }
    return false;
}

static int target_of(const struct db_partition *p)
{
    return p->successor != DB_NOBODY ? p->successor : p->owner;
}

static int by_rank(const void *left, const void *right)
{
    const struct share *a = left, *b = right;
    bool a_over = a->held > a->base, b_over = b->held > b->base;
    if (a->remainder != b->remainder)
        return a->remainder > b->remainder ? -1 : 1;
    if (a_over != b_over)
        return a_over ? -1 : 1;
    if (a->held != b->held)
        return a->held > b->held ? -1 : 1;
    return a->session < b->session ? -1 : 1;
}

static int live_shares(const struct db *db, const bool hubs[DB_HUBS], int hub_count,
                       struct share shares[])
{
    int n = 0;
    int64_t willing = 0;
    for (int i = 0; i < DB_SESSIONS; i++) {
        const struct db_session *s = &db->t.sessions[i];
        if (s->id == 0 || s->ended)
            continue;
        struct share *share = &shares[n++];
        const struct db_node *node = &db->t.nodes[s->node];
        *share = (struct share){.session = s->id, .weight = node->drained ? 0 : node->capacity};
        for (int k = 0; k < db->t.partition_count; k++)
            share->held +=
                db_is_active(db, &db->t.partitions[k]) && target_of(&db->t.partitions[k]) == s->id;
        for (int hub = 0; hub < DB_HUBS; hub++)
            share->hubs_declined += hubs[hub] && has_declined(db, s->id, hub);
        if (share->hubs_declined < hub_count || hub_count == 0)
            willing += share->weight;
    }
    for (int i = 0; i < n && willing > 0; i++)
        if (shares[i].hubs_declined >= hub_count && hub_count > 0)
            shares[i].weight = 0;
    return n;
}

/* How many partitions each live session should own, by rank. */
static int quotas(const struct db *db, struct share shares[DB_SESSIONS])
{
    bool hubs[DB_HUBS] = {false};
    int64_t partitions = 0, sum = 0, given = 0;
    for (int i = 0; i < db->t.partition_count; i++)
        if (db_is_active(db, &db->t.partitions[i])) {
            partitions++;
            hubs[db->t.partitions[i].hub] = true;
        }
    int hub_count = 0;
    for (int hub = 0; hub < DB_HUBS; hub++)
        hub_count += hubs[hub];
    int n = live_shares(db, hubs, hub_count, shares);
    for (int i = 0; i < n; i++)
        sum += shares[i].weight;
    for (int i = 0; i < n && sum > 0; i++) {
        shares[i].base = partitions * shares[i].weight / sum;
        shares[i].remainder = partitions * shares[i].weight % sum;
        given += shares[i].base;
    }
    qsort(shares, (size_t)n, sizeof shares[0], by_rank);
    for (int i = 0; i < n; i++)
        shares[i].quota = shares[i].base + (sum > 0 && i < partitions - given);
    return n;
}

static const struct share *share_of(const struct share shares[], int n, int session)
{
    for (int i = 0; i < n; i++)
        if (shares[i].session == session)
            return &shares[i];
    return NULL;
}

struct loose {
    int partition, owner;
    bool placed;
};

static bool is_fixed(const struct db *db, const struct db_partition *p)
{
    return p->state == DB_RELEASING || p->move_again_us > db->now_us;
}

/* Whether a partition is beyond the quota of the session that it is for. */
static bool is_beyond(const struct db *db, const struct share shares[], int n, int partition)
{
    const struct db_partition *p = &db->t.partitions[partition];
    const struct share *share = share_of(shares, n, target_of(p));
    int64_t rank = 1;
    if (share == NULL || is_fixed(db, p))
        return false;
    for (int i = 0; i < db->t.partition_count; i++) {
        const struct db_partition *other = &db->t.partitions[i];
        if (i != partition && db_is_active(db, other) && target_of(other) == share->session &&
            (is_fixed(db, other) || i < partition))
            rank++;
    }
    return rank > share->quota;
}

static int loose_partitions(const struct db *db, bool rebalance, const struct share shares[], int n,
                            struct loose loose[])
{
    int count = 0;
    for (int hub = 0; hub < DB_HUBS; hub++)
        for (int i = 0; i < db->t.partition_count; i++) {
            const struct db_partition *p = &db->t.partitions[i];
            bool reserved = p->owner == DB_NOBODY && p->reserved_node >= 0 &&
                            db->t.reserved_until_us > db->now_us;
            if (p->hub != hub || !db_is_active(db, p))
                continue;
            if (target_of(p) == DB_NOBODY && !reserved)
                loose[count++] = (struct loose){i, DB_NOBODY, false};
            else if (target_of(p) != DB_NOBODY && rebalance && is_beyond(db, shares, n, i))
                loose[count++] = (struct loose){i, target_of(p), false};
        }
    return count;
}

struct slot {
    int session;
    bool used;
    double at;
};

static int by_fill(const void *left, const void *right)
{
    const struct slot *a = left, *b = right;
    if (a->at < b->at || a->at > b->at)
        return a->at < b->at ? -1 : 1;
    return a->session < b->session ? -1 : a->session > b->session;
}

static int free_slots(const struct share shares[], int n, struct slot slots[])
{
    int count = 0;
    for (int i = 0; i < n; i++)
        for (int64_t k = shares[i].held + 1; shares[i].weight > 0 && k <= shares[i].quota; k++)
            slots[count++] = (struct slot){shares[i].session, false,
                                           ((double)k - 0.5) / (double)shares[i].weight};
    qsort(slots, (size_t)count, sizeof slots[0], by_fill);
    return count;
}

struct placing {
    const struct db *db;
    struct loose loose[DB_PARTITIONS];
    int loose_count;
    struct slot slots[DB_PARTITIONS * 2];
    int slot_count;
    int able[DB_SESSIONS];
    int able_count;
    struct db_place *places;
    int count;
};

static void place(struct placing *p, struct loose *loose, int session)
{
    loose->placed = true;
    p->places[p->count++] = (struct db_place){loose->partition, loose->owner, session};
}

/* A hub that somebody has declined: over the sessions that serve it. */
static void place_declined(struct placing *p, int hub, bool fall_back)
{
    int fit[DB_SESSIONS], n = 0, over = 0;
    for (int i = 0; i < p->able_count; i++)
        if (!has_declined(p->db, p->able[i], hub))
            fit[n++] = p->able[i];
    if (n == 0 && !fall_back) {
        for (int i = 0; i < p->loose_count; i++)
            if (p->db->t.partitions[p->loose[i].partition].hub == hub)
                p->loose[i].placed = true; /* stays where it is */
        return;
    }
    if (n == 0) {
        memcpy(fit, p->able, sizeof fit);
        n = p->able_count;
    }
    int slot = 0;
    for (int i = 0; i < p->loose_count; i++) {
        struct loose *loose = &p->loose[i];
        if (p->db->t.partitions[loose->partition].hub != hub)
            continue;
        bool serves = false;
        while (slot < p->slot_count) {
            bool good = !p->slots[slot].used;
            bool in_fit = false;
            for (int k = 0; k < n; k++)
                in_fit = in_fit || fit[k] == p->slots[slot].session;
            if (good && in_fit)
                break;
            slot++;
        }
        for (int k = 0; k < n; k++)
            serves = serves || fit[k] == loose->owner;
        if (slot < p->slot_count) {
            p->slots[slot].used = true;
            place(p, loose, p->slots[slot].session);
        } else if (!serves) {
            place(p, loose, fit[over++ % n]);
        }
        loose->placed = true;
    }
}

int db_placement(const struct db *db, bool rebalance, bool fall_back,
                 struct db_place places[DB_PARTITIONS])
{
    struct share shares[DB_SESSIONS];
    struct placing p = {.db = db, .places = places};
    int n = quotas(db, shares);
    p.loose_count = loose_partitions(db, rebalance, shares, n, p.loose);
    for (int i = 0; i < n; i++)
        if (shares[i].weight > 0)
            p.able[p.able_count++] = shares[i].session;
    if (p.loose_count == 0 || p.able_count == 0)
        return 0;
    p.slot_count = free_slots(shares, n, p.slots);
    for (int hub = 0; hub < DB_HUBS; hub++) {
        bool declined = false, wanted = false;
        for (int i = 0; i < p.able_count; i++)
            declined = declined || has_declined(db, p.able[i], hub);
        for (int i = 0; i < p.loose_count; i++)
            wanted = wanted || db->t.partitions[p.loose[i].partition].hub == hub;
        if (declined && wanted)
            place_declined(&p, hub, fall_back);
    }
    int slot = 0;
    for (int i = 0; i < p.loose_count; i++) {
        if (p.loose[i].placed)
            continue;
        while (slot < p.slot_count && p.slots[slot].used)
            slot++;
        if (slot == p.slot_count)
            break;
        place(&p, &p.loose[i], p.slots[slot++].session);
    }
    return p.count;
}
