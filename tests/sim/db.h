#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The model of the database: what the functions of sql/20_coordination do to the tables, one call
 * after the other. Pure: told the time and asked to do one thing, it does it whole. What happens
 * around it (connections, time-outs, crashes, the order of commits) is server.c.
 * tests/sim/test_conformance.py holds it together with the real functions. */

enum { DB_NODES = 8, DB_HUBS = 2, DB_PARTITIONS = 16, DB_SESSIONS = 64, DB_LETTERS = 4096 };
enum { DB_NOBODY = 0 }; /* no session: numbers begin at 1 */

/* One rule each that the model can be told to break, to show that the simulator would notice. */
enum db_rule {
    DB_RULE_NONE,
    DB_RULE_FENCE,       /* a checkpoint is saved only under the token of its row */
    DB_RULE_PROOF,       /* a session is dead only when its lock is free */
    DB_RULE_KEY,         /* only who presents the session key keeps the tokens */
    DB_RULE_RESERVATION, /* what a restart has freed waits for its node */
    DB_RULE_JUMP,        /* tokens jump at a new incarnation */
    DB_RULE_TIMELINE,    /* tokens are kept within one timeline */
    DB_RULE_COMMIT,      /* a token exists once it is committed synchronously */
    DB_RULE_TAKE_OVER,   /* a take-over writes its token into the checkpoint */
    DB_RULE_TERM,        /* the next term opens in the sweep itself */
    DB_RULE_INHERIT,     /* when an owner dies its partitions get another owner */
    DB_RULE_LETTERS,     /* dead letters are kept only under the grant's token */
    DB_RULES
};
const char *db_rule_name(enum db_rule rule);

struct db_session {
    int id; /* 0: the place is free */
    uint64_t key;
    int node, incarnation, timeline, ttl_ms;
    int64_t assignment_version;
    bool ended;
    int hub_state[DB_HUBS]; /* as it has reported: 0 nothing, 1 up, 2 not up */
};

struct db_node {
    bool known, drained;
    int capacity;
};

enum db_state { DB_FREE, DB_OWNED, DB_RELEASING };

struct db_partition {
    int hub, number; /* its name is the number within the hub */
    bool retired;
    int generation;
    enum db_state state;
    int owner, successor; /* sessions */
    int64_t token;        /* 0: none */
    int64_t deadline_us, move_again_us;
    int reserved_node; /* -1: none */
    int reserved_session;
    int wish; /* node that an administrator wants it to have; -1: none */
};

struct db_checkpoint {
    int generation;
    int64_t token; /* 0: none */
    bool saved;
    int64_t sequence, enqueued_ms;
};

struct db_decline {
    int session; /* 0: the place is free */
    int hub;
    int64_t until_us;
};

struct db_hub {
    bool known, enabled, registered;
    int generation;
    int64_t created_ms;
};

/* A dead letter that is kept: a whole event (row 0) or one of its values. */
struct db_letter {
    int partition, generation, row;
    int64_t sequence;
};

/* All that a standby has and a backup holds. No pointers: copied as it is. */
struct db_tables {
    struct db_node nodes[DB_NODES];
    struct db_session sessions[DB_SESSIONS];
    struct db_hub hubs[DB_HUBS];
    struct db_partition partitions[DB_PARTITIONS];
    struct db_checkpoint checkpoints[DB_PARTITIONS];
    struct db_decline declines[DB_NODES * DB_HUBS];
    struct db_letter letters[DB_LETTERS];
    int letter_count;
    int partition_count;
    int session_number, incarnation_number;
    int64_t token;      /* the last one drawn */
    int leader;         /* session */
    int64_t term_token; /* of the leader */
    int64_t term_free_us;
    int64_t rebalance_us; /* 0: nothing to plan */
    int64_t reserved_until_us;
    int64_t config_version, wishes_version, planned_config, planned_wishes;
    uint64_t keys; /* state of the generator of session keys */
};

struct db_settings {
    int64_t rebalance_delay_ms, decline_pass_over_ms, move_deadline_ms, ttl_ms;
};

enum { DB_LOCKS = 64 };

