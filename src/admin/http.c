#include "admin/http.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PAGE_CEILING = 16 * 1024 * 1024,
    HEADERS_CEILING = 16 * 1024,
    BODY_CEILING = 4 * 1024,
    IDLE_SECONDS = 30,
    BACKLOG = 64,
};

struct admin_http {
    struct evhttp *http;
    struct metrics *metrics;
    struct admin_http_handlers handlers;
    uint16_t port;
};

static const char page_start[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Holdfast</title>\n"
    "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 "
    "1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left}"
    "td{font-variant-numeric:tabular-nums}</style></head><body>\n";

static const char page_end[] = "\n<p><a href=\"/metrics\">metrics</a> <a href=\"/readyz\">ready"
                               "</a> <a href=\"/healthz\">health</a></p></body></html>\n";

/* What one request is answered with. */
struct page {
    int status;
    const char *type;
    struct buffer body;
};

static void put_health(struct admin_http *http, struct page *page)
{
    (void)http;
    (void)buffer_append_text(&page->body, "ok\n");
}

static void put_ready(struct admin_http *http, struct page *page)
{
    struct buffer why;
    buffer_init(&why, HEADERS_CEILING);
    if (http->handlers.ready == NULL || http->handlers.ready(http->handlers.ctx, &why)) {
        (void)buffer_append_text(&page->body, "ready\n");
    } else {
        page->status = HTTP_SERVUNAVAIL;
        (void)buffer_printf(&page->body, "not ready: %s\n", buffer_text(&why));
    }
    buffer_free(&why);
}

static void put_metrics(struct admin_http *http, struct page *page)
{
    page->type = "text/plain; version=0.0.4; charset=utf-8";
    if (http->handlers.before_scrape != NULL)
        http->handlers.before_scrape(http->handlers.ctx);
    if (metrics_write(http->metrics, &page->body))
        return;
    /* Half a scrape would look like counters that are gone. */
    buffer_clear(&page->body);
    page->status = HTTP_INTERNAL;
    (void)buffer_append_text(&page->body, "# the metrics do not fit into one answer\n");
}

static void put_status(struct admin_http *http, struct page *page)
{
    page->type = "text/html; charset=utf-8";
    (void)buffer_append_text(&page->body, page_start);
    if (http->handlers.status != NULL)
        http->handlers.status(http->handlers.ctx, &page->body);
    (void)buffer_append_text(&page->body, page_end);
}

static void send_page(struct evhttp_request *request, const struct page *page)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evbuffer_new();
    if (body == NULL)
        return;
    (void)evhttp_add_header(headers, "Content-Type", page->type);
    (void)evhttp_add_header(headers, "Cache-Control", "no-store");
    (void)evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    (void)evhttp_add_header(headers, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'");
    if (page->status == HTTP_BADMETHOD)
        (void)evhttp_add_header(headers, "Allow", "GET, HEAD");
    (void)evbuffer_add(body, page->body.data, page->body.n);
    evhttp_send_reply(request, page->status, NULL, body);
    evbuffer_free(body);
}

static void on_request(struct evhttp_request *request, void *context)
{
    static const struct {
        const char *path;
        void (*put)(struct admin_http *http, struct page *page);
    } routes[] = {
        {"/healthz", put_health},
        {"/readyz", put_ready},
        {"/metrics", put_metrics},
        {"/", put_status},
    };
    struct page page = {.status = HTTP_NOTFOUND, .type = "text/plain; charset=utf-8"};
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    buffer_init(&page.body, PAGE_CEILING);
    if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        page.status = HTTP_BADMETHOD;
    } else {
        for (size_t i = 0; path != NULL && i < sizeof routes / sizeof routes[0]; i++)
            if (strcmp(path, routes[i].path) == 0) {
                page.status = HTTP_OK;
                routes[i].put(context, &page);
            }
    }
    if (page.status == HTTP_NOTFOUND || page.status == HTTP_BADMETHOD)
        (void)buffer_append_text(&page.body, page.status == HTTP_NOTFOUND ? "not found\n"
                                                                          : "GET or HEAD only\n");
    send_page(request, &page);
    buffer_free(&page.body);
}

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

struct admin_http *admin_http_start(struct event_base *base, const char *address, uint16_t port,
                                    struct metrics *metrics, struct admin_http_handlers handlers,
                                    struct error *err)
{
    int fd = open_socket(address, port, err);
    if (fd < 0)
        return NULL;
    struct evhttp *http = evhttp_new(base);
    if (http == NULL || evhttp_accept_socket_with_handle(http, fd) == NULL) {
        if (http != NULL)
            evhttp_free(http);
        (void)close(fd);
        (void)error_set(err, "libevent cannot start an HTTP server");
        return NULL;
    }
    evhttp_set_max_headers_size(http, HEADERS_CEILING);
    evhttp_set_max_body_size(http, BODY_CEILING);
    evhttp_set_timeout(http, IDLE_SECONDS);
    struct admin_http *admin = xcalloc(1, sizeof *admin);
    *admin = (struct admin_http){
        .http = http, .metrics = metrics, .handlers = handlers, .port = port_of(fd)};
    evhttp_set_gencb(http, on_request, admin);
    return admin;
}

uint16_t admin_http_port(const struct admin_http *http)
{
    return http->port;
}

void admin_http_stop(struct admin_http *http)
{
    if (http == NULL)
        return;
    evhttp_free(http->http);
    free(http);
}

bool admin_http_escape(struct buffer *html, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        const char *entity = text.p[i] == '&'    ? "&amp;"
                             : text.p[i] == '<'  ? "&lt;"
                             : text.p[i] == '>'  ? "&gt;"
                             : text.p[i] == '"'  ? "&quot;"
                             : text.p[i] == '\'' ? "&#39;"
                                                 : NULL;
        if (entity != NULL)
            (void)buffer_append_text(html, entity);
        else
            (void)buffer_append(html, &text.p[i], 1);
    }
    return !html->overflowed;
}
