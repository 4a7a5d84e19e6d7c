#include "admin/http.h"

#include "admin/http_connection.h"
#include "admin/http_peer.h"
#include "base/clock.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WHY_CEILING = 16 * 1024,
    UNSENT_CEILING = 32 * 1024 * 1024, /* of all answers that wait for their peers together */
    SEND_BUFFER = 256 * 1024,          /* the system's part of an answer, per connection */
    BACKLOG = 128,
    ACCEPTS_A_TURN = 16,
    ACCEPT_AGAIN_MS = 500, /* after the process ran out of descriptors */
};

struct admin_http {
    struct metrics *metrics;
    struct admin_http_handlers handlers;
    struct admin_http_config config;
    struct http_service service;
    char *page_headers;
    struct event *listener, *again;
    struct http_connection **connections; /* `limits.connections` places */
    size_t count;
    uint16_t port;
    int fd;
    bool openmetrics; /* of the request that is being answered */
    struct metric *requests, *open, *refused[HTTP_REFUSALS];
};

/* ---- what is answered --------------------------------------------------------------------- */

static void put_health(struct admin_http *http, struct http_answer *answer)
{
    (void)http;
    (void)buffer_append_text(&answer->body, "ok\n");
}

static void put_ready(struct admin_http *http, struct http_answer *answer)
{
    struct buffer why;
    buffer_init(&why, WHY_CEILING);
    if (http->handlers.ready == NULL || http->handlers.ready(http->handlers.ctx, &why)) {
        (void)buffer_append_text(&answer->body, "ready\n");
    } else {
        answer->status = 503;
        (void)buffer_printf(&answer->body, "not ready: %s\n", buffer_text(&why));
    }
    buffer_free(&why);
}

static void put_metrics(struct admin_http *http, struct http_answer *answer)
{
    answer->type = http->openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                     : "text/plain; version=0.0.4; charset=utf-8";
    if (http->handlers.before_scrape != NULL)
        http->handlers.before_scrape(http->handlers.ctx);
    metric_set(http->open, (double)http->count);
    if (metrics_write(http->metrics, http->openmetrics ? METRICS_OPENMETRICS : METRICS_TEXT,
                      &answer->body))
        return;
    /* Half a scrape would look like counters that are gone. */
    buffer_clear(&answer->body);
    answer->status = 500;
    answer->type = "text/plain; charset=utf-8";
    (void)buffer_append_text(&answer->body, "# the metrics do not fit into one answer\n");
}

static void put_page(struct admin_http *http, struct http_answer *answer)
{
    answer->type = "text/html; charset=utf-8";
    answer->extra = http->page_headers;
    http->handlers.page(http->handlers.ctx, false, &answer->body);
}

static void put_fragment(struct admin_http *http, struct http_answer *answer)
{
    answer->type = "text/html; charset=utf-8";
    http->handlers.page(http->handlers.ctx, true, &answer->body);
}

static const struct route {
    const char *path;
    void (*put)(struct admin_http *http, struct http_answer *answer);
    bool page;
} routes[] = {
    {"/healthz", put_health, false},   {"/readyz", put_ready, false},
    {"/metrics", put_metrics, false},  {"/", put_page, true},
    {"/fragment", put_fragment, true},
};

static const struct route *find_route(struct slice path)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (slice_equal(path, slice_from(routes[i].path)))
            return &routes[i];
    return NULL;
}

static void say(struct http_answer *answer, int status, const char *text)
{
    answer->status = status;
    (void)buffer_append_text(&answer->body, text);
}

static void on_request(void *ctx, const struct http_request *request, const struct http_peer *peer,
                       struct http_answer *answer)
{
    struct admin_http *http = ctx;
    const struct route *route = find_route(request->path);
    metric_add(http->requests, 1);
    if (request->host.n > 0 &&
        !http_host_allowed(request->host, http->config.name, http->config.hosts)) {
        metric_add(http->refused[HTTP_REFUSED_HOST], 1);
        say(answer, 421,
            "This node is not known by the name that was asked for. If it should be, name it in "
            "--http-hosts.\n");
    } else if (route == NULL || (route->page && (http->handlers.page == NULL ||
                                                 http->config.page_for == PAGE_FOR_NOBODY))) {
        say(answer, 404, "not found\n");
    } else if (route->page && http->config.page_for == PAGE_FOR_LOOPBACK && !peer->loopback) {
        say(answer, 403,
            "The status page is shown on the node's own machine only; --status-page all shows it "
            "to everybody who can reach this port.\n");
    } else {
        http->openmetrics = request->openmetrics;
        route->put(http, answer);
    }
}

