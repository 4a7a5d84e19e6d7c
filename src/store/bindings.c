#include "store/bindings.h"

#include "base/memory.h"
#include "pg/connection.h"
#include "store/values.h"

#include <stdlib.h>

struct call {
    store_resolved_fn done;
    void *ctx;
};

static void answered(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    free(ctx);
    if (err != NULL) {
        call.done(call.ctx, NULL, 0, err);
        return;
    }
    int count = PQntuples(result);
    struct store_binding *rows = xcalloc((size_t)count, sizeof *rows);
    for (int i = 0; i < count; i++)
        rows[i] = (struct store_binding){slice_from(row_text(result, i, 0)),
                                         slice_from(row_text(result, i, 1)),
                                         slice_from(row_text(result, i, 2))};
    call.done(call.ctx, rows, (size_t)count, NULL);
    free(rows);
}

void store_resolve(struct pg_connection *pg, const char *key, const char *fleet,
                   const struct store_device *devices, size_t count, store_resolved_fn done,
                   void *ctx)
{
    struct buffer names, modules;
    array_begin(&names);
    array_begin(&modules);
    for (size_t i = 0; i < count; i++) {
        array_text(&names, devices[i].device);
        array_text(&modules, devices[i].module);
    }
    const char *values[] = {key, fleet, array_end(&names), array_end(&modules)};
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){.done = done, .ctx = ctx};
    pg_request(pg,
               "SELECT device, module, thing FROM holdfast.resolve($1::uuid, $2, $3::text[],"
               " $4::text[])",
               4, values, answered, call);
    buffer_free(&names);
    buffer_free(&modules);
}
