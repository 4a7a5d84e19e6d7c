#include "hub/connection.h"

#include "base/clock.h"
#include "base/memory.h"
#include "hub/links.h"
#include "hub/reader.h"
#include "hub/sasl.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <proton/connection.h>
#include <proton/session.h>
#include <proton/transport.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <utlist.h>

enum {
    MAX_FRAME = 65536,        /* as the service: also what one read takes */
    CHANNEL_MAX = 4999,       /* as the service */
    IDLE_TIMEOUT_MS = 240000, /* Proton tells the peer half of it, 120 s, as the service does */
    SOCKET_BUFFER = 4 << 20,
    CLOSE_PATIENCE_S = 5, /* for the answer to a close */
    TOKEN_PATIENCE_S = 20 /* for the first token of a connection */
};

/* `politely`: TLS says that it ends here. */
static void release(struct connection *c, bool politely)
{
    links_release(c, NULL);
    DL_DELETE(c->hub->connections, c);
    event_free(c->readable);
    event_free(c->writable);
    event_free(c->turn);
    event_free(c->later);
    stream_close(&c->stream, politely);
    pn_connection_driver_destroy(&c->driver);
    buffer_free(&c->input);
    authority_free(&c->access);
    free(c);
}

static void open_connection(struct connection *c)
{
    char container[48];
    (void)snprintf(container, sizeof container, "%s_G0", c->hub->instance);
    pn_connection_set_container(c->driver.connection, container);
    pn_connection_open(c->driver.connection);
}

static void close_session(struct connection *c, pn_session_t *session)
{
    links_release(c, session);
    pn_session_close(session);
    pn_session_free(session);
}

static void handle(struct connection *c, pn_event_t *event)
{
    switch (pn_event_type(event)) {
    case PN_CONNECTION_REMOTE_OPEN:
        open_connection(c);
        break;
    case PN_CONNECTION_REMOTE_CLOSE:
        pn_connection_close(c->driver.connection);
        break;
    case PN_SESSION_REMOTE_OPEN:
        pn_session_open(pn_event_session(event));
        break;
    case PN_SESSION_REMOTE_CLOSE:
        close_session(c, pn_event_session(event));
        break;
    case PN_TRANSPORT_ERROR: {
        pn_condition_t *condition = pn_transport_condition(c->driver.transport);
        const char *text = pn_condition_get_description(condition);
        log_debug(c->hub->log, "connection failed", F_TEXT("reason", text ? text : "unknown"));
        break;
    }
    default:
        if (c->closing_us == 0)
            links_handle(c, event);
    }
}

static void dispatch(struct connection *c)
{
    pn_event_t *event;
    while ((event = pn_connection_driver_next_event(&c->driver)) != NULL)
        handle(c, event);
}

/* Hands Proton these bytes. */
static void feed(struct connection *c, struct slice bytes)
{
    while (bytes.n > 0) {
        pn_rwbytes_t room = pn_connection_driver_read_buffer_sized(&c->driver, bytes.n);
        if (room.size == 0)
            return; /* closed: what still comes is nobody's */
        size_t n = room.size < bytes.n ? room.size : bytes.n;
        memcpy(room.start, bytes.p, n);
        pn_connection_driver_read_done(&c->driver, n);
        dispatch(c);
        bytes = (struct slice){bytes.p + n, bytes.n - n};
    }
}

/* Handles the whole frames that have come in, one by one. False when the peer talks nonsense. */
static bool feed_frames(struct connection *c)
{
    struct slice rest = buffer_slice(&c->input);
    size_t n;
    while ((n = frame_size(rest)) > 0) {
        if (n > FRAME_CEILING)
            return false;
        struct slice bytes = {rest.p, n};
        c->frame = frame_peek(bytes);
        feed(c, bytes);
        rest = (struct slice){rest.p + n, rest.n - n};
    }
    buffer_drop(&c->input, c->input.n - rest.n);
    return true;
}

/* Writes what Proton has ready. False when the socket is broken. */
static bool flush(struct connection *c)
{
    for (;;) {
        pn_bytes_t ready = pn_connection_driver_write_buffer(&c->driver);
        if (ready.size == 0)
            break;
        ssize_t n = stream_write(&c->stream, (struct slice){ready.start, ready.size});
        if (n < 0)
            return false;
        if (n == 0) {
            c->blocked = true;
            return c->stream.wants_read || event_add(c->writable, NULL) == 0;
        }
        pn_connection_driver_write_done(&c->driver, (size_t)n);
    }
    c->blocked = false;
    return true;
}

/* One turn. May release the connection. */
static void serve(struct connection *c)
{
    bool more = false;
    dispatch(c);
    bool pump = !c->blocked && clock_now_us() >= c->hub->faults.stall_till;
    if (pump)
        more = readers_pump(c);
    bool ok = flush(c);
    dispatch(c);
    bool closed = pn_connection_driver_write_closed(&c->driver);
    if (ok && closed && c->closing_us > 0 && !pn_connection_driver_read_closed(&c->driver)) {
        /* Closing the socket over unread bytes would take our close away from the client. */
        stream_finish(&c->stream);
        return;
    }
    if (!ok || closed || pn_connection_driver_finished(&c->driver)) {
        release(c, ok);
        return;
    }
    if ((more || (pump && readers_released(c))) && !c->blocked)
        connection_schedule(c);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    serve(arg);
}

