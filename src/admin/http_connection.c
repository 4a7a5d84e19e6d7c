#include "admin/http_connection.h"

#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BODY_CEILING = 16 * 1024 * 1024,
    HEADERS_CEILING = 4 * 1024,
    LINGER_MS = 1000, /* for the peer to take a last answer */
    LINGER_BYTES = 256 * 1024,
};

enum state { READING, WRITING, LINGERING };

struct http_connection {
    const struct http_service *service;
    struct http_peer peer;
    int fd;
    enum state state;
    struct event *reader, *writer;
    struct buffer in;   /* of requests that are not answered yet */
    struct buffer out;  /* the answer */
    size_t sent;        /* of it */
    bool keep;          /* another request may follow the answer */
    bool served;        /* at least one request was answered */
    int64_t since_us;   /* in this state */
    int64_t request_us; /* the first byte of the request came; 0: none has */
    size_t discarded;
};

static void on_readable(evutil_socket_t fd, short what, void *ctx);
static void on_writable(evutil_socket_t fd, short what, void *ctx);

/* ---- life --------------------------------------------------------------------------------- */

struct http_connection *http_connection_create(int fd, const struct http_peer *peer,
                                               const struct http_service *service)
{
    struct http_connection *c = xcalloc(1, sizeof *c);
    *c = (struct http_connection){
        .service = service, .peer = *peer, .fd = fd, .since_us = clock_now_us()};
    c->reader = event_new(service->base, fd, EV_READ, on_readable, c);
    c->writer = event_new(service->base, fd, EV_WRITE, on_writable, c);
    buffer_init(&c->in, HTTP_HEAD_CEILING);
    buffer_init(&c->out, BODY_CEILING + HEADERS_CEILING);
    return c;
}

void http_connection_end(struct http_connection *c)
{
    /* What the peer does not take is not kept for it by the system either. */
    struct linger none = {.l_onoff = 1};
    if (c->state == WRITING)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    c->service->ended(c->service->ctx, c);
    event_free(c->reader);
    event_free(c->writer);
    (void)close(c->fd);
    buffer_free(&c->in);
    buffer_free(&c->out);
    free(c);
}

const struct http_peer *http_connection_peer(const struct http_connection *c)
{
    return &c->peer;
}

size_t http_connection_unsent(const struct http_connection *c)
{
    return c->out.n - c->sent;
}

static bool is_idle(const struct http_connection *c)
{
    return c->state == READING && c->served && c->in.n == 0;
}

struct http_claim http_connection_claim(const struct http_connection *c)
{
    int rank = is_idle(c) || c->state == LINGERING ? 0 : c->state == READING ? 1 : 2;
    return (struct http_claim){rank, c->since_us};
}

bool http_gives_way(struct http_claim a, struct http_claim b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.since_us < b.since_us;
}

/* ---- waiting ------------------------------------------------------------------------------ */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t deadline_us(const struct http_connection *c)
{
    const struct http_patience *patience = &c->service->patience;
    switch (c->state) {
    case READING:
        if (is_idle(c))
            return c->since_us + patience->idle_us;
        return (c->request_us != 0 ? c->request_us : c->since_us) + patience->head_us;
    case WRITING:
        return earlier(c->since_us + patience->stall_us, c->request_us + patience->request_us);
    case LINGERING:
        break;
    }
    return c->since_us + LINGER_MS * MS_US;
}

static void wait_for(struct http_connection *c, struct event *event)
{
    int64_t left = deadline_us(c) - clock_now_us();
    if (left < 0)
        left = 0;
    struct timeval timeout = {.tv_sec = left / SECOND_US, .tv_usec = left % SECOND_US};
    event_add(event, &timeout);
}

static void enter(struct http_connection *c, enum state state)
{
    c->state = state;
    c->since_us = clock_now_us();
}

/* Ends it politely: what was sent is taken by the peer before a reset could take it away. */
static void linger(struct http_connection *c)
{
    enter(c, LINGERING);
    buffer_free(&c->out);
    c->sent = 0;
    if (shutdown(c->fd, SHUT_WR) != 0)
        http_connection_end(c);
    else
        wait_for(c, c->reader);
}

/* ---- writing ------------------------------------------------------------------------------ */

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

static void put_date(struct buffer *out)
{
    char text[64];
    time_t now = (time_t)(clock_wall_us() / SECOND_US);
    struct tm utc;
    if (gmtime_r(&now, &utc) != NULL &&
        strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc) > 0)
        (void)buffer_append_text(out, text);
}

static void put_answer(struct buffer *out, const struct http_answer *answer, bool head, bool keep)
{
    (void)buffer_printf(out, "HTTP/1.1 %d %s\r\n", answer->status, reason(answer->status));
    put_date(out);
    (void)buffer_printf(out,
                        "Content-Type: %s\r\n"
                        "Content-Length: %zu\r\n"
                        "Connection: %s\r\n"
                        "Cache-Control: no-store\r\n"
                        "X-Content-Type-Options: nosniff\r\n"
                        "X-Frame-Options: DENY\r\n"
                        "Referrer-Policy: no-referrer\r\n"
                        "Cross-Origin-Resource-Policy: same-origin\r\n",
                        answer->type, answer->body.n, keep ? "keep-alive" : "close");
    if (answer->status == 405)
        (void)buffer_append_text(out, "Allow: GET, HEAD\r\n");
    (void)buffer_append_text(out, answer->extra != NULL
                                      ? answer->extra
                                      : "Content-Security-Policy: default-src 'none'; "
                                        "frame-ancestors 'none'\r\n");
    (void)buffer_append_text(out, "\r\n");
    if (!head)
        (void)buffer_append_slice(out, buffer_slice(&answer->body));
}

