#include "checks.h"
#include "checks_state.h"
#include "hub.h"
#include "server.h"

/* What is sent to ThingWorx, and what it takes. */

void check_posts(struct world *w, int node, const uint64_t *values, size_t count)
{
    struct checks *c = w->checks;
    struct hub_value v;
    for (size_t i = 0; i < count; i++) {
        if (!hub_decode(values[i], &v))
            continue;
        if (checks_grant(c, c->readers[v.reader].token)->stolen_us != 0)
            world_fail(w, "n%d sends value %d of event %lld of a grant that was stolen from it",
                       node, v.row, (long long)v.sequence);
        if (c->readers[v.reader].attached_us < c->woken_us[node])
            world_fail(w, "n%d sends value %d of event %lld, which it had before it was stopped",
                       node, v.row, (long long)v.sequence);
    }
}

static bool was_refused(const struct world *w, const struct hub_value *v)
{
    const struct server *server = servers_primary(w->servers);
    const struct db_tables *t = server != NULL ? &server->db.t : NULL;
    for (int i = 0; t != NULL && i < t->partition_count; i++) {
        const struct db_partition *p = &t->partitions[i];
        if (p->number == v->partition && hub_log_of(t->hubs[p->hub].created_ms) == v->log)
            return checks_has_letter(t, i, v->sequence, v->row + 1);
    }
    return t == NULL; /* nobody can tell */
}

/* The first time that a value is accepted: in the order of its Thing's events. Over all grants,
 * unless a good value was taken for a dead letter, and whoever reads its event again delivers it.
 */
static void accept_first(struct world *w, const struct hub_value *v, int64_t token)
{
    struct hub_event event = hub_event(w, v->log, v->partition, v->sequence);
    struct ledger *l = &w->checks->ledgers[v->log][v->partition];
    int64_t place = v->sequence * 4 + v->row;
    int64_t *newest = &l->newest[event.device % HUB_DEVICES];
    bool late =
        w->checks->gave_up && (token != l->token[event.device % HUB_DEVICES] || was_refused(w, v));
    if (place < *newest && !late)
        world_fail(w,
                   "value %d of event %lld of partition %d was accepted after event %lld of the "
                   "same Thing",
                   v->row, (long long)v->sequence, v->partition, (long long)*newest / 4);
    if (place < *newest)
        return;
    *newest = place;
    l->token[event.device % HUB_DEVICES] = token;
}

static void accept_again(struct world *w, const struct hub_value *v,
                         const struct grant_record *grant, bool same_grant)
{
    w->checks->counts.repeated++;
    if (same_grant && !grant->disturbed && !grant->unknown)
        world_fail(w,
                   "event %lld of partition %d was delivered twice under token %lld, for no reason",
                   (long long)v->sequence, v->partition, (long long)grant->token);
}

void check_accepted(struct world *w, const uint64_t *values, size_t count)
{
    struct checks *c = w->checks;
    struct hub_value v;
    for (size_t i = 0; i < count && !w->failed; i++) {
        if (!hub_decode(values[i], &v))
            continue;
        struct fate *fate = checks_fate(c, v.log, v.partition, v.sequence);
        struct grant_record *grant = checks_grant(c, c->readers[v.reader].token);
        bool known = fate->accepted & 1 << v.row;
        c->counts.accepted++;
        if (!known)
            accept_first(w, &v, grant->token);
        else
            accept_again(w, &v, grant, fate->tokens[v.row] == grant->token);
        fate->accepted |= (unsigned char)(1 << v.row);
        fate->tokens[v.row] = grant->token;
        if (v.sequence <= grant->start)
            world_fail(w,
                       "event %lld of partition %d is delivered under token %lld, which began "
                       "behind checkpoint %lld",
                       (long long)v.sequence, v.partition, (long long)grant->token,
                       (long long)grant->start);
        if (v.sequence > grant->highest)
            grant->highest = v.sequence;
    }
}

void check_gave_up(struct world *w)
{
    w->checks->gave_up = true;
}

void check_unknown(struct world *w, const uint64_t *values, size_t count)
{
    struct hub_value v;
    for (size_t i = 0; i < count; i++)
        if (hub_decode(values[i], &v))
            checks_grant(w->checks, w->checks->readers[v.reader].token)->unknown = true;
}
