#pragma once
#include <libpq-fe.h>
#include <stdbool.h>

struct error;
struct ssl_st;

/* How connections to the database are secured. libpq's own default (sslmode=prefer) speaks TLS if
 * the other end happens to want it and never looks at who that is, so whoever sits between can
 * answer "no TLS" and ask for the password. Here a host that is not on this machine is reached by
 * TLS with its name verified, unless the connection string (or PGSSLMODE) says something else than
 * "prefer" or "allow". On this machine (unix socket, loopback) libpq's default stands. */
struct pg_security {
    const char *sslmode;     /* NULL: as it stands in the connection string */
    const char *sslrootcert; /* the same; else the system's authorities */
};

/* `options` of the connection string, may be NULL; `host` and `hostaddr` when only one of its hosts
 * is meant, else NULL. What it gives lives as long as `options`. */
struct pg_security pg_secure(const PQconninfoOption *options, const char *host,
                             const char *hostaddr);

/* True, with why and what to do, if a connection to another machine is told to go without knowing
 * who answers: sslmode=disable, or require without an authority. */
bool pg_insecure(const char *conninfo, struct error *why);

/* Connects and waits, for commands that have no loop. `conninfo` wins over the application's name;
 * `attrs` are target_session_attrs unless it says so itself, or NULL. Never NULL but for want of
 * memory. */
PGconn *pg_connect_now(const char *conninfo, const char *application_name, const char *attrs);

/* libpq 15 does not say what is wrong with a certificate, and forgets its TLS when it fails: hold
 * it before PQconnectPoll, and ask afterwards. NULL while there is none. */
struct ssl_st *pg_tls_hold(PGconn *conn);
/* What was wrong with the server's certificate, NULL: nothing; lets go of it. */
const char *pg_tls_release(struct ssl_st *tls);