/* ---- who may have a connection ------------------------------------------------------------ */

static void on_refused(void *ctx, enum http_refusal why)
{
    struct admin_http *http = ctx;
    metric_add(http->refused[why], 1);
}

static void on_ended(void *ctx, struct http_connection *connection)
{
    struct admin_http *http = ctx;
    for (size_t i = 0; i < http->count; i++)
        if (http->connections[i] == connection) {
            http->connections[i] = http->connections[--http->count];
            break;
        }
}

static size_t held_by(const struct admin_http *http, const struct http_peer *peer)
{
    size_t n = 0;
    for (size_t i = 0; i < http->count; i++)
        n += http_peer_equal(http_connection_peer(http->connections[i]), peer);
    return n;
}

static void crowd_out(struct admin_http *http, const struct http_peer *peer)
{
    struct http_connection *first = NULL;
    for (size_t i = 0; i < http->count; i++) {
        struct http_connection *c = http->connections[i];
        if (http_peer_equal(http_connection_peer(c), peer) &&
            (first == NULL ||
             http_gives_way(http_connection_claim(c), http_connection_claim(first))))
            first = c;
    }
    if (first == NULL)
        return;
    metric_add(http->refused[HTTP_REFUSED_CROWDED], 1);
    http_connection_end(first);
}

/* Room for one more of `peer`. */
static void make_room(struct admin_http *http, const struct http_peer *peer)
{
    const struct admin_http_limits *limits = &http->config.limits;
    if (held_by(http, peer) >= (size_t)limits->connections_per_peer) {
        crowd_out(http, peer);
    } else if (http->count >= (size_t)limits->connections) {
        const struct http_peer *greediest = NULL;
        size_t most = 0;
        for (size_t i = 0; i < http->count; i++) {
            const struct http_peer *other = http_connection_peer(http->connections[i]);
            size_t n = held_by(http, other);
            if (n > most) {
                most = n;
                greediest = other;
            }
        }
        if (greediest == NULL)
            return;                           /* there is room for none at all */
        struct http_peer victim = *greediest; /* it ends with its connection */
        crowd_out(http, &victim);
    }
}

/* The answers that wait take memory: whoever has not taken a byte for longest is let go. */
static void on_queued(void *ctx, struct http_connection *connection)
{
    struct admin_http *http = ctx;
    for (;;) {
        size_t unsent = 0;
        struct http_connection *slowest = NULL;
        for (size_t i = 0; i < http->count; i++) {
            struct http_connection *c = http->connections[i];
            unsent += http_connection_unsent(c);
            if (c != connection && http_connection_unsent(c) > 0 &&
                (slowest == NULL ||
                 http_gives_way(http_connection_claim(c), http_connection_claim(slowest))))
                slowest = c;
        }
        if (unsent <= UNSENT_CEILING || slowest == NULL)
            return;
        metric_add(http->refused[HTTP_REFUSED_SLOW_READER], 1);
        http_connection_end(slowest);
    }
}

static void take(struct admin_http *http, int fd, const struct sockaddr *address)
{
    struct http_peer peer = http_peer_of(address);
    int size = SEND_BUFFER;
    make_room(http, &peer);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    struct http_connection *c = http_connection_create(fd, &peer, &http->service);
    http->connections[http->count++] = c;
    http_connection_begin(c);
}

static void on_connections(evutil_socket_t fd, short what, void *ctx)
{
    struct admin_http *http = ctx;
    (void)what;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage address;
        socklen_t n = sizeof address;
        int peer = accept4(fd, (struct sockaddr *)&address, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer >= 0) {
            take(http, peer, (const struct sockaddr *)&address);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The connection stays in the backlog: without a pause the loop would spin. */
            struct timeval pause = {.tv_usec = ACCEPT_AGAIN_MS * MS_US};
            event_del(http->listener);
            event_add(http->again, &pause);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
    struct admin_http *http = ctx;
    (void)fd;
    (void)what;
    event_add(http->listener, NULL);
}

/* ---- listening ---------------------------------------------------------------------------- */

/* A numeric address, so that no name has to be looked up. 0 if it is none. */
static socklen_t read_address(const char *text, uint16_t port, struct sockaddr_storage *storage)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(storage, &v4, sizeof v4);
        return sizeof v4;
    }
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(storage, &v6, sizeof v6);
        return sizeof v6;
    }
    return 0;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    socklen_t n = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &n) != 0)
        return 0;
    memcpy(&v4, &storage, sizeof v4);
    memcpy(&v6, &storage, sizeof v6);
    return ntohs(storage.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
}