struct db {
    struct db_tables t;
    struct db_settings settings;
    enum db_rule broken;
    /* Of the running server, not of its tables. */
    int live_incarnation; /* 0: a new life has begun, and nobody has joined yet */
    int timeline;
    uint64_t salt;       /* of its session keys: no two servers draw the same */
    int64_t now_us;      /* its wall clock */
    int locks[DB_LOCKS]; /* sessions whose lock is held */
    int lock_count;
    int ended[DB_SESSIONS]; /* sessions whose backends the last call terminated */
    int ended_count;
    bool notify_members, notify_assignment; /* told by the last call */
};

enum db_error { DB_OK, DB_NAME_IN_USE, DB_SESSION_ENDED, DB_NOT_LEADER, DB_INVALID, DB_WAIT };

void db_init(struct db *db, const struct db_settings *settings);
/* Before each call: what the last one told is forgotten. */
void db_begin(struct db *db, int64_t now_us);
/* The server has begun a new life: crash, restart or promotion. */
void db_restarted(struct db *db, bool promoted);
void db_unlock(struct db *db, int session); /* its lease backend is gone */
bool db_is_locked(const struct db *db, int session);

struct db_join {
    int node;
    uint64_t previous_key; /* 0: none */
    int64_t highest_token;
    int capacity, ttl_ms;
    bool patient; /* DB_WAIT instead of DB_NAME_IN_USE */
};
enum db_error db_join(struct db *db, const struct db_join *join, int *session);
enum db_error db_leave(struct db *db, uint64_t key);
enum db_error db_sweep(struct db *db, uint64_t key, int *session);
/* The session that a watcher waits for; DB_NOBODY: alone. */
enum db_error db_predecessor(const struct db *db, uint64_t key, int *predecessor);
enum db_error db_tend(struct db *db, uint64_t key, int64_t token, int64_t *again_ms);
enum db_error db_release(struct db *db, uint64_t key, int partition, int64_t token, bool *yes);
enum db_error db_keep(struct db *db, uint64_t key, int partition, int64_t token, bool *yes);
enum db_error db_decline(struct db *db, uint64_t key, int partition, int64_t token, bool *yes);
enum db_error db_abandon(struct db *db, uint64_t key, int partition, int64_t token, bool *yes);
enum db_error db_report_hub(struct db *db, uint64_t key, int64_t token, int hub, int64_t created_ms,
                            int partitions, int *added);
enum db_error db_session_of(const struct db *db, uint64_t key, struct db_session **session);

enum db_saved { DB_SAVED, DB_STALE_TOKEN, DB_NOT_MONOTONE };
/* Under a session key that db_session_of has found good. */
enum db_saved db_save(struct db *db, int partition, int64_t token, int64_t sequence,
                      int64_t enqueued_ms);
/* False when the grant is not the session's: nothing is kept. */
bool db_keep_letter(struct db *db, const struct db_session *session, int64_t token,
                    const struct db_letter *letter);

/* Administrators. */
void db_drain(struct db *db, int node, bool drained);
bool db_move(struct db *db, int partition, int node);
void db_enable_hub(struct db *db, int hub, bool enabled);

/* Within the model. */
struct db_session *db_find_session(const struct db *db, int id);
struct db_session *db_live_session(const struct db *db, int node); /* not ended; NULL if none */
int64_t db_new_token(struct db *db);
void db_touch(struct db *db, int session);
void db_grant(struct db *db, int partition, int session, int64_t token);
void db_free_partition(struct db *db, int partition);
void db_fence_free(struct db *db);
void db_place_free(struct db *db, bool fall_back);
void db_call_off(struct db *db, int partition);
void db_plan_and_move(struct db *db);
bool db_is_active(const struct db *db, const struct db_partition *p);
bool db_sweep_dead(struct db *db, int session, enum db_error *error);

struct db_place {
    int partition, from, to; /* sessions */
};
/* See sql/20_coordination/placement.sql. Returns how many. */
int db_placement(const struct db *db, bool rebalance, bool fall_back,
                 struct db_place places[DB_PARTITIONS]);
