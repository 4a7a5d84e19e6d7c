#include "store/coordination.h"

#include "base/memory.h"
#include "pg/connection.h"
#include "store/values.h"

#include <stdlib.h>

/* What waits for an answer: one typed callback and its context. */
struct call {
    union {
        store_done_fn done;
        store_joined_fn joined;
        store_assignment_fn assignment;
        store_poll_fn poll;
        store_text_fn text;
        store_number_fn number;
        store_bool_fn yes;
        store_schema_fn schema;
        store_serves_fn serves;
    } fn;
    void *ctx;
};

static struct call *call_new(void *ctx)
{
    struct call *call = xcalloc(1, sizeof *call);
    call->ctx = ctx;
    return call;
}

/* Answers of functions that return exactly one row; an empty answer is an error of the schema. */
static const struct error *one_row(const PGresult *result, const struct error *err,
                                   struct error *mine)
{
    if (err != NULL || PQntuples(result) > 0)
        return err;
    error_set(mine, "the database answered without a row");
    error_hint(mine,
               "Run `holdfast migrate`: the functions in the database may be of another build.");
    return mine;
}

static void answer_done(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    (void)result;
    free(ctx);
    if (call.fn.done != NULL)
        call.fn.done(call.ctx, err);
}

static void answer_number(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    struct error mine;
    free(ctx);
    err = one_row(result, err, &mine);
    call.fn.number(call.ctx, err == NULL ? row_number(result, 0, 0) : 0, err);
}

static void answer_yes(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    struct error mine;
    free(ctx);
    err = one_row(result, err, &mine);
    call.fn.yes(call.ctx, err == NULL && row_bool(result, 0, 0), err);
}

static void answer_text(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    struct error mine;
    free(ctx);
    err = one_row(result, err, &mine);
    call.fn.text(call.ctx, err == NULL ? row_text(result, 0, 0) : NULL, err);
}

/* ---- joining and leaving ------------------------------------------------------------------ */

static void answer_schema(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    struct error mine;
    free(ctx);
    err = one_row(result, err, &mine);
    if (err != NULL)
        call.fn.schema(call.ctx, 0, NULL, err);
    else
        call.fn.schema(call.ctx, (int)row_number(result, 0, 0), row_text(result, 0, 1), NULL);
}

void store_schema_version(struct pg_connection *pg, store_schema_fn done, void *ctx)
{
    struct call *call = call_new(ctx);
    call->fn.schema = done;
    pg_request(pg, "SELECT version, digest FROM holdfast.schema_version()", 0, NULL, answer_schema,
               call);
}

static void answer_serves(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    struct error mine;
    free(ctx);
    err = one_row(result, err, &mine);
    call.fn.serves(call.ctx, err == NULL && row_bool(result, 0, 0),
                   err == NULL ? row_text(result, 0, 1) : NULL, err);
}

void store_schema_serves(struct pg_connection *pg, int version, const char *digest,
                         store_serves_fn done, void *ctx)
{
    char number[NUMBER_TEXT];
    const char *values[] = {number_text(number, version), digest};
    struct call *call = call_new(ctx);
    call->fn.serves = done;
    pg_request(pg, "SELECT serves, broken_by FROM holdfast.schema_serves($1, $2)", 2, values,
               answer_serves, call);
}

static void answer_joined(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    struct error mine;
    free(ctx);
    err = one_row(result, err, &mine);
    if (err != NULL) {
        call.fn.joined(call.ctx, NULL, err);
        return;
    }
    struct store_joined joined = {.session_id = (int)row_number(result, 0, 0),
                                  .place.timeline = (int)row_number(result, 0, 3)};
    (void)snprintf(joined.session_key, sizeof joined.session_key, "%s", PQgetvalue(result, 0, 1));
    (void)snprintf(joined.place.system_identifier, sizeof joined.place.system_identifier, "%s",
                   PQgetvalue(result, 0, 2));
    (void)snprintf(joined.incarnation, sizeof joined.incarnation, "%s", PQgetvalue(result, 0, 4));
    call.fn.joined(call.ctx, &joined, NULL);
}

