#include "base/clock.h"
#include "base/memory.h"
#include "bin/check.h"
#include "bin/commands.h"
#include "node/lines.h"
#include "node/schema_check.h"
#include "pg/connection.h"
#include "pg/host_list.h"
#include "pg/migrate.h"
#include "pg/secure.h"
#include "store/configuration.h"
#include "store/coordination.h"
#include "store/deployment.h"
#include "store/server.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The database, by the very connections that a node makes: no session is joined. */

enum { ROUND_TRIPS = 11 };

/* ---- each host of the connection string --------------------------------------------------- */

enum host_state { ASKED, FAILED, STANDBY, PRIMARY };

struct host_trial {
    struct check *check;
    struct pg_host_list list;
    struct pg_connection *pg[PG_HOSTS_MAX];
    struct error why[PG_HOSTS_MAX];
    enum host_state state[PG_HOSTS_MAX];
    struct host_call {
        struct host_trial *trial;
        size_t index;
    } call[PG_HOSTS_MAX];
    size_t left;
};

static void tell_hosts(struct host_trial *t)
{
    bool primary = false;
    for (size_t i = 0; i < t->list.count; i++)
        primary = primary || t->state[i] == PRIMARY;
    for (size_t i = 0; i < t->list.count; i++) {
        char name[96], subject[128];
        pg_host_name(&t->list.host[i], name, sizeof name);
        (void)snprintf(subject, sizeof subject, "database %s", name);
        if (t->state[i] == FAILED && primary && strstr(t->why[i].hint, "tries again") != NULL)
            error_hint(&t->why[i], "The others serve; after a fail-over to it nobody would.");
        else if (t->state[i] == FAILED && strstr(t->why[i].hint, "tries again") != NULL)
            error_hint(&t->why[i], "Check the connection string, and that PostgreSQL runs and "
                                   "lets this login in (pg_hba.conf).");
        if (t->state[i] != FAILED)
            error_set(&t->why[i], t->state[i] == PRIMARY ? "it answers, and takes writes"
                                                         : "it answers, read only: a standby");
        check_found(t->check,
                    t->state[i] != FAILED ? FINDING_OK
                    : primary             ? FINDING_WARNING
                                          : FINDING_ERROR,
                    subject, &t->why[i]);
    }
    if (primary) {
        check_queue(t->check, &check_database, NULL);
    } else {
        check_subject(t->check, "database");
        check_tell(t->check, FINDING_ERROR, "Nodes wait until there is one.",
                   "no host of the connection string takes writes");
    }
    check_done(t->check);
}

static void told_host(struct host_call *call, enum host_state state, const struct error *why)
{
    struct host_trial *t = call->trial;
    if (t->state[call->index] != ASKED)
        return;
    t->state[call->index] = state;
    if (why != NULL)
        t->why[call->index] = *why;
    if (--t->left == 0)
        tell_hosts(t);
}

static void on_server(void *ctx, const struct primary_answer *answer, const struct error *err)
{
    if (err != NULL)
        told_host(ctx, FAILED, err);
    else
        told_host(ctx, answer->state == PRIMARY_WRITABLE ? PRIMARY : STANDBY, NULL);
}

static void on_host_up(void *ctx)
{
    struct host_call *call = ctx;
    store_server(call->trial->pg[call->index], on_server, call);
}

static void on_host_lost(void *ctx, const struct error *why)
{
    told_host(ctx, FAILED, why);
}

static void *begin_hosts(struct check *check, const void *what)
{
    struct host_trial *t = xcalloc(1, sizeof *t);
    (void)what;
    t->check = check;
    check_subject(check, "database");
    struct error weak;
    if (pg_insecure(check->options->database, &weak))
        check_found(check, FINDING_WARNING, "database", &weak);
    pg_host_list_read(&t->list, check->options->database);
    t->left = t->list.count;
    for (size_t i = 0; i < t->list.count; i++) {
        t->call[i] = (struct host_call){t, i};
        struct pg_settings settings = {.conninfo = check->options->database,
                                       .application_name = "holdfast check",
                                       .host = &t->list.host[i],
                                       .any_server = true,
                                       .connect_timeout_us =
                                           check->options->timeout_s * SECOND_US * 2 / 3};
        struct pg_handlers handlers = {.ctx = &t->call[i], .up = on_host_up, .lost = on_host_lost};
        t->pg[i] = pg_open(check->base, check->dns, &settings, handlers, NULL);
    }
    return t;
}

static void end_hosts(void *trial)
{
    struct host_trial *t = trial;
    for (size_t i = 0; i < t->list.count; i++) {
        t->state[i] = t->state[i] == ASKED ? FAILED : t->state[i];
        pg_close(t->pg[i]);
    }
    pg_host_list_free(&t->list);
    free(t);
}

const struct check_trial check_hosts = {begin_hosts, end_hosts};

/* ---- the three connections of a node ------------------------------------------------------ */

struct database_trial {
    struct check *check;
    struct lines *lines;
    struct lease_facts lease;
    int64_t sent_us, round_trips[ROUND_TRIPS];
    int count;          /* of round trips so far; one more, the first, does not count */
    int schema_version; /* of this build */
    bool diagnoses, over;
};

static void failed(struct database_trial *t, const char *subject, const struct error *why)
{
    if (t->over)
        return;
    t->over = true;
    check_found(t->check, FINDING_ERROR, subject, why);
    check_done(t->check);
}

static void finish(struct database_trial *t)
{
    t->over = true;
    check_done(t->check);
}

