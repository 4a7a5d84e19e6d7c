#include "store/deployment.h"

#include "base/memory.h"
#include "pg/connection.h"
#include "store/configuration.h"
#include "store/values.h"

#include <stdlib.h>
#include <string.h>

struct call {
    void *ctx;
    union {
        store_server_facts_fn facts;
        store_lease_timeout_fn timeout;
        store_deployment_fn deployment;
        store_finding_fn finding;
    } fn;
};

static struct call *call_new(void *ctx)
{
    struct call *call = xcalloc(1, sizeof *call);
    call->ctx = ctx;
    return call;
}

static struct call take(void *ctx)
{
    struct call call = *(struct call *)ctx;
    free(ctx);
    return call;
}

/* An answer without a row is an error too. */
static const struct error *one_row(const PGresult *result, const struct error *err,
                                   struct error *mine)
{
    if (err == NULL && PQntuples(result) != 1) {
        error_set(mine, "the database answered without a row");
        err = mine;
    }
    return err;
}

/* ---- the server --------------------------------------------------------------------------- */

static const char server_facts[] =
    "SELECT current_setting('server_version_num'), current_setting('server_version'),"
    " pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',"
    " inet_server_addr() IS NULL, session_user, me.rolsuper,"
    " coalesce(pg_has_role(session_user, to_regrole('holdfast_node')::oid, 'USAGE'), false),"
    " coalesce(pg_has_role(session_user, to_regrole('holdfast_owner')::oid, 'MEMBER'), false),"
    " to_regrole('holdfast_owner') IS NOT NULL AND to_regrole('holdfast_node') IS NOT NULL,"
    " coalesce(pg_has_role(to_regrole('holdfast_owner')::oid, 'pg_read_all_stats', 'USAGE')"
    "          AND pg_has_role(to_regrole('holdfast_owner')::oid, 'pg_signal_backend', 'USAGE'),"
    "          false),"
    " EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist'),"
    " to_regnamespace('holdfast') IS NOT NULL,"
    " coalesce((SELECT string_agg(DISTINCT p.proname, ', ') FROM pg_proc p"
    "            WHERE p.pronamespace = to_regnamespace('holdfast')"
    "              AND has_function_privilege(to_regrole('holdfast_node')::oid, p.oid, 'EXECUTE')"
    "              AND NOT has_function_privilege(p.oid, 'EXECUTE')), ''),"
    " EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = to_regnamespace('holdfast')"
    "            AND c.relkind IN ('r', 'p') AND has_table_privilege(c.oid,"
    "            'INSERT, UPDATE, DELETE, TRUNCATE')),"
    " current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),"
    " current_setting('wal_level'), current_setting('fsync')::bool,"
    " current_setting('full_page_writes')::bool, current_setting('track_activities')::bool,"
    " current_setting('max_connections'), current_setting('superuser_reserved_connections'),"
    " (SELECT sum(d.numbackends) FROM pg_stat_database d), me.rolconnlimit, db.datconnlimit,"
    " current_setting('max_locks_per_transaction'),"
    " (SELECT s.setting FROM pg_settings s WHERE s.name = 'tcp_keepalives_idle'),"
    " (SELECT s.setting FROM pg_settings s WHERE s.name = 'tcp_keepalives_interval'),"
    " (SELECT s.setting FROM pg_settings s WHERE s.name = 'tcp_keepalives_count'),"
    " (SELECT s.setting FROM pg_settings s WHERE s.name = 'tcp_user_timeout'),"
    " coalesce(has_function_privilege(to_regprocedure('holdfast.diagnose()')::oid, 'EXECUTE'),"
    "          false)"
    " FROM pg_roles me, pg_database db"
    " WHERE me.rolname = session_user AND db.datname = current_database()";

