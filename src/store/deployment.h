#pragma once
#include "base/error.h"
#include "core/deployment.h"

#include <stddef.h>

/* What `holdfast check` asks a database, by the login of a node. Nothing is written. */

struct configuration;
struct pg_connection;

/* From the system's catalog alone, so any database can answer. Texts live during the call. */
typedef void (*store_server_facts_fn)(void *ctx, const struct server_facts *facts,
                                      const struct error *err);
void store_server_facts(struct pg_connection *pg, store_server_facts_fn done, void *ctx);

/* idle_session_timeout of this very connection, now and after a RESET, milliseconds. */
typedef void (*store_lease_timeout_fn)(void *ctx, int64_t now_ms, int64_t reset_ms,
                                       const struct error *err);
void store_lease_timeout(struct pg_connection *pg, store_lease_timeout_fn done, void *ctx);

/* One Thing of each destination that has one bound. */
struct store_sample {
    const char *destination, *thing;
};
/* What a node would be told, without a session. The callback owns the configuration. */
typedef void (*store_deployment_fn)(void *ctx, struct configuration *configuration,
                                    const struct store_sample *samples, size_t count,
                                    const struct error *err);
void store_deployment(struct pg_connection *pg, store_deployment_fn done, void *ctx);

/* What diagnose() says of the server, if facts->diagnoses: a call for each finding, then one
 * with NULL, also after an error. */
typedef void (*store_finding_fn)(void *ctx, const char *severity, const char *subject,
                                 const struct error *what);
void store_server_findings(struct pg_connection *pg, store_finding_fn done, void *ctx);