static void on_finding(void *ctx, const char *severity, const char *subject,
                       const struct error *what)
{
    struct database_trial *t = ctx;
    if (what == NULL)
        finish(t);
    else if (strcmp(severity, "notice") != 0)
        check_found(t->check, severity[0] == 'e' ? FINDING_ERROR : FINDING_WARNING, subject, what);
}

/* What the others need, in an order in which the cheap comes first. */
static void queue_others(struct check *check, const struct store_sample *samples, size_t count)
{
    const struct configuration *c = check->configuration;
    check->things = xcalloc(c->destination_count + 1, sizeof *check->things);
    for (size_t i = 0; i < c->destination_count; i++)
        for (size_t j = 0; j < count; j++)
            if (strcmp(samples[j].destination, c->destinations[i].name) == 0)
                check->things[i] = xstrdup(samples[j].thing);
    check_configuration(check);
}

static void on_deployment(void *ctx, struct configuration *configuration,
                          const struct store_sample *samples, size_t count, const struct error *err)
{
    struct database_trial *t = ctx;
    if (err != NULL) {
        failed(t, "configuration", err);
        return;
    }
    t->check->configuration = configuration;
    queue_others(t->check, samples, count);
    if (t->diagnoses)
        store_server_findings(lines_get(t->lines, LINE_WORK), on_finding, t);
    else
        finish(t);
}

static void on_schema(void *ctx, enum schema_verdict verdict, const struct error *why)
{
    struct database_trial *t = ctx;
    struct error what;
    if (verdict != SCHEMA_KNOWN) {
        failed(t, "schema", why);
        return;
    }
    if (why == NULL)
        error_set(&what, "migration %d, as this build brings it", t->schema_version);
    check_found(t->check, why == NULL ? FINDING_OK : FINDING_WARNING, "schema",
                why == NULL ? &what : why);
    store_deployment(lines_get(t->lines, LINE_WORK), on_deployment, t);
}

static void ask_schema(struct database_trial *t)
{
    struct error why;
    char digest[65];
    if (migrate_expected(sql_folder(t->check->options), &t->schema_version, digest, &why))
        schema_check(lines_get(t->lines, LINE_WORK), t->schema_version, digest, on_schema, t);
    else
        failed(t, "schema", &why);
}

static void on_facts(void *ctx, const struct server_facts *facts, const struct error *err)
{
    struct database_trial *t = ctx;
    if (err != NULL) {
        failed(t, "server", err);
        return;
    }
    t->diagnoses = facts->diagnoses;
    deployment_server(facts, t->lease.ttl_ms, check_found, t->check);
    if (facts->schema && facts->node && facts->missing_functions[0] == '\0')
        ask_schema(t);
    else
        finish(t); /* the findings say why */
}

static int by_time(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void ping(struct database_trial *t);

static void on_ping(void *ctx, int64_t pid, const struct error *err)
{
    struct database_trial *t = ctx;
    (void)pid;
    if (err != NULL) {
        failed(t, "lease", err);
        return;
    }
    if (t->count >= 0)
        t->round_trips[t->count] = clock_now_us() - t->sent_us;
    if (++t->count < ROUND_TRIPS) {
        ping(t);
        return;
    }
    qsort(t->round_trips, ROUND_TRIPS, sizeof *t->round_trips, by_time);
    t->lease.round_trip_us = t->round_trips[ROUND_TRIPS / 2];
    t->lease.worst_us = t->round_trips[ROUND_TRIPS - 1];
    deployment_lease(&t->lease, check_found, t->check);
    store_server_facts(lines_get(t->lines, LINE_WORK), on_facts, t);
}

static void ping(struct database_trial *t)
{
    t->sent_us = clock_now_us();
    store_ping(lines_get(t->lines, LINE_LEASE), on_ping, t);
}

static void on_timeout(void *ctx, int64_t now_ms, int64_t reset_ms, const struct error *err)
{
    struct database_trial *t = ctx;
    if (err != NULL) {
        failed(t, "lease", err);
        return;
    }
    t->lease.timeout_ms = now_ms;
    t->lease.reset_timeout_ms = reset_ms;
    t->count = -1;
    ping(t);
}

static void on_lines_up(void *ctx)
{
    struct database_trial *t = ctx;
    check_tell(t->check, FINDING_OK, NULL, "three connections, each with a backend of its own");
    store_lease_timeout(lines_get(t->lines, LINE_LEASE), on_timeout, t);
}

static void on_lines_lost(void *ctx, const struct error *why)
{
    failed(ctx, "connections", why);
}

static void on_notified(void *ctx, const char *payload)
{
    (void)ctx;
    (void)payload;
}

static void on_looked(void *ctx, const struct error *why)
{
    (void)ctx;
    (void)why;
}

static void *begin_database(struct check *check, const void *what)
{
    struct database_trial *t = xcalloc(1, sizeof *t);
    (void)what;
    t->check = check;
    t->lease.ttl_ms = check->options->ttl_ms;
    check_subject(check, "connections");
    struct lines_config config = {.base = check->base,
                                  .dns = check->dns,
                                  .random = &check->random,
                                  .database = check->options->database,
                                  .node = "check",
                                  .ttl_ms = (int)check->options->ttl_ms};
    t->lines = lines_create(&config, (struct lines_handlers){.ctx = t,
                                                             .up = on_lines_up,
                                                             .lost = on_lines_lost,
                                                             .notified = on_notified,
                                                             .looked = on_looked});
    lines_open(t->lines);
    return t;
}

static void end_database(void *trial)
{
    struct database_trial *t = trial;
    t->over = true;
    lines_free(t->lines);
    free(t);
}

const struct check_trial check_database = {begin_database, end_database};
