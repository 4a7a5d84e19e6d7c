#pragma once
#include "base/error.h"

/* Whether a node of this build may work with the schema of a database: it is the one that this
 * build brings, or one that has grown out of it and says that it serves this build. */

struct pg_connection;

enum schema_verdict {
    SCHEMA_KNOWN,     /* `why` is NULL, or says that the schema is newer than this build */
    SCHEMA_OTHER,     /* it is older, or past this build: `why` says which, and what to do */
    SCHEMA_UNREADABLE /* there is none, or no right to ask */
};

/* Not called when the connection is lost: that is its own handler's to say. */
typedef void (*schema_check_fn)(void *ctx, enum schema_verdict verdict, const struct error *why);

/* `version` and `digest` as migrate_expected gives them; the digest is copied. */
void schema_check(struct pg_connection *pg, int version, const char *digest, schema_check_fn done,
                  void *ctx);
