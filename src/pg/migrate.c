#include "pg/migrate.h"

#include "base/buffer.h"
#include "pg/failure.h"
#include "pg/secure.h"
#include "pg/sql_files.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes "holdfast" as a number: the key of the advisory lock that runs of migrate share. */
#define MIGRATE_LOCK "7525352680829580148"

struct migration {
    PGconn *connection;
    struct sql_files files;
    struct log *log;
    struct error *err;
    const char *allow_breaking; /* name of a migration, or NULL */
    bool check_only;
    int applied;       /* migrations that the database has */
    bool objects_same; /* the database has sql/ as it is in the files */
};

/* ---- errors ---------------------------------------------------------------------------------- */

/* The line of a 1-based character position in UTF-8 text. */
static int line_at(const char *text, long position)
{
    int line = 1;
    for (long seen = 1; *text != '\0'; text++) {
        bool starts_character = ((unsigned char)*text & 0xC0) != 0x80;
        if (starts_character && seen++ == position)
            break;
        if (*text == '\n')
            line++;
    }
    return line;
}

/* Fills m->err from an answer of the server; `file` is what was sent, or NULL. */
static bool refused(struct migration *m, const PGresult *result, const struct sql_file *file)
{
    struct error *err = m->err;
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    if (message == NULL)
        message = PQerrorMessage(m->connection);
    if (file != NULL && position != NULL)
        error_set(err, "%s:%d: %s", file->path, line_at(file->text, strtol(position, NULL, 10)),
                  message);
    else if (file != NULL)
        error_set(err, "%s: %s", file->path, message);
    else
        error_set(err, "%s", message);
    if (detail != NULL && context != NULL)
        error_detail(err, "%s (%s)", detail, context);
    else if (detail != NULL || context != NULL)
        error_detail(err, "%s", detail != NULL ? detail : context);
    if (hint != NULL)
        error_hint(err, "%s", hint);
    else if (code != NULL && strcmp(code, "42501") == 0)
        error_hint(err, "Run server/roles.sql once in this database, as a superuser.");
    else if (code != NULL && strcmp(code, "55P03") == 0)
        error_hint(err, "Something holds a lock on a table of the schema: look at pg_locks, then "
                        "run holdfast migrate again.");
    if (err != NULL && code != NULL)
        (void)snprintf(err->code, sizeof err->code, "%s", code);
    return false;
}

/* Frees `result`; true if it is an answer without an error. */
static bool accepted(struct migration *m, PGresult *result, const struct sql_file *file)
{
    ExecStatusType status = PQresultStatus(result);
    bool ok =
        status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
    if (!ok)
        refused(m, result, file);
    PQclear(result);
    return ok;
}

static bool execute(struct migration *m, const char *sql)
{
    return accepted(m, PQexec(m->connection, sql), NULL);
}

/* One row set, or NULL with m->err filled. The caller frees it with PQclear. */
static PGresult *query(struct migration *m, const char *sql)
{
    PGresult *result = PQexec(m->connection, sql);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    refused(m, result, NULL);
    PQclear(result);
    return NULL;
}

/* The first column of the first row says yes (true), no or null (false) in *answer. */
static bool ask(struct migration *m, const char *sql, bool *answer)
{
    PGresult *result = query(m, sql);
    if (result == NULL)
        return false;
    *answer = PQntuples(result) > 0 && strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    PQclear(result);
    return true;
}

static void on_notice(void *argument, const PGresult *result)
{
    struct migration *m = argument;
    log_warning(m->log, "notice from the database",
                F_TEXT("severity", PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED)),
                F_TEXT("text", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)));
}

/* ---- the connection -------------------------------------------------------------------------- */

/* What libpq says of a connection string that it cannot read repeats a part of it: often of the
 * password. One without a "=" is the plain name of a database. */
static bool is_readable(const char *dsn)
{
    PQconninfoOption *options = PQconninfoParse(dsn, NULL);
    bool readable = options != NULL || strpbrk(dsn, "=:") == NULL;
    PQconninfoFree(options);
    return readable;
}

static bool connect_to(struct migration *m, const char *dsn)
{
    struct error weak;
    if (pg_insecure(dsn, &weak))
        log_failure(m->log, LOG_WARNING, "the connection to the database can be tampered with",
                    &weak, NULL);
    m->connection = pg_connect_now(dsn, "holdfast migrate", "read-write");
    if (PQstatus(m->connection) != CONNECTION_OK) {
        error_set(m->err, "cannot connect to the database");
        if (is_readable(dsn)) {
            error_detail(m->err, "%s", PQerrorMessage(m->connection));
            return error_hint(
                m->err, "%s",
                pg_failure_hint(
                    PQerrorMessage(m->connection),
                    "Check --database or HOLDFAST_DATABASE, and that the server runs."));
        }
        error_detail(m->err, "libpq cannot read the connection string; it is not shown, as it may "
                             "hold a password");
        return error_hint(m->err, "Check --database or HOLDFAST_DATABASE.");
    }
    (void)PQsetNoticeReceiver(m->connection, on_notice, m);
    return true;
}