static void fail(struct connection *c, const char *otherwise)
{
    char reason[256];
    (void)stream_reason(reason, sizeof reason);
    log_debug(c->hub->log, "connection dropped", F_TEXT("reason", *reason ? reason : otherwise));
    release(c, false);
}

/* Reads what has come and handles it. False when the connection is gone. */
static bool take(struct connection *c)
{
    ssize_t n;
    do {
        char *to = buffer_reserve(&c->input, MAX_FRAME);
        n = to == NULL ? -1 : stream_read(&c->stream, to, MAX_FRAME);
        if (n < 0) {
            fail(c, "the client went away");
            return false;
        }
        c->input.n += (size_t)n;
        if (!feed_frames(c)) {
            fail(c, "no AMQP frame");
            return false;
        }
    } while (n > 0 && stream_pending(&c->stream));
    if (c->stream.wants_write)
        (void)event_add(c->writable, NULL);
    return true;
}

static void read_and_serve(struct connection *c)
{
    if (!take(c))
        return;
    if (c->stream.wants_read)
        c->blocked = false; /* what the write waited for may have come */
    serve(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct connection *c = arg;
    int64_t us = c->hub->faults.latency_us;
    if (us > 0) {
        struct timeval wait = {us / SECOND_US, us % SECOND_US};
        (void)event_del(c->readable);
        (void)evtimer_add(c->later, &wait);
    } else {
        read_and_serve(c);
    }
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct connection *c = arg;
    (void)event_add(c->readable, NULL);
    read_and_serve(c);
}
static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct connection *c = arg;
    c->blocked = false;
    if (!c->stream.wants_write || take(c))
        serve(c);
}

static void set_socket_options(int fd)
{
    int on = 1;
    int size = SOCKET_BUFFER;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

void connection_accept(struct hub *hub, int fd, long port, SSL_CTX *tls)
{
    struct connection *c = xcalloc(1, sizeof *c);
    c->hub = hub;
    c->port = port;
    stream_open(&c->stream, fd, tls);
    c->accepted_us = clock_now_us();
    buffer_init(&c->input, FRAME_CEILING + MAX_FRAME);
    set_socket_options(fd);
    if (pn_connection_driver_init(&c->driver, NULL, NULL) != 0)
        abort();
    pn_transport_t *transport = c->driver.transport;
    pn_transport_set_server(transport);
    sasl_serve_anonymous(transport, settings_text(&hub->options.settings, SETTING_MECHANISMS));
    pn_transport_set_max_frame(transport, MAX_FRAME);
    pn_transport_set_channel_max(transport, CHANNEL_MAX);
    pn_transport_set_idle_timeout(transport, IDLE_TIMEOUT_MS);
    (void)pn_connection_driver_bind(&c->driver);
    c->readable = event_new(hub->loop, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(hub->loop, fd, EV_WRITE, on_writable, c);
    c->turn = evtimer_new(hub->loop, on_turn, c);
    c->later = evtimer_new(hub->loop, on_later, c);
    if (c->readable == NULL || c->writable == NULL || c->turn == NULL || c->later == NULL)
        abort();
    (void)event_add(c->readable, NULL);
    DL_APPEND(hub->connections, c);
    hub->connected++;
}

void connection_schedule(struct connection *c)
{
    static const struct timeval at_once = {0, 0};
    if (!event_pending(c->turn, EV_TIMEOUT, NULL))
        (void)evtimer_add(c->turn, &at_once);
}

void connection_schedule_all(struct hub *hub)
{
    struct connection *c;
    DL_FOREACH(hub->connections, c)
    {
        connection_schedule(c);
    }
}

void connection_tick_all(struct hub *hub)
{
    int64_t now_us = clock_now_us();
    struct connection *c;
    struct connection *next;
    DL_FOREACH_SAFE(hub->connections, c, next)
    {
        (void)pn_transport_tick(c->driver.transport, now_us / MS_US);
        if (hub->options.key != NULL && c->access.grants == NULL &&
            now_us - c->accepted_us > TOKEN_PATIENCE_S * SECOND_US) {
            log_debug(hub->log, "connection dropped", F_TEXT("reason", "no token in time"));
            release(c, true);
            continue;
        }
        if (c->closing_us > 0 && now_us - c->closing_us > CLOSE_PATIENCE_S * SECOND_US) {
            release(c, true);
            continue;
        }
        links_expire(c);
        serve(c);
    }
}

void connection_close_all(struct hub *hub, const char *condition, const char *text)
{
    struct connection *c;
    DL_FOREACH(hub->connections, c)
    {
        pn_condition_t *why = pn_connection_condition(c->driver.connection);
        (void)pn_condition_set_name(why, condition);
        (void)pn_condition_set_description(why, text);
        links_release(c, NULL);
        c->closing_us = clock_now_us();
        pn_connection_close(c->driver.connection);
        connection_schedule(c);
    }
}

void connection_drop_all(struct hub *hub)
{
    struct connection *c;
    struct connection *next;
    DL_FOREACH_SAFE(hub->connections, c, next)
    {
        release(c, false);
    }
}
