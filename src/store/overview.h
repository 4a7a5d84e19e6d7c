#pragma once
#include "base/error.h"

/* The whole cluster in one reading, for `holdfast status`: it asks the views, diagnose() and
 * schema_version(), so a member of holdfast_reader may. Writes nothing. */

struct pg_connection;

/* `json` is one object (docs/commands.md has its members), valid during the call; NULL when `err`
 * is set. */
typedef void (*store_overview_fn)(void *ctx, const char *json, const struct error *err);

/* `events` is how many of the last happenings it holds. */
void store_overview(struct pg_connection *pg, int events, store_overview_fn done, void *ctx);