/* A session lock behind a pooler in transaction mode would belong to anybody. */
static bool is_direct(struct migration *m)
{
    PGresult *result = query(m, "SELECT pg_backend_pid()");
    if (result == NULL)
        return false;
    bool same = strtol(PQgetvalue(result, 0, 0), NULL, 10) == PQbackendPID(m->connection);
    PQclear(result);
    if (same)
        return true;
    error_set(m->err, "this connection goes through a pooler");
    error_detail(m->err, "The server's process is another one than the connection was told.");
    return error_hint(m->err, "Give holdfast migrate the address of PostgreSQL itself.");
}

/* Names of devices, Things and properties come from outside, in any script. */
static bool is_unicode(struct migration *m)
{
    const char *encoding = PQparameterStatus(m->connection, "server_encoding");
    if (encoding != NULL && strcmp(encoding, "UTF8") == 0)
        return true;
    error_set(m->err, "the encoding of the database is not UTF8");
    error_detail(m->err, "It is %s: it cannot hold the names of all devices and Things.",
                 encoding != NULL ? encoding : "unknown");
    return error_hint(m->err, "CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8' makes one "
                              "that can. An encoding cannot be changed.");
}

static bool become_owner(struct migration *m)
{
    bool member = false;
    if (!ask(
            m,
            "SELECT pg_catalog.pg_has_role(pg_catalog.to_regrole('holdfast_owner')::oid, 'MEMBER')",
            &member))
        return false;
    if (!member) {
        error_set(m->err, "%s is not a member of holdfast_owner", PQuser(m->connection));
        error_detail(m->err, "The schema must belong to holdfast_owner, whose rights its functions "
                             "run with.");
        return error_hint(m->err, "Run server/roles.sql once as a superuser, then GRANT "
                                  "holdfast_owner TO the role that runs migrate.");
    }
    return execute(m, "SET ROLE holdfast_owner; SET search_path = holdfast, pg_catalog, pg_temp;"
                      "SET client_min_messages = warning; SET synchronous_commit = on;"
                      "SET statement_timeout = 0");
}

static bool take_lock(struct migration *m)
{
    bool free_at_once = false;
    if (!ask(m, "SELECT pg_try_advisory_lock(" MIGRATE_LOCK ")", &free_at_once))
        return false;
    if (!free_at_once) {
        log_info(m->log, "waiting for another holdfast migrate");
        if (!execute(m, "SELECT pg_advisory_lock(" MIGRATE_LOCK ")"))
            return false;
    }
    /* Only now, or it would cut that wait short. A table lock that does not come would make the
     * nodes queue behind us. */
    return execute(m, "SET lock_timeout = '10s'");
}

/* ---- what the database has ------------------------------------------------------------------- */

static bool make_registry(struct migration *m)
{
    return execute(
        m, "BEGIN;"
           "CREATE SCHEMA IF NOT EXISTS holdfast;"
           "COMMENT ON SCHEMA holdfast IS 'Holdfast: look at the views, act through the functions';"
           "CREATE TABLE IF NOT EXISTS holdfast.schema_migration ("
           " version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
           " applied_at timestamptz NOT NULL DEFAULT clock_timestamp());"
           "COMMENT ON TABLE holdfast.schema_migration IS"
           " 'Migrations applied by holdfast migrate, with the SHA-256 of each file';"
           "CREATE TABLE IF NOT EXISTS holdfast.schema_object ("
           " path text COLLATE \"C\" PRIMARY KEY, checksum text NOT NULL,"
           " applied_at timestamptz NOT NULL DEFAULT clock_timestamp());"
           "COMMENT ON TABLE holdfast.schema_object IS"
           " 'Files of sql/ applied by holdfast migrate, with the SHA-256 of each';"
           "CREATE TABLE IF NOT EXISTS holdfast.schema_build ("
           " version int NOT NULL, digest text NOT NULL,"
           " applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
           " PRIMARY KEY (version, digest));"
           "COMMENT ON TABLE holdfast.schema_build IS"
           " 'Every state of the schema so far: nodes of such a build may come back';"
           "CREATE TABLE IF NOT EXISTS holdfast.schema_break ("
           " version int PRIMARY KEY, nodes_before int NOT NULL);"
           "COMMENT ON TABLE holdfast.schema_break IS"
           " 'Migrations that break nodes: those of builds that end before this migration';"
           "COMMIT");
}

