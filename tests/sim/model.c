#include "model.h"
#include "db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The model of the database behind a line protocol, for tests/sql/two/test_conformance.py: one call
 * a line, answered by one line with what it returned and the state of the tables. */

enum { LINE_SIZE = 256, ARGUMENTS = 6 };

struct session_state {
    struct db db;
    uint64_t keys[DB_NODES]; /* of each node's last session; 0: none */
    int64_t now_us;
};

static const char *const errors[] = {[DB_OK] = "ok",
                                     [DB_NAME_IN_USE] = "HF001",
                                     [DB_SESSION_ENDED] = "HF002",
                                     [DB_NOT_LEADER] = "HF006",
                                     [DB_INVALID] = "22023",
                                     [DB_WAIT] = "wait"};

static void print_session(const struct db *db, const char *before, int session)
{
    const struct db_session *s = db_find_session(db, session);
    if (s == NULL)
        printf("%s-", before);
    else
        printf("%s%d", before, s->node);
}

static void print_state(const struct db *db)
{
    static const char *const states[] = {"free", "owned", "releasing"};
    print_session(db, " | ", db->t.leader);
    printf(" %lld", (long long)db->t.term_token);
    for (int i = 0; i < db->t.partition_count; i++) {
        const struct db_partition *p = &db->t.partitions[i];
        const struct db_checkpoint *c = &db->t.checkpoints[i];
        printf(" | %d %d %s", p->hub, p->number, states[p->state]);
        print_session(db, " ", p->owner);
        print_session(db, " ", p->successor);
        if (p->reserved_node >= 0)
            printf(" %d", p->reserved_node);
        else
            printf(" -");
        printf(" %d %lld %lld %lld", p->generation, (long long)(c->saved ? c->sequence : -1),
               (long long)p->token, (long long)c->token);
    }
    printf("\n");
}

static void print_yes(enum db_error error, bool yes)
{
    printf("%s", error == DB_OK ? (yes ? "true" : "false") : errors[error]);
}

static void forget_ended(struct db *db)
{
    for (int i = 0; i < db->ended_count; i++)
        db_unlock(db, db->ended[i]);
}

/* join NODE KEY(0 none, 1 the last, 2 a wrong one) CAPACITY TTL */
static void call_join(struct session_state *s, const int64_t a[ARGUMENTS])
{
    struct db_join join = {.node = (int)a[0],
                           .previous_key = a[1] == 1   ? s->keys[a[0]]
                                           : a[1] == 2 ? 7
                                                       : 0,
                           .capacity = (int)a[2],
                           .ttl_ms = (int)a[3]};
    int session = DB_NOBODY;
    enum db_error error = db_join(&s->db, &join, &session);
    if (error == DB_OK)
        s->keys[a[0]] = db_find_session(&s->db, session)->key;
    printf("%s", errors[error]);
}

static void call_poll(struct session_state *s, uint64_t key)
{
    struct db_session *me;
    enum db_error error = db_session_of(&s->db, key, &me);
    print_yes(error, error == DB_OK && s->db.t.leader == me->id);
}

/* save NODE PARTITION TOKEN SEQUENCE */
static void call_save(struct session_state *s, uint64_t key, const int64_t a[ARGUMENTS])
{
    static const char *const outcomes[] = {"saved", "stale_token", "not_monotone"};
    struct db_session *me;
    enum db_error error = db_session_of(&s->db, key, &me);
    if (error != DB_OK)
        printf("%s", errors[error]);
    else
        printf("%s", outcomes[db_save(&s->db, (int)a[1], a[2], a[3], a[3])]);
}

/* One step of time of each kind, as the test makes the real tables wait no longer. */
static void expire(struct session_state *s, const char *what)
{
    struct db_tables *t = &s->db.t;
    for (int i = 0; i < t->partition_count; i++) {
        struct db_partition *p = &t->partitions[i];
        if (strcmp(what, "moves") == 0 && p->deadline_us != 0)
            p->deadline_us = s->now_us - 1;
        if (strcmp(what, "calls_off") == 0 && p->move_again_us != 0)
            p->move_again_us = s->now_us - 1;
    }
    for (int i = 0; strcmp(what, "declines") == 0 && i < DB_NODES * DB_HUBS; i++)
        if (t->declines[i].session != DB_NOBODY)
            t->declines[i].until_us = s->now_us - 1;
    if (strcmp(what, "reservations") == 0)
        t->reserved_until_us = 0;
    if (t->rebalance_us > s->now_us)
        t->rebalance_us = s->now_us;
    printf("ok");
}

