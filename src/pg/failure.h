#pragma once

/* What to do about a connection to the database that failed. libpq gives no SQLSTATE for one that
 * was refused, so its words must do. Gives `otherwise` for what is not known. */
const char *pg_failure_hint(const char *text, const char *otherwise);
