#include "node/schema_check.h"

#include "base/memory.h"
#include "pg/migrate.h"
#include "store/coordination.h"

#include <stdio.h>
#include <stdlib.h>

struct schema_question {
    struct pg_connection *pg;
    int version; /* of this build */
    char digest[65];
    schema_check_fn done;
    void *ctx;
    struct error why; /* what the first answer comes to */
};

static void finish(struct schema_question *question, enum schema_verdict verdict,
                   const struct error *why)
{
    schema_check_fn done = question->done;
    void *ctx = question->ctx;
    struct error copy;
    if (why != NULL)
        copy = *why;
    free(question);
    done(ctx, verdict, why != NULL ? &copy : NULL);
}

static void on_serves(void *ctx, bool serves, const char *broken_by, const struct error *err)
{
    struct schema_question *question = ctx;
    if (err != NULL && err->code[0] == '\0') {
        free(question);
        return;
    }
    if (err == NULL && broken_by != NULL) {
        error_set(&question->why, "the schema of the database has left this build behind");
        error_detail(&question->why, "Migration %s breaks nodes of this build, which ends at %d.",
                     broken_by, question->version);
        error_hint(&question->why, "Start a newer build of holdfast.");
    } else if (err == NULL && serves) {
        error_set(&question->why, "the schema of the database is newer than this build");
        error_detail(&question->why, "It says that it serves this build too.");
        error_hint(&question->why, "Finish the upgrade: start the newer build here too.");
    }
    finish(question, err == NULL && serves ? SCHEMA_KNOWN : SCHEMA_OTHER, &question->why);
}

static void on_version(void *ctx, int version, const char *digest, const struct error *err)
{
    struct schema_question *question = ctx;
    if (err != NULL && err->code[0] == '\0') {
        free(question);
    } else if (err != NULL) {
        question->why = *err;
        error_hint(&question->why, "Run `holdfast migrate` against this database first.");
        finish(question, SCHEMA_UNREADABLE, &question->why);
    } else if (migrate_known(question->version, question->digest, version,
                             digest != NULL ? digest : "", &question->why)) {
        finish(question, SCHEMA_KNOWN, NULL);
    } else if (version < question->version) {
        finish(question, SCHEMA_OTHER, &question->why);
    } else {
        store_schema_serves(question->pg, question->version, question->digest, on_serves, question);
    }
}

void schema_check(struct pg_connection *pg, int version, const char *digest, schema_check_fn done,
                  void *ctx)
{
    struct schema_question *question = xcalloc(1, sizeof *question);
    *question = (struct schema_question){.pg = pg, .version = version, .done = done, .ctx = ctx};
    (void)snprintf(question->digest, sizeof question->digest, "%s", digest);
    store_schema_version(pg, on_version, question);
}