void store_join(struct pg_connection *pg, const struct store_join *join, store_joined_fn done,
                void *ctx)
{
    char protocol[NUMBER_TEXT], token[NUMBER_TEXT], capacity[NUMBER_TEXT], ttl[NUMBER_TEXT];
    char watch[NUMBER_TEXT], work[NUMBER_TEXT];
    const char *values[] = {join->node,
                            number_text(protocol, PROTOCOL_VERSION),
                            HOLDFAST_VERSION,
                            join->previous_key,
                            number_text(token, join->highest_token),
                            number_text(capacity, join->capacity),
                            number_text(ttl, join->ttl_ms),
                            number_text(watch, join->watch_pid),
                            number_text(work, join->work_pid)};
    struct call *call = call_new(ctx);
    call->fn.joined = done;
    pg_request(pg,
               "SELECT session_id, session_key, system_identifier, timeline, incarnation"
               " FROM holdfast.join($1, $2::int, $3, $4::uuid, $5::bigint, $6::int, $7::int,"
               " $8::int, $9::int)",
               9, values, answer_joined, call);
}

void store_line(struct pg_connection *pg, const struct store_line *line, store_number_fn done,
                void *ctx)
{
    const char *values[] = {line->statement_timeout, line->transaction_timeout,
                            line->session_timeout};
    struct call *call = call_new(ctx);
    call->fn.number = done;
    pg_request(pg,
               "SELECT pg_backend_pid(), set_config('statement_timeout', $1, false),"
               " set_config('idle_in_transaction_session_timeout', $2, false),"
               " set_config('idle_session_timeout',"
               " coalesce($3, current_setting('idle_session_timeout')), false)",
               3, values, answer_number, call);
}

void store_ping(struct pg_connection *pg, store_number_fn done, void *ctx)
{
    struct call *call = call_new(ctx);
    call->fn.number = done;
    pg_request(pg, "SELECT pg_backend_pid()", 0, NULL, answer_number, call);
}

void store_listen(struct pg_connection *pg, store_done_fn done, void *ctx)
{
    struct call *call = call_new(ctx);
    call->fn.done = done;
    pg_request(pg, "LISTEN holdfast", 0, NULL, answer_done, call);
}

void store_leave(struct pg_connection *pg, const char *key, store_done_fn done, void *ctx)
{
    struct call *call = call_new(ctx);
    call->fn.done = done;
    pg_request(pg, "SELECT holdfast.leave($1::uuid)", 1, &key, answer_done, call);
}

void store_watch(struct pg_connection *pg, const char *key, int timeout_ms, store_text_fn done,
                 void *ctx)
{
    char timeout[NUMBER_TEXT];
    const char *values[] = {key, number_text(timeout, timeout_ms)};
    struct call *call = call_new(ctx);
    call->fn.text = done;
    pg_request(pg, "SELECT holdfast.watch($1::uuid, $2::int)", 2, values, answer_text, call);
}

/* ---- assignment --------------------------------------------------------------------------- */

static void answer_assignment(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    free(ctx);
    if (err != NULL) {
        call.fn.assignment(call.ctx, NULL, 0, err);
        return;
    }
    int count = PQntuples(result);
    struct store_assigned *rows = xcalloc((size_t)count, sizeof *rows);
    for (int i = 0; i < count; i++) {
        rows[i] = (struct store_assigned){
            .partition_id = (int)row_number(result, i, 0),
            .hub = PQgetvalue(result, i, 1),
            .partition = PQgetvalue(result, i, 2),
            .token = row_number(result, i, 3),
            .releasing = PQgetvalue(result, i, 4)[0] == 'r',
            .deadline_ms = (int)row_number(result, i, 5),
            .start_offset = row_text(result, i, 6),
            .sequence = row_number(result, i, 7),
            .enqueued_ms = row_text(result, i, 8) != NULL ? row_number(result, i, 8) : -1,
            .generation = (int)row_number(result, i, 9),
            .log = row_text(result, i, 10),
        };
    }
    call.fn.assignment(call.ctx, rows, (size_t)count, NULL);
    free(rows);
}

#define ASSIGNED_COLUMNS                                                                           \
    "SELECT partition_id, hub, partition, token, state, deadline_ms, start_offset, sequence,"      \
    " enqueued_ms, generation, log FROM holdfast."

void store_sweep(struct pg_connection *pg, const char *key, store_assignment_fn done, void *ctx)
{
    struct call *call = call_new(ctx);
    call->fn.assignment = done;
    pg_request(pg, ASSIGNED_COLUMNS "sweep($1::uuid)", 1, &key, answer_assignment, call);
}

void store_assignment(struct pg_connection *pg, const char *key, store_assignment_fn done,
                      void *ctx)
{
    struct call *call = call_new(ctx);
    call->fn.assignment = done;
    pg_request(pg, ASSIGNED_COLUMNS "assignment($1::uuid)", 1, &key, answer_assignment, call);
}