/* The state as it is, by the words of holdfast.schema_version(); nothing before the first one. */
static bool remember_build(struct migration *m)
{
    return execute(m,
                   "INSERT INTO holdfast.schema_build (version, digest)"
                   " SELECT v.version, o.digest"
                   "  FROM (SELECT max(m.version) AS version FROM holdfast.schema_migration m) v,"
                   "       (SELECT encode(sha256(convert_to(string_agg(o.path || ' ' ||"
                   "               o.checksum || E'\\n', '' ORDER BY o.path), 'UTF8')), 'hex')"
                   "                 AS digest FROM holdfast.schema_object o) o"
                   " WHERE v.version IS NOT NULL AND o.digest IS NOT NULL"
                   " ON CONFLICT DO NOTHING");
}

static bool matches(struct migration *m, const PGresult *have, int row)
{
    const char *version = PQgetvalue(have, row, 0);
    const char *name = PQgetvalue(have, row, 1);
    if (row >= (int)m->files.migrations.count) {
        error_set(m->err, "the database has migration %s, which this build does not know", version);
        error_detail(m->err, "Its name is \"%s\"; the last one of this build is %s.", name,
                     m->files.migrations.file[m->files.migrations.count - 1].path);
        return error_hint(m->err, "Use the build that migrated this database, or a newer one.");
    }
    const struct sql_file *file = &m->files.migrations.file[row];
    if (strtol(version, NULL, 10) == file->version && strcmp(name, file->name) == 0 &&
        strcmp(PQgetvalue(have, row, 2), file->checksum) == 0)
        return true;
    error_set(m->err, "migration %s was changed after it had been applied", file->path);
    error_detail(m->err, "Applied was %s \"%s\" with checksum %.16s..., the file has %.16s....",
                 version, name, PQgetvalue(have, row, 2), file->checksum);
    return error_hint(m->err, "Restore the file, and put what should change into a new migration.");
}

static bool compare_migrations(struct migration *m)
{
    PGresult *have =
        query(m, "SELECT version, name, checksum FROM holdfast.schema_migration ORDER BY version");
    if (have == NULL)
        return false;
    bool ok = true;
    for (int row = 0; ok && row < PQntuples(have); row++)
        ok = matches(m, have, row);
    m->applied = PQntuples(have);
    PQclear(have);
    return ok;
}

/* Says for each file of sql/ how it differs from what was applied. Both sides are sorted. */
static bool compare_objects(struct migration *m)
{
    PGresult *have = query(m, "SELECT path, checksum FROM holdfast.schema_object ORDER BY path");
    if (have == NULL)
        return false;
    const struct sql_list *want = &m->files.objects;
    size_t i = 0;
    int row = 0;
    m->objects_same = true;
    while (i < want->count || row < PQntuples(have)) {
        int order = 0;
        if (i == want->count)
            order = 1;
        else if (row == PQntuples(have))
            order = -1;
        else
            order = strcmp(want->file[i].path, PQgetvalue(have, row, 0));

        const char *path = order <= 0 ? want->file[i].path : PQgetvalue(have, row, 0);
        const char *what = order < 0 ? "new" : order > 0 ? "removed" : "changed";
        bool same = order == 0 && strcmp(want->file[i].checksum, PQgetvalue(have, row, 1)) == 0;
        if (!same) {
            m->objects_same = false;
            log_write(m->log, m->check_only ? LOG_INFO : LOG_DEBUG, "sql file not applied",
                      LOG_FIELDS(F_TEXT("file", path), F_TEXT("is", what)));
        }
        i += order <= 0 ? 1 : 0;
        row += order >= 0 ? 1 : 0;
    }
    PQclear(have);
    return true;
}

static bool compare(struct migration *m)
{
    return compare_migrations(m) && compare_objects(m);
}

/* ---- applying -------------------------------------------------------------------------------- */

static bool run_file(struct migration *m, const struct sql_file *file)
{
    if (!accepted(m, PQexec(m->connection, file->text), file))
        return false;
    if (PQtransactionStatus(m->connection) == PQTRANS_INTRANS)
        return true;
    error_set(m->err, "%s ends the transaction that it runs in", file->path);
    return error_hint(m->err, "Take BEGIN, COMMIT and ROLLBACK out of the file.");
}

