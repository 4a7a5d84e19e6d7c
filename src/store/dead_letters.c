#include "store/dead_letters.h"

#include "base/memory.h"
#include "pg/connection.h"
#include "store/values.h"

#include <stdlib.h>
#include <string.h>

struct call {
    store_filed_fn filed;
    store_replays_fn replays;
    store_settled_fn settled;
    void *ctx;
};

static struct call *call_new(const struct call *from)
{
    struct call *call = xcalloc(1, sizeof *call);
    *call = *from;
    return call;
}

static enum store_filed outcome_of(const char *verdict)
{
    if (strcmp(verdict, "kept") == 0)
        return STORE_FILED_KEPT;
    if (strcmp(verdict, "dropped") == 0)
        return STORE_FILED_DROPPED;
    return strcmp(verdict, "held") == 0 ? STORE_FILED_HELD : STORE_FILED_STALE;
}

static void answer_filed(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    free(ctx);
    if (err != NULL) {
        call.filed(call.ctx, NULL, 0, err);
        return;
    }
    int count = PQntuples(result);
    enum store_filed *outcomes = xcalloc((size_t)count + 1, sizeof *outcomes);
    for (int i = 0; i < count; i++)
        outcomes[i] = outcome_of(PQgetvalue(result, i, 0));
    call.filed(call.ctx, outcomes, (size_t)count, NULL);
    free(outcomes);
}

static void answer_settled(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    (void)result;
    free(ctx);
    call.settled(call.ctx, err);
}

enum { COLUMNS = 13 };

void store_file_dead_letters(struct pg_connection *pg, const char *key,
                             const struct store_dead_letter *rows, size_t count,
                             store_filed_fn done, void *ctx)
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
    pg_request(pg,
               "SELECT verdict FROM holdfast.file_dead_letters($1::uuid, $2::int[], $3::bigint[], "
               "$4::text[],"
               " $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::text[], $10::text[],"
               " $11::text[], $12::bytea[], $13::int[], $14::jsonb[])",
               COLUMNS + 1, values, answer_filed,
               call_new(&(struct call){.filed = done, .ctx = ctx}));
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
               2, values, answer_replays, call_new(&(struct call){.replays = done, .ctx = ctx}));
}

void store_settle_replays(struct pg_connection *pg, const char *key,
                          const struct store_settled *rows, size_t count, store_settled_fn done,
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
               4, values, answer_settled, call_new(&(struct call){.settled = done, .ctx = ctx}));
    buffer_free(&ids);
    buffer_free(&outcomes);
    buffer_free(&details);
}
