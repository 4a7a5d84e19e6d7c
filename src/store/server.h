#pragma once
#include "base/error.h"
#include "core/primary.h"

/* What a database server says of itself. The catalog alone is asked, so any server can answer: also
 * a standby, and one that `holdfast migrate` has never seen. */

struct pg_connection;

/* `answer` is PRIMARY_READ_ONLY or PRIMARY_WRITABLE; NULL when `err` is set. */
typedef void (*store_server_fn)(void *ctx, const struct primary_answer *answer,
                                const struct error *err);
void store_server(struct pg_connection *pg, store_server_fn done, void *ctx);