/* INSERTs what `sql` says with up to three parameters. */
static bool record(struct migration *m, const char *sql, const char *a, const char *b,
                   const char *c)
{
    const char *const values[] = {a, b, c};
    int count = c != NULL ? 3 : 2;
    return accepted(m, PQexecParams(m->connection, sql, count, NULL, values, NULL, NULL, 0), NULL);
}

/* Ends a transaction: COMMIT if `ok`, else ROLLBACK, which must not hide the first error. */
static bool finish(struct migration *m, bool ok)
{
    if (ok)
        return execute(m, "COMMIT");
    PQclear(PQexec(m->connection, "ROLLBACK"));
    return false;
}

/* The live nodes that the migration would break: their names and builds. A node is live if it holds
 * the lock of its session: what others have left behind counts for nothing. One that does not say
 * where its build ends is older than all that do. */
static bool ask_broken(struct migration *m, const struct sql_file *file, char *names, size_t size)
{
    char before[16];
    (void)snprintf(before, sizeof before, "%d", file->breaks_before);
    const char *const values[] = {before};
    PGresult *result = PQexecParams(
        m->connection,
        "SELECT string_agg(format('%s (%s, %s)', s.node, s.version, coalesce('ends at '"
        "       || (r.stats ->> 'schema'), 'does not say where it ends')), ', ' ORDER BY s.node)"
        "  FROM holdfast.session s"
        "  LEFT JOIN holdfast.node_report r ON r.session_id = s.session_id"
        "  JOIN pg_locks l ON l.locktype = 'advisory' AND l.classid = holdfast.lock_class()::oid"
        "   AND l.objid::bigint = s.session_id AND l.objsubid = 2 AND l.mode = 'ExclusiveLock'"
        "   AND l.granted AND l.database = (SELECT d.oid FROM pg_database d"
        "                                    WHERE d.datname = current_database())"
        " WHERE s.ended_at IS NULL AND coalesce((r.stats ->> 'schema')::int, 0) < $1::int",
        1, NULL, values, NULL, NULL, 0);
    bool ok = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (ok)
        (void)snprintf(names, size, "%s", PQgetvalue(result, 0, 0));
    else
        refused(m, result, NULL);
    PQclear(result);
    return ok;
}

static bool is_allowed(const struct migration *m, const struct sql_file *file)
{
    char full[300];
    (void)snprintf(full, sizeof full, "%04d_%s", file->version, file->name);
    return m->allow_breaking != NULL &&
           (strcmp(m->allow_breaking, file->name) == 0 || strcmp(m->allow_breaking, full) == 0);
}

/* In the transaction of the migration, under the lock that join takes: nobody joins in between. */
static bool breaks_nobody(struct migration *m, const struct sql_file *file)
{
    bool coordinated = false;
    char names[400] = "";
    if (file->breaks_before == 0)
        return true;
    if (!ask(m, "SELECT to_regclass('holdfast.node_report') IS NOT NULL", &coordinated))
        return false;
    if (coordinated && (!execute(m, "SELECT FROM holdfast.cluster FOR UPDATE") ||
                        !ask_broken(m, file, names, sizeof names)))
        return false;
    if (names[0] == '\0')
        return true;
    if (is_allowed(m, file)) {
        log_warning(m->log, "a migration breaks live nodes, as it was told",
                    F_TEXT("file", file->path), F_TEXT("nodes", names));
        return true;
    }
    error_set(m->err, "%s would break nodes that are live", file->path);
    error_detail(m->err, "It breaks nodes of builds that end before migration %d: %s.",
                 file->breaks_before, names);
    return error_hint(m->err,
                      "Upgrade these nodes first, or stop them. --allow-breaking %s applies it all "
                      "the same; they fail then.",
                      file->name);
}

static bool note_break(struct migration *m, const struct sql_file *file, const char *version)
{
    char before[16];
    (void)snprintf(before, sizeof before, "%d", file->breaks_before);
    return file->breaks_before == 0 ||
           record(m, "INSERT INTO holdfast.schema_break (version, nodes_before) VALUES ($1, $2)",
                  version, before, NULL);
}

static bool apply_migration(struct migration *m, const struct sql_file *file)
{
    char version[16];
    (void)snprintf(version, sizeof version, "%d", file->version);
    bool ok = execute(m, "BEGIN") && breaks_nobody(m, file) && run_file(m, file) &&
              note_break(m, file, version) &&
              record(m,
                     "INSERT INTO holdfast.schema_migration (version, name, checksum)"
                     " VALUES ($1, $2, $3)",
                     version, file->name, file->checksum);
    if (!finish(m, ok))
        return false;
    log_info(m->log, "migration applied", F_NUMBER("version", file->version),
             F_TEXT("name", file->name));
    return true;
}

