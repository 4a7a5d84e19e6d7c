#include "source/eventhubs/dial.h"

#include "base/memory.h"
#include "source/eventhubs/limits.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct dial {
    struct event_base *base;
    struct evdns_base *dns;
    char *host;
    char port[8];
    void (*done)(void *ctx, int fd, const struct error *why);
    void *ctx;
    struct event *start;   /* everything happens from the loop, the first step too */
    struct event *waiting; /* for the socket to connect, or to take too long */
    struct lookup *lookup; /* while evdns is asked */
    struct evutil_addrinfo *addresses;
    const struct evutil_addrinfo *next;
    int fd;
    struct error why; /* of the last address */
};

/* Outlives a dial that gave up: evdns calls back once in any case. */
struct lookup {
    struct dial *dial; /* NULL: nobody waits any more */
    struct evdns_getaddrinfo_request *request;
    bool asking;   /* inside evdns_getaddrinfo, which may answer at once */
    bool answered; /* it did */
};

static void finish(struct dial *dial, int fd)
{
    struct error why = dial->why; /* the dial may be freed in the callback */
    dial->done(dial->ctx, fd, &why);
}

static void explain(struct dial *dial, const char *detail)
{
    error_set(&dial->why, "cannot connect to the hub at %s:%s", dial->host, dial->port);
    error_detail(&dial->why, "%s", detail);
    error_hint(&dial->why, "Check Endpoint in the connection string, and the network. The node "
                           "tries again by itself.");
}

static void set_options(int fd)
{
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_RCVBUF, EVENTHUBS_SOCKET_BYTES},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, EVENTHUBS_TCP_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, EVENTHUBS_TCP_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, EVENTHUBS_TCP_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, EVENTHUBS_TCP_USER_TIMEOUT_MS},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
}

static void try_next(struct dial *dial);

static void drop_attempt(struct dial *dial)
{
    if (dial->waiting != NULL)
        event_free(dial->waiting);
    dial->waiting = NULL;
    if (dial->fd >= 0)
        (void)close(dial->fd);
    dial->fd = -1;
}

static void on_connected(evutil_socket_t fd, short what, void *ctx)
{
    struct dial *dial = ctx;
    int error = ETIMEDOUT;
    socklen_t n = sizeof error;
    if ((what & EV_TIMEOUT) == 0)
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error != 0) {
        explain(dial, strerror(error));
        drop_attempt(dial);
        try_next(dial);
        return;
    }
    dial->fd = -1;
    drop_attempt(dial);
    finish(dial, fd);
}

/* Begins to connect to one address. */
static bool attempt(struct dial *dial, const struct evutil_addrinfo *address)
{
    dial->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0) {
        explain(dial, strerror(errno));
        return false;
    }
    set_options(dial->fd);
    if (connect(dial->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        explain(dial, strerror(errno));
        drop_attempt(dial);
        return false;
    }
    dial->waiting = event_new(dial->base, dial->fd, EV_WRITE, on_connected, dial);
    static const struct timeval patience = {EVENTHUBS_CONNECT_US / SECOND_US, 0};
    (void)event_add(dial->waiting, &patience);
    return true;
}

static void try_next(struct dial *dial)
{
    while (dial->next != NULL) {
        const struct evutil_addrinfo *address = dial->next;
        dial->next = address->ai_next;
        if (attempt(dial, address))
            return;
    }
    finish(dial, -1);
}

static void on_addresses(int error, struct evutil_addrinfo *addresses, void *ctx)
{
    struct lookup *lookup = ctx;
    struct dial *dial = lookup->dial;
    if (lookup->asking)
        lookup->answered = true;
    else
        free(lookup);
    if (dial == NULL) {
        if (addresses != NULL)
            evutil_freeaddrinfo(addresses);
        return;
    }
    dial->lookup = NULL;
    dial->addresses = addresses;
    dial->next = error == 0 ? addresses : NULL;
    explain(dial, error == 0 ? "The name has no address." : evutil_gai_strerror(error));
    try_next(dial);
}

static void resolve(struct dial *dial, const struct evutil_addrinfo *hints)
{
    struct lookup *lookup = xcalloc(1, sizeof *lookup);
    lookup->dial = dial;
    lookup->asking = true;
    dial->lookup = lookup;
    struct evdns_getaddrinfo_request *request =
        evdns_getaddrinfo(dial->dns, dial->host, dial->port, hints, on_addresses, lookup);
    /* If it has answered inside the call, the dial may be gone. */
    lookup->asking = false;
    lookup->request = request;
    if (lookup->answered)
        free(lookup);
}

static void on_start(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct dial *dial = ctx;
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = EVUTIL_AI_NUMERICHOST | EVUTIL_AI_NUMERICSERV};
    /* A numeric address needs no resolver; this call does not ask one. */
    if (evutil_getaddrinfo(dial->host, dial->port, &hints, &dial->addresses) == 0) {
        dial->next = dial->addresses;
        try_next(dial);
        return;
    }
    if (dial->dns == NULL) {
        explain(dial, "There is no resolver, and the host is no numeric address.");
        finish(dial, -1);
        return;
    }
    hints.ai_flags = EVUTIL_AI_NUMERICSERV;
    resolve(dial, &hints);
}

struct dial *dial_start(struct event_base *base, struct evdns_base *dns, const char *host,
                        uint16_t port, void (*done)(void *ctx, int fd, const struct error *why),
                        void *ctx)
{
    struct dial *dial = xcalloc(1, sizeof *dial);
    dial->base = base;
    dial->dns = dns;
    dial->host = xstrdup(host);
    (void)snprintf(dial->port, sizeof dial->port, "%u", port);
    dial->done = done;
    dial->ctx = ctx;
    dial->fd = -1;
    dial->start = evtimer_new(base, on_start, dial);
    static const struct timeval now = {0, 0};
    (void)evtimer_add(dial->start, &now);
    return dial;
}

void dial_free(struct dial *dial)
{
    if (dial == NULL)
        return;
    drop_attempt(dial);
    if (dial->lookup != NULL) {
        dial->lookup->dial = NULL;
        evdns_getaddrinfo_cancel(dial->lookup->request);
    }
    if (dial->addresses != NULL)
        evutil_freeaddrinfo(dial->addresses);
    event_free(dial->start);
    free(dial->host);
    free(dial);
}
