#include "pg/resolve.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "pg/host_list.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { HOSTS_MAX = 32 };

struct pg_resolve {
    struct evdns_base *dns;
    pg_resolved_fn done; /* NULL once cancelled */
    void *ctx;
    char *hosts; /* comma separated list, cut in place */
    char *name[HOSTS_MAX];
    size_t count, at;
    struct buffer addresses;
    struct evdns_getaddrinfo_request *request;
    bool starting, finished;
};

static void next_host(struct pg_resolve *r);

static void resolve_free(struct pg_resolve *r)
{
    buffer_free(&r->addresses);
    free(r->hosts);
    free(r);
}

static void finish(struct pg_resolve *r, const struct error *err)
{
    pg_resolved_fn done = r->done;
    r->finished = true;
    r->done = NULL;
    if (done != NULL)
        done(r->ctx, err == NULL ? buffer_text(&r->addresses) : NULL, err);
    if (!r->starting)
        resolve_free(r);
}

static bool is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool add_address(struct pg_resolve *r, const char *address)
{
    return buffer_printf(&r->addresses, "%s%s", r->at > 0 ? "," : "", address);
}

static void host_resolved(int code, struct evutil_addrinfo *found, void *ctx)
{
    struct pg_resolve *r = ctx;
    r->request = NULL;
    if (r->done == NULL) {
        if (found != NULL)
            evutil_freeaddrinfo(found);
        resolve_free(r);
        return;
    }
    char text[INET6_ADDRSTRLEN] = "";
    if (code == 0 && found != NULL) {
        const void *from =
            found->ai_family == AF_INET6
                ? (const void *)&((struct sockaddr_in6 *)(void *)found->ai_addr)->sin6_addr
                : (const void *)&((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr;
        (void)inet_ntop(found->ai_family, from, text, sizeof text);
    }
    if (found != NULL)
        evutil_freeaddrinfo(found);
    if (text[0] == '\0') {
        struct error err;
        error_set(&err, "could not resolve database host \"%s\"", r->name[r->at]);
        error_detail(&err, "%s", evutil_gai_strerror(code));
        error_hint(&err, "Check the host in HOLDFAST_DATABASE and the name server.");
        finish(r, &err);
        return;
    }
    (void)add_address(r, text);
    r->at++;
    next_host(r);
}

static void next_host(struct pg_resolve *r)
{
    while (r->at < r->count) {
        const char *host = r->name[r->at];
        if (host[0] == '\0' || host[0] == '/' || host[0] == '@') {
            (void)add_address(r, "");
        } else if (is_numeric(host)) {
            (void)add_address(r, host);
        } else {
            struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
            bool was_starting = r->starting;
            r->starting = true; /* the answer may come before this returns */
            struct evdns_getaddrinfo_request *request =
                evdns_getaddrinfo(r->dns, host, NULL, &hints, host_resolved, r);
            r->starting = was_starting;
            if (!r->finished)
                r->request = request;
            return;
        }
        r->at++;
    }
    finish(r, NULL);
}

static void split_hosts(struct pg_resolve *r, const char *hosts)
{
    r->hosts = xstrdup(hosts);
    char *at = r->hosts;
    while (at != NULL && r->count < HOSTS_MAX) {
        r->name[r->count++] = strsep(&at, ",");
    }
}

struct pg_resolve *pg_resolve_start(struct evdns_base *dns, const char *conninfo,
                                    const struct pg_host *only, pg_resolved_fn done, void *ctx)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    if (options == NULL) {
        struct error err;
        error_set(&err, "the database connection string is not valid");
        /* libpq's own words repeat what it could not read: often a part of the password. */
        error_detail(&err, "libpq cannot read it; it is not shown, as it may hold a password.");
        error_hint(&err,
                   "It takes what libpq takes: key=value pairs, with quotes around a value that "
                   "has spaces, or a postgresql:// URI, with %%XX for special characters of "
                   "the password.");
        done(ctx, NULL, &err);
        return NULL;
    }
    const char *hosts = NULL, *given = NULL;
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (strcmp(o->keyword, "host") == 0)
            hosts = o->val;
        else if (strcmp(o->keyword, "hostaddr") == 0)
            given = o->val;
    }
    if (only != NULL && (only->host != NULL || only->hostaddr != NULL)) {
        hosts = only->host;
        given = only->hostaddr;
    }
    if (hosts == NULL || hosts[0] == '\0' || (given != NULL && given[0] != '\0')) {
        PQconninfoFree(options);
        done(ctx, NULL, NULL);
        return NULL;
    }
    struct pg_resolve *r = xcalloc(1, sizeof *r);
    *r = (struct pg_resolve){.dns = dns, .done = done, .ctx = ctx, .starting = true};
    buffer_init(&r->addresses, 4096);
    split_hosts(r, hosts);
    PQconninfoFree(options);
    next_host(r);
    r->starting = false;
    if (r->finished) {
        resolve_free(r);
        return NULL;
    }
    return r;
}

void pg_resolve_cancel(struct pg_resolve *r)
{
    if (r == NULL)
        return;
    r->done = NULL;
    if (r->request != NULL)
        evdns_getaddrinfo_cancel(r->request);
}