static void answer_facts(void *ctx, const PGresult *r, const struct error *err)
{
    struct call call = take(ctx);
    struct error mine;
    err = one_row(r, err, &mine);
    if (err != NULL) {
        call.fn.facts(call.ctx, NULL, err);
        return;
    }
    int at = 0;
    struct server_facts facts = {.version = (int)row_number(r, 0, at++)};
    facts.version_text = row_text(r, 0, at++);
    facts.read_only = row_bool(r, 0, at++);
    facts.unix_socket = row_bool(r, 0, at++);
    facts.login = row_text(r, 0, at++);
    facts.superuser = row_bool(r, 0, at++);
    facts.node = row_bool(r, 0, at++);
    facts.owner = row_bool(r, 0, at++);
    facts.owner_exists = row_bool(r, 0, at++);
    facts.owner_serves = row_bool(r, 0, at++);
    facts.extension = row_bool(r, 0, at++);
    facts.schema = row_bool(r, 0, at++);
    facts.missing_functions = row_text(r, 0, at++);
    facts.writes_tables = row_bool(r, 0, at++);
    facts.synchronous_commit = row_text(r, 0, at++);
    facts.standby_names = row_text(r, 0, at++);
    facts.wal_level = row_text(r, 0, at++);
    facts.fsync = row_bool(r, 0, at++);
    facts.full_page_writes = row_bool(r, 0, at++);
    facts.track_activities = row_bool(r, 0, at++);
    facts.max_connections = row_number(r, 0, at++);
    facts.reserved_connections = row_number(r, 0, at++);
    facts.used_connections = row_number(r, 0, at++);
    facts.login_limit = row_number(r, 0, at++);
    facts.database_limit = row_number(r, 0, at++);
    facts.max_locks = row_number(r, 0, at++);
    facts.keepalive_idle_s = row_number(r, 0, at++);
    facts.keepalive_interval_s = row_number(r, 0, at++);
    facts.keepalive_count = row_number(r, 0, at++);
    facts.user_timeout_ms = row_number(r, 0, at++);
    facts.diagnoses = row_bool(r, 0, at++);
    call.fn.facts(call.ctx, &facts, NULL);
}

void store_server_facts(struct pg_connection *pg, store_server_facts_fn done, void *ctx)
{
    struct call *call = call_new(ctx);
    call->fn.facts = done;
    pg_request(pg, server_facts, 0, NULL, answer_facts, call);
}

static void answer_timeout(void *ctx, const PGresult *r, const struct error *err)
{
    struct call call = take(ctx);
    struct error mine;
    err = one_row(r, err, &mine);
    call.fn.timeout(call.ctx, err == NULL ? row_number(r, 0, 0) : 0,
                    err == NULL ? row_number(r, 0, 1) : 0, err);
}

void store_lease_timeout(struct pg_connection *pg, store_lease_timeout_fn done, void *ctx)
{
    struct call *call = call_new(ctx);
    call->fn.timeout = done;
    pg_request(pg, "SELECT setting, reset_val FROM pg_settings WHERE name = 'idle_session_timeout'",
               0, NULL, answer_timeout, call);
}

/* ---- the configuration -------------------------------------------------------------------- */

static void answer_deployment(void *ctx, const PGresult *r, const struct error *err)
{
    struct call call = take(ctx);
    struct error mine;
    struct configuration *configuration = NULL;
    if (err == NULL && PQntuples(r) == 0)
        err = one_row(r, err, &mine);
    if (err == NULL && (configuration = configuration_parse(row_text(r, 0, 0), &mine)) == NULL)
        err = &mine;
    if (err != NULL) {
        call.fn.deployment(call.ctx, NULL, NULL, 0, err);
        return;
    }
    size_t count = 0, rows = (size_t)PQntuples(r);
    struct store_sample *samples = xcalloc(rows, sizeof *samples);
    for (int row = 0; row < (int)rows; row++)
        if (row_text(r, row, 1) != NULL)
            samples[count++] = (struct store_sample){row_text(r, row, 1), row_text(r, row, 2)};
    call.fn.deployment(call.ctx, configuration, samples, count, NULL);
    free(samples);
}

void store_deployment(struct pg_connection *pg, store_deployment_fn done, void *ctx)
{
    struct call *call = call_new(ctx);
    call->fn.deployment = done;
    pg_request(pg, "SELECT configuration, destination, thing FROM holdfast.deployment()", 0, NULL,
               answer_deployment, call);
}

/* ---- diagnose() --------------------------------------------------------------------------- */

static void answer_findings(void *ctx, const PGresult *r, const struct error *err)
{
    struct call call = take(ctx);
    for (int row = 0; err == NULL && row < PQntuples(r); row++) {
        struct error what;
        error_set(&what, "%s", row_text(r, row, 2));
        error_detail(&what, "%s", row_text(r, row, 3));
        error_hint(&what, "%s", row_text(r, row, 4));
        call.fn.finding(call.ctx, row_text(r, row, 0), row_text(r, row, 1), &what);
    }
    call.fn.finding(call.ctx, NULL, NULL, NULL);
}

/* Not what it says of nodes and partitions: they need not be there yet. Not the settings that
 * store_server_facts knows. */
void store_server_findings(struct pg_connection *pg, store_finding_fn done, void *ctx)
{
    struct call *call = call_new(ctx);
    call->fn.finding = done;
    pg_request(pg,
               "SELECT d.severity, d.subject, d.error, coalesce(d.detail, ''), coalesce(d.hint, '')"
               "  FROM holdfast.diagnose() d"
               " WHERE d.subject ~ '^(standby|replication slot|backend|prepared transaction) '"
               "    OR d.subject IN ('synchronous_standby_names', 'history')",
               0, NULL, answer_findings, call);
}
