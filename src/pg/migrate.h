#pragma once
#include "base/error.h"
#include "base/log.h"

#include <stdbool.h>

/* `holdfast migrate`: brings the schema of a database to what this build brings in its folders
 * migrations/ and sql/. It blocks, so it is for that one-shot command, never for a node's loop.
 *
 * Migrations go forward only, each in a transaction of its own, and are never changed once they
 * are applied. sql/ (functions, views, grants) is applied as a whole, in one transaction, whenever
 * a file of it was changed, added or removed. A session-level advisory lock makes several of
 * these wait for each other, so that they may be started at once. */

enum migrate_outcome {
    MIGRATE_UP_TO_DATE, /* there was nothing to do */
    MIGRATE_APPLIED,    /* something was applied, and the database is up to date now */
    MIGRATE_PENDING,    /* check only: something is missing, and the log says what */
};

/* `dsn` is all that libpq understands; `sql_dir` holds migrations/ and sql/. A migration that
 * breaks nodes which are live is refused, unless `allow_breaking` (or NULL) is its name. With
 * `check_only` nothing is written and no lock is taken. Progress goes to `log` (may be NULL); a
 * failure goes to `err` alone, for the caller to report. False on failure, and also, with
 * `check_only`, when the database holds a migration that this build does not know or knows with
 * other text. */
bool migrate_run(const char *dsn, const char *sql_dir, const char *allow_breaking, bool check_only,
                 struct log *log, struct error *err, enum migrate_outcome *outcome);

/* What holdfast.schema_version() returns on a database that this build has migrated: the highest
 * migration, and a digest over sql/. Reads the files, so it is for start-up only. */
bool migrate_expected(const char *sql_dir, int *version, char digest[65], struct error *err);

/* Whether a database with `version` and `digest` is one that a build expecting the other two
 * knows; if not, `err` says which of the two is older and what to do. */
bool migrate_known(int expected_version, const char *expected_digest, int version,
                   const char *digest, struct error *err);
