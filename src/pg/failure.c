#include "pg/failure.h"

#include <stddef.h>
#include <string.h>

#define SLOTS                                                                                      \
    "The server's connections are used up: a node needs three. See pg_stat_activity and "          \
    "max_connections; the node tries again by itself."
#define PASSWORD                                                                                   \
    "The password is read anew for every connection from the file that passfile or PGPASSFILE "    \
    "names: mode 0600, lines HOST:PORT:DATABASE:USER:PASSWORD."

static const struct {
    const char *words, *hint;
} known[] = {
    {"unsupported startup parameter",
     "A pooler refuses the time-outs of a lease: add options to its ignore_startup_parameters, "
     "and give the role idle_session_timeout with ALTER ROLE; or connect directly."},
    {"too many c", SLOTS},
    {"connection slots are reserved", SLOTS},
    {"starting up", "The server is starting or recovering; the node tries again by itself."},
    {"in recovery mode", "The server is recovering from a crash; the node tries again by itself."},
    {"has expired",
     "The server's certificate, or this machine's clock, is to be put right; nothing "
     "was sent."},
    {"not yet valid", "The server's certificate, or this machine's clock, is to be put right; "
                      "nothing was sent."},
    {"certificate verify failed",
     "sslrootcert must name the authority that signed the server's certificate; nothing was sent. "
     "Does something on the way open TLS?"},
    {"does not match host name",
     "Give host as the server's certificate names it; hostaddr may hold its address beside. "
     "Nothing was sent."},
    {"does not support SSL",
     "Give the server a certificate (ssl = on). Hosts other than this machine are reached with "
     "sslmode=verify-full unless the connection string says another; nothing was sent."},
    {"root certificate file",
     "sslrootcert must name a file with the authority of the server's certificate that this "
     "process may read, in PEM form."},
    {"certificate file", "sslcert must name a file in PEM form that this process may read."},
    {"private key file",
     "sslkey must name the key of sslcert, readable by this process and nobody else (mode 0600)."},
    {"no password supplied", PASSWORD},
    {"password authentication failed", PASSWORD},
    {"no pg_hba.conf entry",
     "The server lets nobody in from here like that: see server/pg_hba.conf, and whether TLS is "
     "wanted."},
};

const char *pg_failure_hint(const char *text, const char *otherwise)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strstr(text, known[i].words) != NULL)
            return known[i].hint;
    return otherwise;
}
