#include "store/presence.h"

#include "base/memory.h"
#include "pg/connection.h"
#include "store/values.h"

#include <stdlib.h>

struct call {
    store_done_fn noted;
    store_presence_fn found;
    void *ctx;
};

static void answer_noted(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    (void)result;
    free(ctx);
    call.noted(call.ctx, err);
}

void store_note_presence(struct pg_connection *pg, const char *key,
                         const struct store_presence *rows, size_t count, store_done_fn done,
                         void *ctx)
{
    struct buffer ids, tokens, things, devices, modules, present;
    array_begin(&ids);
    array_begin(&tokens);
    array_begin(&things);
    array_begin(&devices);
    array_begin(&modules);
    array_begin(&present);
    for (size_t i = 0; i < count; i++) {
        array_number(&ids, rows[i].partition_id);
        array_number(&tokens, rows[i].token);
        array_text(&things, rows[i].thing);
        array_text(&devices, rows[i].device);
        array_text(&modules, rows[i].module);
        array_text(&present, slice_from(rows[i].present ? "t" : "f"));
    }
    const char *values[] = {key,
                            array_end(&ids),
                            array_end(&tokens),
                            array_end(&things),
                            array_end(&devices),
                            array_end(&modules),
                            array_end(&present)};
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){.noted = done, .ctx = ctx};
    pg_request(pg,
               "SELECT holdfast.note_presence($1::uuid, $2::int[], $3::bigint[], $4::text[],"
               " $5::text[], $6::text[], $7::boolean[])",
               7, values, answer_noted, call);
    buffer_free(&ids);
    buffer_free(&tokens);
    buffer_free(&things);
    buffer_free(&devices);
    buffer_free(&modules);
    buffer_free(&present);
}

static void answer_found(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    free(ctx);
    if (err != NULL) {
        call.found(call.ctx, NULL, 0, err);
        return;
    }
    int count = PQntuples(result);
    struct store_presence *rows = xcalloc((size_t)count, sizeof *rows);
    for (int i = 0; i < count; i++) {
        rows[i].thing = slice_from(row_text(result, i, 0));
        rows[i].device = slice_from(row_text(result, i, 1));
        rows[i].module = slice_from(row_text(result, i, 2));
        rows[i].present = true;
    }
    call.found(call.ctx, rows, (size_t)count, NULL);
    free(rows);
}

void store_presence_of(struct pg_connection *pg, const char *key, int partition_id,
                       store_presence_fn done, void *ctx)
{
    char number[NUMBER_TEXT];
    const char *values[] = {key, number_text(number, partition_id)};
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){.found = done, .ctx = ctx};
    pg_request(pg, "SELECT thing, device, module FROM holdfast.presence_of($1::uuid, $2::int)", 2,
               values, answer_found, call);
}