static bool call_by_node(struct session_state *s, const char *name, const int64_t a[ARGUMENTS])
{
    struct db *db = &s->db;
    uint64_t key = s->keys[a[0]];
    enum db_error error = DB_WAIT; /* not one of those that answer yes or no */
    bool yes = false;
    int number = 0;
    int64_t again;
    if (strcmp(name, "leave") == 0)
        printf("%s", errors[db_leave(db, key)]);
    else if (strcmp(name, "sweep") == 0)
        printf("%s", errors[db_sweep(db, key, &number)]);
    else if (strcmp(name, "poll") == 0)
        call_poll(s, key);
    else if (strcmp(name, "tend") == 0)
        printf("%s", errors[db_tend(db, key, a[1], &again)]);
    else if (strcmp(name, "release") == 0)
        error = db_release(db, key, (int)a[1], a[2], &yes);
    else if (strcmp(name, "keep") == 0)
        error = db_keep(db, key, (int)a[1], a[2], &yes);
    else if (strcmp(name, "decline") == 0)
        error = db_decline(db, key, (int)a[1], a[2], &yes);
    else if (strcmp(name, "save") == 0)
        call_save(s, key, a);
    else if (strcmp(name, "report_hub") == 0) {
        enum db_error reported = db_report_hub(db, key, a[1], (int)a[2], a[3], (int)a[4], &number);
        reported == DB_OK ? printf("%d", number) : printf("%s", errors[reported]);
    } else
        return false;
    if (error != DB_WAIT)
        print_yes(error, yes);
    return true;
}

static bool call(struct session_state *s, const char *name, const char *word,
                 const int64_t a[ARGUMENTS])
{
    struct db *db = &s->db;
    const struct db_session *live;
    if (strcmp(name, "join") == 0)
        call_join(s, a);
    else if (strcmp(name, "kill") == 0) {
        live = db_live_session(db, (int)a[0]);
        if (live != NULL)
            db_unlock(db, live->id);
        printf("ok");
    } else if (strcmp(name, "restart") == 0) {
        db_restarted(db, false);
        printf("ok");
    } else if (strcmp(name, "drain") == 0) {
        db_drain(db, (int)a[0], a[1] != 0);
        printf("ok");
    } else if (strcmp(name, "move") == 0)
        printf("%s", db_move(db, (int)a[0], (int)a[1]) ? "ok" : "22023");
    else if (strcmp(name, "hub") == 0) {
        db_enable_hub(db, (int)a[0], a[1] != 0);
        printf("ok");
    } else if (strcmp(name, "expire") == 0)
        expire(s, word);
    else
        return call_by_node(s, name, a);
    return true;
}

int model_main(void)
{
    static struct session_state s;
    const struct db_settings settings = {.rebalance_delay_ms = 0,
                                         .decline_pass_over_ms = 600000,
                                         .move_deadline_ms = 600000,
                                         .ttl_ms = 1000};
    char line[LINE_SIZE];
    db_init(&s.db, &settings);
    s.now_us = INT64_C(1700000000000000);
    while (fgets(line, sizeof line, stdin) != NULL) {
        int64_t a[ARGUMENTS] = {0};
        char *rest = NULL, *name = strtok_r(line, " \n", &rest);
        const char *word = "";
        for (int i = 0; name != NULL && i < ARGUMENTS; i++) {
            const char *text = strtok_r(NULL, " \n", &rest);
            if (text == NULL)
                break;
            word = i == 0 ? text : word;
            a[i] = strtoll(text, NULL, 10);
        }
        s.now_us += 1000;
        db_begin(&s.db, s.now_us);
        if (name == NULL || a[0] < 0 || a[0] >= DB_PARTITIONS || !call(&s, name, word, a))
            printf("?");
        forget_ended(&s.db);
        print_state(&s.db);
    }
    return 0;
}