/* Twice over, in one transaction: after the first pass every object exists, whatever the order of
 * the files, so that the second can check the bodies of functions which use one another, and name
 * file and line of what is wrong. */
static bool apply_objects(struct migration *m)
{
    static const char *const passes[] = {"SET LOCAL check_function_bodies = off",
                                         "SET LOCAL check_function_bodies = on"};
    const struct sql_list *list = &m->files.objects;
    bool ok = execute(m, "BEGIN; DELETE FROM holdfast.schema_object");
    for (size_t pass = 0; ok && pass < sizeof passes / sizeof *passes; pass++) {
        ok = execute(m, passes[pass]);
        for (size_t i = 0; ok && i < list->count; i++)
            ok = run_file(m, &list->file[i]);
    }
    for (size_t i = 0; ok && i < list->count; i++)
        ok = record(m, "INSERT INTO holdfast.schema_object (path, checksum) VALUES ($1, $2)",
                    list->file[i].path, list->file[i].checksum, NULL);
    if (!finish(m, ok))
        return false;
    log_info(m->log, "sql applied", F_NUMBER("files", list->count),
             F_TEXT("digest", m->files.digest));
    return true;
}

static bool apply(struct migration *m, enum migrate_outcome *outcome)
{
    if (!take_lock(m) || !make_registry(m) || !compare(m) || !remember_build(m))
        return false;
    const struct sql_list *list = &m->files.migrations;
    bool behind = (size_t)m->applied < list->count;
    for (size_t i = (size_t)m->applied; i < list->count; i++) {
        if (!apply_migration(m, &list->file[i]))
            return false;
    }
    /* A migration may drop what sql/ made, so sql/ follows every one. */
    if ((behind || !m->objects_same) && !apply_objects(m))
        return false;
    *outcome = behind || !m->objects_same ? MIGRATE_APPLIED : MIGRATE_UP_TO_DATE;
    return remember_build(m);
}

static bool check(struct migration *m, enum migrate_outcome *outcome)
{
    bool exists = false;
    if (!ask(m, "SELECT to_regclass('holdfast.schema_object') IS NOT NULL", &exists))
        return false;
    if (exists && !compare(m))
        return false;
    const struct sql_list *list = &m->files.migrations;
    for (size_t i = (size_t)m->applied; i < list->count; i++)
        log_info(m->log, "migration not applied", F_TEXT("file", list->file[i].path),
                 F_NUMBER("breaks_nodes_before", list->file[i].breaks_before));
    *outcome =
        (size_t)m->applied == list->count && m->objects_same ? MIGRATE_UP_TO_DATE : MIGRATE_PENDING;
    return true;
}

bool migrate_run(const char *dsn, const char *sql_dir, const char *allow_breaking, bool check_only,
                 struct log *log, struct error *err, enum migrate_outcome *outcome)
{
    struct migration m = {
        .log = log, .err = err, .allow_breaking = allow_breaking, .check_only = check_only};
    if (!sql_files_read(&m.files, sql_dir, err))
        return false;
    bool ok = connect_to(&m, dsn) && is_direct(&m) && is_unicode(&m) && become_owner(&m) &&
              (check_only ? check(&m, outcome) : apply(&m, outcome));
    PQfinish(m.connection);
    sql_files_free(&m.files);
    return ok;
}

/* ---- what a node compares -------------------------------------------------------------------- */

bool migrate_expected(const char *sql_dir, int *version, char digest[65], struct error *err)
{
    struct sql_files files;
    if (!sql_files_read(&files, sql_dir, err))
        return false;
    *version = (int)files.migrations.count;
    memcpy(digest, files.digest, sizeof files.digest);
    sql_files_free(&files);
    return true;
}

bool migrate_known(int expected_version, const char *expected_digest, int version,
                   const char *digest, struct error *err)
{
    if (version == expected_version && strcmp(digest, expected_digest) == 0)
        return true;
    error_set(err, "this build does not know the schema of the database");
    if (version > expected_version) {
        error_detail(err, "The database is at migration %d, this build ends at %d.", version,
                     expected_version);
        return error_hint(err, "Start a newer build of holdfast.");
    }
    if (version < expected_version) {
        error_detail(err, "The database is at migration %d, this build needs %d.", version,
                     expected_version);
    } else {
        error_detail(err,
                     "Both are at migration %d, but the functions differ: the database has %.16s, "
                     "this build %.16s.",
                     version, digest, expected_digest);
    }
    return error_hint(err, "Run holdfast migrate with this build, or start the build that migrated "
                           "the database.");
}
