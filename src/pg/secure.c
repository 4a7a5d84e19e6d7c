#include "pg/secure.h"

#include "base/error.h"
#include "base/here.h"
#include "base/memory.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char SYSTEM_BUNDLE[] = "/etc/ssl/certs/ca-certificates.crt";

/* NULL when it says nothing. */
static const char *in_string(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val != NULL && o->val[0] != '\0' ? o->val : NULL;
    return NULL;
}

static const char *in_environment(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char *said(const PQconninfoOption *options, const char *keyword, const char *variable)
{
    const char *value = in_string(options, keyword);
    return value != NULL ? value : in_environment(variable);
}

/* Whether all of a list are this machine. */
static bool are_here(const char *hosts)
{
    for (const char *at = hosts; at != NULL;) {
        size_t n = strcspn(at, ",");
        if (!host_is_here(at, n))
            return false;
        at = at[n] == ',' ? at + n + 1 : NULL;
    }
    return true;
}

/* By every name that is given: an address of this machine under the name of another is a tunnel. A
 * service file may name any host. */
static bool is_here(const PQconninfoOption *options, const char *host, const char *hostaddr)
{
    if (host == NULL && hostaddr == NULL) {
        host = in_string(options, "host");
        hostaddr = in_string(options, "hostaddr");
    }
    if (host == NULL && hostaddr == NULL) {
        if (said(options, "service", "PGSERVICE") != NULL)
            return false;
        host = in_environment("PGHOST");
        hostaddr = in_environment("PGHOSTADDR");
    }
    return are_here(host) && are_here(hostaddr);
}

/* "prefer" and "allow" leave it to whoever answers: that is no statement. */
static const char *stated_mode(const PQconninfoOption *options)
{
    const char *mode = said(options, "sslmode", "PGSSLMODE");
    return mode != NULL && strcmp(mode, "prefer") != 0 && strcmp(mode, "allow") != 0 ? mode : NULL;
}

static bool has_own_authorities(void)
{
    const char *home = in_environment("HOME");
    char *path = home != NULL ? xasprintf("%s/.postgresql/root.crt", home) : NULL;
    bool found = path != NULL && access(path, F_OK) == 0;
    free(path);
    return found;
}

static bool has_authorities(const PQconninfoOption *options)
{
    return said(options, "sslrootcert", "PGSSLROOTCERT") != NULL || has_own_authorities();
}

struct pg_security pg_secure(const PQconninfoOption *options, const char *host,
                             const char *hostaddr)
{
    struct pg_security security = {NULL, NULL};
    const char *mode = stated_mode(options);
    if (mode == NULL && is_here(options, host, hostaddr))
        return security;
    if (mode == NULL)
        mode = security.sslmode = "verify-full";
    bool verifies = strncmp(mode, "verify-", strlen("verify-")) == 0;
    if (verifies && !has_authorities(options) && said(options, "service", "PGSERVICE") == NULL) {
        const char *bundle = in_environment("SSL_CERT_FILE");
        security.sslrootcert = bundle != NULL ? bundle : SYSTEM_BUNDLE;
    }
    return security;
}

bool pg_insecure(const char *conninfo, struct error *why)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    const char *mode = stated_mode(options);
    bool plain = mode != NULL && strcmp(mode, "disable") == 0;
    bool blind = mode != NULL && strcmp(mode, "require") == 0 && !has_authorities(options);
    bool insecure = (plain || blind) && !is_here(options, NULL, NULL);
    if (insecure) {
        error_set(why, plain ? "the database is reached without TLS"
                             : "the database is reached by TLS, but nobody looks who answers");
        error_detail(why, "sslmode=%s for a host that is not this machine: who sits between can %s",
                     mode,
                     plain ? "read and change everything, and ask for the password."
                           : "pass for the server, and ask for the password.");
        error_hint(why, "Leave sslmode out: then it is verify-full, and sslrootcert names the "
                        "authority if the system does not know it.");
    }
    PQconninfoFree(options);
    return insecure;
}

PGconn *pg_connect_now(const char *conninfo, const char *application_name, const char *attrs)
{
    /* What stands in the string wins: a later keyword overrides an earlier one. */
    static const char *const keywords[] = {"target_session_attrs",
                                           "connect_timeout",
                                           "fallback_application_name",
                                           "client_encoding",
                                           "dbname",
                                           "sslmode",
                                           "sslrootcert",
                                           NULL};
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    struct pg_security security = pg_secure(options, NULL, NULL);
    const char *const values[] = {
        attrs, "10", application_name, "UTF8", conninfo, security.sslmode, security.sslrootcert,
        NULL};
    PGconn *conn = PQconnectdbParams(keywords, values, 1);
    PQconninfoFree(options);
    return conn;
}

struct ssl_st *pg_tls_hold(PGconn *conn)
{
    struct ssl_st *tls = PQsslStruct(conn, "OpenSSL");
    return tls != NULL && SSL_up_ref(tls) == 1 ? tls : NULL;
}

const char *pg_tls_release(struct ssl_st *tls)
{
    long result = tls != NULL ? SSL_get_verify_result(tls) : X509_V_OK;
    SSL_free(tls);
    return result != X509_V_OK ? X509_verify_cert_error_string(result) : NULL;
}