/* A listening socket, -1 with err set. */
static int open_socket(const char *address, uint16_t port, struct error *err)
{
    struct sockaddr_storage storage = {0};
    int on = 1;
    socklen_t n = read_address(address, port, &storage);
    if (n == 0) {
        (void)error_set(err, "\"%s\" is not a numeric IP address", address);
        (void)error_hint(err, "Use an address such as 127.0.0.1 or ::1 for the HTTP endpoint.");
        return -1;
    }
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (struct sockaddr *)&storage, n) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int code = errno;
    if (fd >= 0)
        (void)close(fd);
    (void)error_set(err, "the HTTP endpoint cannot listen on %s port %u", address, port);
    (void)error_detail(err, "%s", strerror(code));
    (void)error_hint(err, code == EADDRINUSE ? "Choose another port, or 0 for any free one."
                                             : "Check the address and port of the HTTP endpoint.");
    return -1;
}

static void register_metrics(struct admin_http *http)
{
    static const char *const reasons[HTTP_REFUSALS] = {
        [HTTP_REFUSED_MALFORMED] = "reason=\"malformed\"",
        [HTTP_REFUSED_TOO_LARGE] = "reason=\"too_large\"",
        [HTTP_REFUSED_METHOD] = "reason=\"method\"",
        [HTTP_REFUSED_HOST] = "reason=\"host\"",
        [HTTP_REFUSED_SLOW_REQUEST] = "reason=\"slow_request\"",
        [HTTP_REFUSED_SLOW_READER] = "reason=\"slow_reader\"",
        [HTTP_REFUSED_CROWDED] = "reason=\"crowded\"",
    };
    struct metrics *metrics = http->metrics;
    http->requests = metric_counter(metrics, "holdfast_http_requests_total",
                                    "Requests to the node's HTTP port that were read whole", NULL);
    http->open = metric_gauge(metrics, "holdfast_http_connections",
                              "Open connections to the node's HTTP port", NULL);
    for (int i = 0; i < HTTP_REFUSALS; i++)
        http->refused[i] = metric_counter(
            metrics, "holdfast_http_refused_total",
            "Requests and connections that the node's HTTP port has turned away", reasons[i]);
}

static struct http_service service_of(struct admin_http *http, struct event_base *base)
{
    const struct admin_http_limits *limits = &http->config.limits;
    return (struct http_service){.ctx = http,
                                 .base = base,
                                 .patience = {.head_us = limits->head_ms * MS_US,
                                              .idle_us = limits->idle_ms * MS_US,
                                              .stall_us = limits->stall_ms * MS_US,
                                              .request_us = limits->request_ms * MS_US},
                                 .answer = on_request,
                                 .refused = on_refused,
                                 .queued = on_queued,
                                 .ended = on_ended};
}

struct admin_http *admin_http_start(struct event_base *base, const struct admin_http_config *config,
                                    struct metrics *metrics, struct admin_http_handlers handlers,
                                    struct error *err)
{
    int fd = open_socket(config->address, config->port, err);
    if (fd < 0)
        return NULL;
    struct admin_http *http = xcalloc(1, sizeof *http);
    *http = (struct admin_http){
        .metrics = metrics, .handlers = handlers, .config = *config, .fd = fd, .port = port_of(fd)};
    http->service = service_of(http, base);
    if (config->page_policy != NULL)
        http->page_headers = xasprintf("Content-Security-Policy: %s\r\n", config->page_policy);
    http->connections = xcalloc((size_t)config->limits.connections, sizeof *http->connections);
    register_metrics(http);
    http->listener = event_new(base, fd, EV_READ | EV_PERSIST, on_connections, http);
    http->again = evtimer_new(base, on_again, http);
    event_add(http->listener, NULL);
    return http;
}

uint16_t admin_http_port(const struct admin_http *http)
{
    return http->port;
}

void admin_http_stop(struct admin_http *http)
{
    if (http == NULL)
        return;
    while (http->count > 0)
        http_connection_end(http->connections[http->count - 1]);
    event_free(http->listener);
    event_free(http->again);
    (void)close(http->fd);
    free(http->connections);
    free(http->page_headers);
    free(http);
}
