#include "store/progress.h"

#include "base/memory.h"
#include "pg/connection.h"
#include "store/values.h"

#include <stdlib.h>

struct call {
    store_saved_fn saved;
    store_reported_fn reported;
    void *ctx;
};

static void answer_saved(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    free(ctx);
    if (err != NULL) {
        call.saved(call.ctx, NULL, 0, err);
        return;
    }
    int count = PQntuples(result);
    struct store_saved_row *rows = xcalloc((size_t)count, sizeof *rows);
    for (int i = 0; i < count; i++) {
        const char *outcome = PQgetvalue(result, i, 1);
        rows[i].partition_id = (int)row_number(result, i, 0);
        rows[i].outcome = strcmp(outcome, "saved") == 0         ? STORE_SAVED
                          : strcmp(outcome, "stale_token") == 0 ? STORE_STALE_TOKEN
                                                                : STORE_NOT_MONOTONE;
    }
    call.saved(call.ctx, rows, (size_t)count, NULL);
    free(rows);
}

void store_save_checkpoints(struct pg_connection *pg, const char *key,
                            const struct store_checkpoint *rows, size_t count, store_saved_fn done,
                            void *ctx)
{
    struct buffer ids, tokens, offsets, sequences, times;
    array_begin(&ids);
    array_begin(&tokens);
    array_begin(&offsets);
    array_begin(&sequences);
    array_begin(&times);
    for (size_t i = 0; i < count; i++) {
        array_number(&ids, rows[i].partition_id);
        array_number(&tokens, rows[i].token);
        array_text(&offsets, rows[i].offset);
        array_number(&sequences, rows[i].sequence);
        array_number(&times, rows[i].enqueued_ms);
    }
    const char *values[] = {key,
                            array_end(&ids),
                            array_end(&tokens),
                            array_end(&offsets),
                            array_end(&sequences),
                            array_end(&times)};
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){.saved = done, .ctx = ctx};
    pg_request(pg,
               "SELECT partition_id, outcome FROM holdfast.save_checkpoints($1::uuid, $2::int[],"
               " $3::bigint[], $4::text[], $5::bigint[], $6::bigint[])",
               6, values, answer_saved, call);
    buffer_free(&ids);
    buffer_free(&tokens);
    buffer_free(&offsets);
    buffer_free(&sequences);
    buffer_free(&times);
}

static void answer_reported(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    (void)result;
    free(ctx);
    if (call.reported != NULL)
        call.reported(call.ctx, err);
}

void store_report(struct pg_connection *pg, const char *key, const char *stats,
                  const struct store_partition_end *ends, size_t count, store_reported_fn done,
                  void *ctx)
{
    struct buffer ids, sequences, times;
    array_begin(&ids);
    array_begin(&sequences);
    array_begin(&times);
    for (size_t i = 0; i < count; i++) {
        array_number(&ids, ends[i].partition_id);
        array_number(&sequences, ends[i].last_sequence);
        array_number(&times, ends[i].last_enqueued_ms);
    }
    const char *values[] = {key, stats, array_end(&ids), array_end(&sequences), array_end(&times)};
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){.reported = done, .ctx = ctx};
    pg_request(pg,
               "SELECT holdfast.report($1::uuid, $2::jsonb, $3::int[], $4::bigint[],"
               " $5::bigint[])",
               5, values, answer_reported, call);
    buffer_free(&ids);
    buffer_free(&sequences);
    buffer_free(&times);
}

void store_report_event(struct pg_connection *pg, const char *key, const char *kind,
                        const char *subject, const struct error *what)
{
    const char *values[] = {key, kind, subject, what->message, what->detail, what->hint};
    pg_request(pg, "SELECT holdfast.report_event($1::uuid, $2, $3, $4, $5, $6)", 6, values, NULL,
               NULL);
}
