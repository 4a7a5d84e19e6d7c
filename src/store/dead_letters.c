#include "store/dead_letters.h"

#include "base/memory.h"
#include "pg/connection.h"
#include "store/values.h"

#include <stdlib.h>

struct call {
    store_kept_fn kept;
    store_replays_fn replays;
    void *ctx;
    size_t count; /* of letters to keep */
};

static struct call *call_new(store_kept_fn kept, store_replays_fn replays, void *ctx)
{
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){.kept = kept, .replays = replays, .ctx = ctx};
    return call;
}

static void answer_kept(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    struct error fewer;
    free(ctx);
    /* Letters of a grant that is not ours any more are passed over without an error. */
    if (err == NULL && (uint64_t)row_number(result, 0, 0) < call.count) {
        error_set(&fewer, "the database has not kept all dead letters");
        error_detail(&fewer, "Some belong to partitions that this session does not own.");
        err = &fewer;
    }
    call.kept(call.ctx, err);
}

enum { COLUMNS = 13 };

void store_keep_dead_letters(struct pg_connection *pg, const char *key,
                             const struct store_dead_letter *rows, size_t count, store_kept_fn done,
                             void *ctx)
{
    struct buffer column[COLUMNS];
    for (size_t c = 0; c < COLUMNS; c++)
        array_begin(&column[c]);
    for (size_t i = 0; i < count; i++) {
        const struct store_dead_letter *row = &rows[i];
        array_number(&column[0], row->partition_id);
        array_number(&column[1], row->token);
        array_text(&column[2], row->device);
        array_text(&column[3], row->module);
        array_text(&column[4], row->offset);
        array_number(&column[5], row->sequence);
        array_number(&column[6], row->enqueued_ms);
        array_text(&column[7], slice_from(row->reason));
        array_text(&column[8], row->detail);
        array_text(&column[9], row->property);
        array_bytes(&column[10], row->payload);
        array_number(&column[11], row->attempts);
        array_text(&column[12], row->context.n > 0 ? row->context : SLICE_LITERAL("{}"));
    }
    const char *values[COLUMNS + 1] = {key};
    for (size_t c = 0; c < COLUMNS; c++)
        values[c + 1] = array_end(&column[c]);
    struct call *call = call_new(done, NULL, ctx);
    call->count = count;
    pg_request(pg,
               "SELECT holdfast.keep_dead_letters($1::uuid, $2::int[], $3::bigint[], $4::text[],"
               " $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::text[], $10::text[],"
               " $11::text[], $12::bytea[], $13::int[], $14::jsonb[])",
               COLUMNS + 1, values, answer_kept, call);
    for (size_t c = 0; c < COLUMNS; c++)
        buffer_free(&column[c]);
}

static void answer_replays(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    free(ctx);
    if (err != NULL) {
        call.replays(call.ctx, NULL, 0, err);
        return;
    }
    int count = PQntuples(result);
    struct store_replay *rows = xcalloc((size_t)count, sizeof *rows);
    for (int i = 0; i < count; i++) {
        size_t n = 0;
        unsigned char *payload =
            PQunescapeBytea((const unsigned char *)PQgetvalue(result, i, 8), &n);
        rows[i] = (struct store_replay){
            .dead_letter_id = row_number(result, i, 0),
            .partition_id = (int)row_number(result, i, 1),
            .hub = PQgetvalue(result, i, 2),
            .fleet = PQgetvalue(result, i, 3),
            .device = slice_from(row_text(result, i, 4)),
            .module = slice_from(row_text(result, i, 5)),
            .enqueued_ms = row_number(result, i, 6),
            .property = slice_from(row_text(result, i, 7)),
            .payload = {(const char *)payload, payload != NULL ? n : 0},
            .context = PQgetvalue(result, i, 9),
        };
    }
    call.replays(call.ctx, rows, (size_t)count, NULL);
    for (int i = 0; i < count; i++)
        PQfreemem((void *)(uintptr_t)rows[i].payload.p);
    free(rows);
}

void store_claim_dead_letters(struct pg_connection *pg, const char *key, int max_rows,
                              store_replays_fn done, void *ctx)
{
    char max[NUMBER_TEXT];
    const char *values[] = {key, number_text(max, max_rows)};
    pg_request(pg,
               "SELECT dead_letter_id, partition_id, hub, fleet, device, module, enqueued_ms,"
               " property, payload, context FROM holdfast.claim_dead_letters($1::uuid, $2::int)",
               2, values, answer_replays, call_new(NULL, done, ctx));
}

void store_settle_replays(struct pg_connection *pg, const char *key,
                          const struct store_settled *rows, size_t count, store_kept_fn done,
                          void *ctx)
{
    struct buffer ids, outcomes, details;
    array_begin(&ids);
    array_begin(&outcomes);
    array_begin(&details);
    for (size_t i = 0; i < count; i++) {
        array_number(&ids, rows[i].dead_letter_id);
        array_text(&outcomes, slice_from(rows[i].outcome));
        array_text(&details, rows[i].detail);
    }
    const char *values[] = {key, array_end(&ids), array_end(&outcomes), array_end(&details)};
    pg_request(pg, "SELECT holdfast.settle_replays($1::uuid, $2::bigint[], $3::text[], $4::text[])",
               4, values, answer_kept, call_new(done, NULL, ctx));
    buffer_free(&ids);
    buffer_free(&outcomes);
    buffer_free(&details);
}
