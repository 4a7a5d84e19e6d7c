#include "store/explain.h"

#include "base/memory.h"
#include "pg/failure.h"
#include "pg/secure.h"
#include "store/configuration.h"
#include "store/values.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The server's own words, or the connection's. */
static bool failed(const PGconn *connection, const PGresult *result, struct error *err)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    error_set(err, "%s", message != NULL ? message : PQerrorMessage(connection));
    if (detail != NULL)
        error_detail(err, "%s", detail);
    if (hint != NULL)
        error_hint(err, "%s", hint);
    else if (code != NULL && strcmp(code, "42501") == 0)
        error_hint(err, "Connect as a member of holdfast_reader or holdfast_admin.");
    else if (code != NULL && (strcmp(code, "42883") == 0 || strcmp(code, "3F000") == 0))
        error_hint(err, "Run `holdfast migrate`.");
    else if (code == NULL)
        error_hint(err, "%s",
                   pg_failure_hint(PQerrorMessage(connection),
                                   "Check --database, and that PostgreSQL can be reached."));
    return false;
}

static char *copy(const char *text)
{
    return text != NULL ? xstrdup(text) : NULL;
}

bool store_explain(const char *conninfo, const char *device, const char *module, const char *fleet,
                   struct store_explanation *to, struct error *err)
{
    const char *values[] = {device, module != NULL ? module : "", fleet};
    *to = (struct store_explanation){.fleet = NULL};
    PGconn *connection = pg_connect_now(conninfo, "holdfast explain", NULL);
    PGresult *result = NULL;
    bool ok = PQstatus(connection) == CONNECTION_OK;
    if (ok) {
        result = PQexecParams(connection,
                              "SELECT fleet_name, thing, binding, configuration"
                              " FROM holdfast.explain_device($1, $2, $3)",
                              3, NULL, values, NULL, NULL, 0);
        ok = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
    }
    if (!ok) {
        (void)failed(connection, result, err);
    } else {
        to->fleet = copy(row_text(result, 0, 0));
        to->thing = copy(row_text(result, 0, 1));
        to->binding = copy(row_text(result, 0, 2));
        to->configuration = configuration_parse(row_text(result, 0, 3), err);
        ok = to->configuration != NULL;
    }
    PQclear(result);
    PQfinish(connection);
    return ok;
}

void store_explanation_free(struct store_explanation *explanation)
{
    free(explanation->fleet);
    free(explanation->thing);
    free(explanation->binding);
    configuration_free(explanation->configuration);
}
