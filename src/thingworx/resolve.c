#include "thingworx/resolve.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ADDRESSES_MAX = 8, ADDRESS_BYTES = INET6_ADDRSTRLEN + 2 };

struct resolve {
    resolve_done done; /* NULL once cancelled */
    void *ctx;
    char *host;
    struct evdns_getaddrinfo_request *request;
    bool starting, finished;
};

static void resolve_free(struct resolve *r)
{
    free(r->host);
    free(r);
}

static bool write_address(const struct evutil_addrinfo *from, char *out)
{
    char text[INET6_ADDRSTRLEN];
    const void *address = NULL;
    bool six = from->ai_family == AF_INET6;
    if (six)
        address = &((const struct sockaddr_in6 *)(const void *)from->ai_addr)->sin6_addr;
    else if (from->ai_family == AF_INET)
        address = &((const struct sockaddr_in *)(const void *)from->ai_addr)->sin_addr;
    if (address == NULL || inet_ntop(from->ai_family, address, text, sizeof(text)) == NULL)
        return false;
    (void)snprintf(out, ADDRESS_BYTES, six ? "[%s]" : "%s", text);
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void join(const struct evutil_addrinfo *found, struct buffer *out)
{
    char list[ADDRESSES_MAX][ADDRESS_BYTES];
    size_t n = 0;
    for (; found != NULL && n < ADDRESSES_MAX; found = found->ai_next)
        if (write_address(found, list[n]))
            n++;
    qsort(list, n, sizeof(list[0]), compare);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(list[i], list[i - 1]) != 0)
            buffer_printf(out, "%s%s", out->n ? "," : "", list[i]);
}

static void on_resolved(int code, struct evutil_addrinfo *found, void *ctx)
{
    struct resolve *r = ctx;
    r->finished = true;
    if (r->done != NULL) {
        struct buffer addresses;
        buffer_init(&addresses, (size_t)ADDRESSES_MAX * ADDRESS_BYTES);
        struct error err = {0};
        if (code == 0)
            join(found, &addresses);
        if (addresses.n == 0) {
            error_set(&err, "the host name %s cannot be resolved", r->host);
            error_detail(&err, "%s", code ? evutil_gai_strerror(code) : "it has no address");
            error_hint(&err, "check the base URL and the name servers of this machine");
        }
        r->done(r->ctx, addresses.n ? buffer_text(&addresses) : NULL, addresses.n ? NULL : &err);
        buffer_free(&addresses);
    }
    if (found != NULL)
        evutil_freeaddrinfo(found);
    if (!r->starting)
        resolve_free(r);
}

struct resolve *resolve_start(struct evdns_base *dns, const char *host, resolve_done done,
                              void *ctx)
{
    struct resolve *r = xcalloc(1, sizeof(*r));
    *r = (struct resolve){.done = done, .ctx = ctx, .host = xstrdup(host), .starting = true};
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    r->request = evdns_getaddrinfo(dns, host, NULL, &hints, on_resolved, r);
    r->starting = false;
    if (r->finished) {
        resolve_free(r);
        return NULL;
    }
    return r;
}

void resolve_cancel(struct resolve *resolve)
{
    resolve->done = NULL;
    evdns_getaddrinfo_cancel(resolve->request); /* calls back later */
}