static void answer_poll(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    struct error mine;
    free(ctx);
    err = one_row(result, err, &mine);
    if (err != NULL) {
        call.fn.poll(call.ctx, NULL, err);
        return;
    }
    struct store_poll poll = {.config_version = row_number(result, 0, 0),
                              .assignment_version = row_number(result, 0, 1),
                              .binding_version = row_number(result, 0, 2),
                              .live_sessions = (int)row_number(result, 0, 3),
                              .leader = row_bool(result, 0, 4),
                              .leader_token = row_number(result, 0, 5),
                              .replays = row_bool(result, 0, 6)};
    call.fn.poll(call.ctx, &poll, NULL);
}

void store_poll(struct pg_connection *pg, const char *key, store_poll_fn done, void *ctx)
{
    struct call *call = call_new(ctx);
    call->fn.poll = done;
    pg_request(pg,
               "SELECT config_version, assignment_version, binding_version, live_sessions, leader,"
               " leader_token, replays FROM holdfast.poll($1::uuid)",
               1, &key, answer_poll, call);
}

/* ---- the leader's duties ------------------------------------------------------------------ */

void store_tend(struct pg_connection *pg, const char *key, int64_t leader_token,
                store_number_fn done, void *ctx)
{
    char token[NUMBER_TEXT];
    const char *values[] = {key, number_text(token, leader_token)};
    struct call *call = call_new(ctx);
    call->fn.number = done;
    pg_request(pg, "SELECT holdfast.tend($1::uuid, $2::bigint)", 2, values, answer_number, call);
}

void store_report_hub(struct pg_connection *pg, const char *key, int64_t leader_token,
                      const struct store_hub_report *report, store_number_fn done, void *ctx)
{
    char token[NUMBER_TEXT], created[NUMBER_TEXT];
    struct buffer partitions;
    array_begin(&partitions);
    for (size_t i = 0; i < report->partition_count; i++)
        array_text(&partitions, slice_from(report->partitions[i]));
    const char *values[] = {key,
                            number_text(token, leader_token),
                            report->hub,
                            report->endpoint,
                            number_text(created, report->created_ms),
                            array_end(&partitions)};
    struct call *call = call_new(ctx);
    call->fn.number = done;
    pg_request(pg,
               "SELECT holdfast.report_hub($1::uuid, $2::bigint, $3, $4, $5::bigint, $6::text[])",
               6, values, answer_number, call);
    buffer_free(&partitions);
}

/* ---- one partition ------------------------------------------------------------------------ */

static void about_partition(struct pg_connection *pg, const char *sql, const char *key,
                            int partition_id, int64_t token, const char *reason, store_bool_fn done,
                            void *ctx)
{
    char id[NUMBER_TEXT], token_text[NUMBER_TEXT];
    const char *values[] = {key, number_text(id, partition_id), number_text(token_text, token),
                            reason};
    struct call *call = call_new(ctx);
    call->fn.yes = done;
    pg_request(pg, sql, reason == NULL ? 3 : 4, values, answer_yes, call);
}

void store_release(struct pg_connection *pg, const char *key, int partition_id, int64_t token,
                   store_bool_fn done, void *ctx)
{
    about_partition(pg, "SELECT holdfast.release($1::uuid, $2::int, $3::bigint)", key, partition_id,
                    token, NULL, done, ctx);
}

void store_keep(struct pg_connection *pg, const char *key, int partition_id, int64_t token,
                const char *reason, store_bool_fn done, void *ctx)
{
    about_partition(pg, "SELECT holdfast.keep($1::uuid, $2::int, $3::bigint, $4)", key,
                    partition_id, token, reason, done, ctx);
}

void store_decline(struct pg_connection *pg, const char *key, int partition_id, int64_t token,
                   const char *reason, store_bool_fn done, void *ctx)
{
    about_partition(pg, "SELECT holdfast.decline($1::uuid, $2::int, $3::bigint, $4)", key,
                    partition_id, token, reason, done, ctx);
}

void store_abandon_offset(struct pg_connection *pg, const char *key, int partition_id,
                          int64_t token, const char *reason, store_bool_fn done, void *ctx)
{
    about_partition(pg, "SELECT holdfast.abandon_offset($1::uuid, $2::int, $3::bigint, $4)", key,
                    partition_id, token, reason, done, ctx);
}
