#pragma once
#include "checks.h"
#include "hub.h"
#include "server.h"

#include <uthash.h>

/* What the checks remember, shared by the files that check. */

/* What one grant has done. */
struct grant_record {
    UT_hash_handle hh;
    int64_t token;
    int node, timeline;
    int64_t start, highest; /* began behind this; accepted up to this */
    bool disturbed, unknown;
    bool told; /* to the process that lives as `life` of the node */
    uint32_t life;
    int64_t stolen_us; /* since when the hub reads with a higher token; 0: it does not */
};

struct reader_record {
    int node;
    int64_t token, attached_us;
};

/* What became of one event: accepted has a bit for each row. */
struct fate {
    unsigned char accepted;
    int64_t tokens[3]; /* of each row: under which it was accepted last */
};

struct ledger {
    struct fate *fates; /* by sequence */
    size_t capacity;
    /* The highest place that was accepted for the first time, and under which token. */
    int64_t newest[HUB_DEVICES], token[HUB_DEVICES];
};

struct lease_record {
    int session;
    uint64_t key;
    bool ended; /* by the server's timer */
};

struct checks {
    struct grant_record *grants; /* by token */
    struct reader_record *readers;
    size_t reader_n;
    struct ledger ledgers[HUB_LOGS][HUB_PARTITIONS];
    struct lease_record leases[WORLD_NODES];
    int64_t woken_us[WORLD_NODES];
    int64_t highest_granted[SERVERS][DB_PARTITIONS], highest[SERVERS];
    int64_t drawn[SERVERS]; /* the highest since it was promoted */
    int64_t floor[SERVERS][DB_PARTITIONS];
    int kept_for[SERVERS][DB_PARTITIONS]; /* node after a restart, and one; 0: none */
    int cut_for[SERVERS][DB_PARTITIONS];  /* the same after a cut */
    int64_t cut_until_us[SERVERS];
    int generation[SERVERS][DB_PARTITIONS];
    int64_t highest_told;
    bool gave_up; /* ThingWorx has refused good values while it said that it was ready */
    struct check_counts counts;
};

struct grant_record *checks_grant(struct checks *c, int64_t token);
struct fate *checks_fate(struct checks *c, int log, int partition, int64_t sequence);
/* A dead letter of that row, or of the whole event, is there. */
bool checks_has_letter(const struct db_tables *t, int partition, int64_t sequence, int row);