static void next_request(struct http_connection *c)
{
    buffer_free(&c->out);
    c->sent = 0;
    c->served = true;
    c->request_us = c->in.n > 0 ? clock_now_us() : 0;
    enter(c, READING);
    /* What came with the last request waits for its turn, like everybody. */
    wait_for(c, c->reader);
    if (c->in.n > 0)
        event_active(c->reader, EV_READ, 1);
}

/* Sends what can be sent. The connection may have ended at the return. */
static void write_on(struct http_connection *c)
{
    while (c->sent < c->out.n) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            wait_for(c, c->writer);
            c->service->queued(c->service->ctx, c);
            return;
        }
        if (n < 0) {
            http_connection_end(c);
            return;
        }
        c->sent += (size_t)n;
        c->since_us = clock_now_us();
    }
    if (c->keep)
        next_request(c);
    else
        linger(c);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    struct http_connection *c = ctx;
    (void)fd;
    if ((what & EV_TIMEOUT) != 0 || clock_now_us() >= deadline_us(c)) {
        c->service->refused(c->service->ctx, HTTP_REFUSED_SLOW_READER);
        http_connection_end(c);
        return;
    }
    write_on(c);
}

static void refuse(struct http_connection *c, int status, bool head, const char *why)
{
    struct http_answer answer = {.status = status, .type = "text/plain; charset=utf-8"};
    buffer_init(&answer.body, HEADERS_CEILING);
    (void)buffer_printf(&answer.body, "%s\n", why);
    c->keep = false;
    enter(c, WRITING);
    put_answer(&c->out, &answer, head, false);
    buffer_free(&answer.body);
    write_on(c);
}

/* ---- reading ------------------------------------------------------------------------------ */

static enum http_refusal refusal_of(int status)
{
    return status == 405                                     ? HTTP_REFUSED_METHOD
           : status == 413 || status == 414 || status == 431 ? HTTP_REFUSED_TOO_LARGE
                                                             : HTTP_REFUSED_MALFORMED;
}

static void answer_request(struct http_connection *c, const struct http_request *request)
{
    struct http_answer answer = {.status = 200, .type = "text/plain; charset=utf-8"};
    buffer_init(&answer.body, BODY_CEILING);
    c->service->answer(c->service->ctx, request, &c->peer, &answer);
    c->keep = request->keep;
    put_answer(&c->out, &answer, request->head, c->keep);
    buffer_free(&answer.body);
    buffer_drop(&c->in, request->size);
    enter(c, WRITING);
    write_on(c);
}

/* Answers the request that has come, if one has. The connection may have ended at the return. */
static void serve(struct http_connection *c)
{
    struct http_request request;
    switch (http_request_read(buffer_slice(&c->in), &request)) {
    case HTTP_MORE:
        wait_for(c, c->reader);
        break;
    case HTTP_WHOLE:
        answer_request(c, &request);
        break;
    case HTTP_REFUSED:
        c->service->refused(c->service->ctx, refusal_of(request.status));
        refuse(c, request.status, request.head, request.why);
        break;
    }
}

/* False when the connection has ended. */
static bool read_some(struct http_connection *c)
{
    char discard[4096];
    bool keep = c->state == READING;
    size_t room = keep ? c->in.ceiling - c->in.n : sizeof discard;
    if (room == 0)
        return true;
    void *to = keep ? buffer_reserve(&c->in, room) : discard;
    ssize_t n = recv(c->fd, to, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return true;
    if (n <= 0) {
        http_connection_end(c);
        return false;
    }
    if (!keep) {
        c->discarded += (size_t)n;
        return true;
    }
    if (c->request_us == 0)
        c->request_us = clock_now_us();
    c->in.n += (size_t)n;
    return true;
}

static void read_expired(struct http_connection *c)
{
    if (c->state == READING && c->request_us != 0) {
        c->service->refused(c->service->ctx, HTTP_REFUSED_SLOW_REQUEST);
        refuse(c, 408, false, "the request took too long");
        return;
    }
    if (c->state == READING && !c->served)
        c->service->refused(c->service->ctx, HTTP_REFUSED_SLOW_REQUEST);
    http_connection_end(c);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct http_connection *c = ctx;
    (void)fd;
    (void)what;
    if (!read_some(c))
        return;
    if (c->state == LINGERING) {
        if (c->discarded > LINGER_BYTES || clock_now_us() >= deadline_us(c))
            http_connection_end(c);
        else
            wait_for(c, c->reader);
        return;
    }
    /* Late is late, even when the rest has come while the loop was busy. */
    if (clock_now_us() >= deadline_us(c))
        read_expired(c);
    else
        serve(c);
}

void http_connection_begin(struct http_connection *c)
{
    on_readable(c->fd, EV_READ, c);
}
