#include "store/server.h"

#include "base/memory.h"
#include "pg/connection.h"
#include "store/values.h"

#include <stdio.h>
#include <stdlib.h>

struct call {
    store_server_fn done;
    void *ctx;
};

static void answer_server(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    free(ctx);
    struct error mine;
    if (err == NULL && PQntuples(result) != 1) {
        error_set(&mine, "the database answered without a row");
        err = &mine;
    }
    if (err != NULL) {
        call.done(call.ctx, NULL, err);
        return;
    }
    struct primary_answer answer = {.state = row_bool(result, 0, 0) ? PRIMARY_WRITABLE
                                                                    : PRIMARY_READ_ONLY,
                                    .place.timeline = (int)row_number(result, 0, 2)};
    (void)snprintf(answer.place.system_identifier, sizeof answer.place.system_identifier, "%s",
                   PQgetvalue(result, 0, 1));
    call.done(call.ctx, &answer, NULL);
}

void store_server(struct pg_connection *pg, store_server_fn done, void *ctx)
{
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){.done = done, .ctx = ctx};
    /* The name of the present WAL file cannot be asked for in recovery; the control file's timeline
     * lags behind a promotion. */
    pg_request(pg,
               "SELECT NOT r.standby AND current_setting('transaction_read_only') = 'off',"
               " c.system_identifier,"
               " CASE WHEN r.standby THEN 0 ELSE ('x' || substr(pg_walfile_name("
               "pg_current_wal_lsn()), 1, 8))::bit(32)::int END"
               " FROM pg_control_system() c, (SELECT pg_is_in_recovery() AS standby) r",
               0, NULL, answer_server, call);
}
