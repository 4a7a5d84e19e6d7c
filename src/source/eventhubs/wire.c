#include "source/eventhubs/wire.h"

#include "base/clock.h"
#include "base/memory.h"
#include "source/eventhubs/attach_patch.h"
#include "source/eventhubs/conditions.h"
#include "source/eventhubs/dial.h"
#include "source/eventhubs/limits.h"
#include "source/eventhubs/proxy.h"
#include "source/eventhubs/sasl_anonymous.h"
#include "source/eventhubs/tls.h"

#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/connection_driver.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/transport.h>

#include <event2/event.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Asked for on every reader's link: messages then say how long the partition's log is. */
static const char RUNTIME_METRIC[] = "com.microsoft:enable-receiver-runtime-metric";

#define OUTPUT_BYTES (1u << 20)

struct wire {
    struct wire_handlers handlers;
    struct event_base *base;
    struct dial *dial; /* while connecting */
    char *host;
    char *place; /* host:port, for messages */
    uint16_t port;
    bool through_proxy;
    struct proxy *proxy; /* while it is asked */
    struct tls_trust *trust;
    struct tls *tls;  /* NULL: plain TCP */
    bool handshaking; /* with proxy or TLS: nothing of AMQP is said or heard yet */
    bool unread;      /* TLS may hold bytes that no socket event tells of */
    pn_connection_driver_t driver;
    int fd;
    struct event *readable;
    struct event *writable;
    struct event *soon; /* another turn, after the loop has looked at the others */
    struct event *tick;
    struct buffer raw; /* what Proton wrote, up to the last whole frame */
    struct buffer out; /* what the socket is to get */
    bool failed;
    bool tail_closed;
    enum source_end end;
    struct error why;
    unsigned spent;
    int64_t turn_ends_us;
};

pn_connection_t *wire_connection(struct wire *wire)
{
    return wire->driver.connection;
}

void wire_wake(struct wire *wire)
{
    /* A timer of zero and not event_active: active events of one priority run until none is
     * left, before the loop polls again, so that an event which activates itself starves the
     * rest. */
    static const struct timeval now = {0, 0};
    if (!evtimer_pending(wire->soon, NULL))
        (void)evtimer_add(wire->soon, &now);
}

bool wire_has_budget(const struct wire *wire)
{
    return wire->spent < EVENTHUBS_TURN_MESSAGES;
}

bool wire_spend(struct wire *wire)
{
    wire->spent++;
    if (wire->spent % 32 == 0 && clock_now_us() >= wire->turn_ends_us)
        wire->spent = EVENTHUBS_TURN_MESSAGES;
    return wire_has_budget(wire);
}

void wire_fail(struct wire *wire, enum source_end end, const struct error *why)
{
    if (wire->failed)
        return;
    wire->failed = true;
    wire->end = end;
    wire->why = *why;
    wire_wake(wire);
}

/* The peer, or Proton in its name, has ended the connection for a reason. */
static void fail_for(struct wire *wire, pn_condition_t *condition)
{
    char what[192];
    (void)snprintf(what, sizeof what, "the connection to the hub at %s has ended", wire->place);
    struct error why;
    enum source_end end =
        condition_explain(what, slice_from(pn_condition_get_name(condition)),
                          slice_from(pn_condition_get_description(condition)), &why);
    /* Stolen and the like make sense for a reader only. */
    if (end != SOURCE_END_REFUSED && end != SOURCE_END_NOT_FOUND && end != SOURCE_END_BUSY)
        end = SOURCE_END_LOST;
    wire_fail(wire, end, &why);
}

static void fail_errno(struct wire *wire, const char *what, int error)
{
    struct error why;
    error_set(&why, "the connection to the hub at %s has ended", wire->place);
    error_detail(&why, "%s: %s", what, strerror(error));
    error_hint(&why, "The node connects again by itself. Is the hub up, and the network?");
    wire_fail(wire, SOURCE_END_LOST, &why);
}

static struct wire_link *listener(pn_event_t *event)
{
    pn_link_t *link = pn_event_link(event);
    if (link != NULL)
        return pn_link_get_context(link);
    pn_session_t *session = pn_event_session(event);
    return session ? pn_session_get_context(session) : NULL;
}

static void tick_now(struct wire *wire)
{
    static const struct timeval now = {0, 0};
    (void)evtimer_add(wire->tick, &now);
}

static void dispatch(struct wire *wire, pn_event_t *event)
{
    pn_event_type_t type = pn_event_type(event);
    switch (type) {
    case PN_CONNECTION_REMOTE_OPEN:
        tick_now(wire); /* only now is the peer's idle time-out known */
        wire->handlers.opened(wire->handlers.ctx);
        break;
    case PN_CONNECTION_REMOTE_CLOSE:
        fail_for(wire, pn_connection_remote_condition(wire->driver.connection));
        break;
    case PN_TRANSPORT_ERROR:
        fail_for(wire, pn_transport_condition(wire->driver.transport));
        break;
    case PN_TRANSPORT_TAIL_CLOSED:
        wire->tail_closed = true;
        break;
    case PN_DELIVERY:
    case PN_LINK_REMOTE_OPEN:
    case PN_LINK_REMOTE_CLOSE:
    case PN_LINK_REMOTE_DETACH:
    case PN_SESSION_REMOTE_CLOSE: {
        struct wire_link *link = listener(event);
        if (link != NULL)
            link->event(link, type);
        break;
    }
    default:
        break;
    }
}

/* False when the turn is over before the events are. */
static bool dispatch_all(struct wire *wire)
{
    while (!wire->failed) {
        if (!wire_has_budget(wire))
            return false;
        pn_event_t *event = pn_connection_driver_next_event(&wire->driver);
        if (event == NULL)
            break;
        dispatch(wire, event);
    }
    return true;
}

/* Reads once. False when there is nothing more to read now. */
static bool receive(struct wire *wire)
{
    pn_rwbytes_t to = pn_connection_driver_read_buffer_sized(&wire->driver, EVENTHUBS_READ_BYTES);
    if (to.size == 0)
        return false;
    ssize_t n = wire->tls ? tls_receive(wire->tls, to.start, to.size)
                          : recv(wire->fd, to.start, to.size, 0);
    wire->unread = wire->tls != NULL && n > 0;
    if (n > 0) {
        pn_connection_driver_read_done(&wire->driver, (size_t)n);
        return wire->unread || (size_t)n == to.size;
    }
    /* All that was said before has been heard: events are dispatched before each read. */
    if (n == 0)
        fail_errno(wire, "closed by the peer", ECONNRESET);
    else if (errno != EAGAIN && errno != EINTR)
        fail_errno(wire, "read", errno);
    else if (wire->tls != NULL && tls_wants_write(wire->tls))
        (void)event_add(wire->writable, NULL);
    return false;
}

/* Moves what Proton has to say into `out`. */
static void collect_output(struct wire *wire)
{
    pn_bytes_t more = pn_connection_driver_write_buffer(&wire->driver);
    while (more.size > 0 && wire->out.n < OUTPUT_BYTES / 2) {
        bool ok = buffer_append(&wire->raw, more.start, more.size);
        size_t taken =
            ok ? attach_patch(buffer_slice(&wire->raw), RUNTIME_METRIC, &wire->out, &ok) : 0;
        if (!ok) {
            fail_errno(wire, "write", ENOBUFS);
            return;
        }
        buffer_drop(&wire->raw, taken);
        (void)pn_connection_driver_write_done(&wire->driver, more.size);
        more = pn_connection_driver_write_buffer(&wire->driver);
    }
}

static void send_output(struct wire *wire)
{
    collect_output(wire);
    while (wire->out.n > 0) {
        ssize_t n = wire->tls ? tls_send(wire->tls, wire->out.data, wire->out.n)
                              : send(wire->fd, wire->out.data, wire->out.n, MSG_NOSIGNAL);
        if (n <= 0) {
            if (n == 0)
                fail_errno(wire, "closed by the peer", ECONNRESET);
            else if (errno == EAGAIN || errno == EINTR)
                (void)event_add(wire->writable, NULL);
            else
                fail_errno(wire, "write", errno);
            return;
        }
        buffer_drop(&wire->out, (size_t)n);
        collect_output(wire);
    }
}

/* Proton's own end, when nobody said why. */
static void check_finished(struct wire *wire)
{
    bool drained = !pn_connection_driver_has_event(&wire->driver);
    if (!wire->failed && drained &&
        (wire->tail_closed || pn_connection_driver_finished(&wire->driver)))
        fail_errno(wire, "read", ECONNRESET);
}

static void begin_amqp(struct wire *wire)
{
    wire->handshaking = false;
    wire->unread = wire->tls != NULL; /* the peer may have spoken along with its last step */
    pn_connection_open(wire->driver.connection);
}

/* The socket leads to the hub. */
static void begin_tls(struct wire *wire)
{
    if (wire->trust != NULL)
        wire->tls = tls_open(wire->trust, wire->fd, wire->host);
    else
        begin_amqp(wire);
}

static void ask_proxy(struct wire *wire)
{
    struct error why;
    switch (proxy_advance(wire->proxy, &why)) {
    case PROXY_READY:
        proxy_free(wire->proxy);
        wire->proxy = NULL;
        begin_tls(wire);
        break;
    case PROXY_WANTS_READ:
        break;
    case PROXY_WANTS_WRITE:
        (void)event_add(wire->writable, NULL);
        break;
    case PROXY_REFUSED:
        wire_fail(wire, SOURCE_END_REFUSED, &why);
        break;
    case PROXY_FAILED:
        wire_fail(wire, SOURCE_END_LOST, &why);
        break;
    }
}

static void shake_hands(struct wire *wire)
{
    struct error why;
    switch (tls_handshake(wire->tls, &why)) {
    case TLS_READY:
        begin_amqp(wire);
        break;
    case TLS_WANTS_READ:
        break;
    case TLS_WANTS_WRITE:
        (void)event_add(wire->writable, NULL);
        break;
    case TLS_UNTRUSTED:
        wire_fail(wire, SOURCE_END_REFUSED, &why);
        break;
    case TLS_FAILED:
        wire_fail(wire, SOURCE_END_LOST, &why);
        break;
    }
}

static void run_turn(struct wire *wire, bool readable)
{
    if (wire->proxy != NULL && !wire->failed)
        ask_proxy(wire);
    if (wire->proxy == NULL && wire->handshaking && !wire->failed)
        shake_hands(wire);
    readable = (readable || wire->unread) && !wire->handshaking;
    wire->spent = 0;
    wire->turn_ends_us = clock_now_us() + EVENTHUBS_TURN_US;
    bool more = !dispatch_all(wire);
    while (readable && !more && !wire->failed) {
        readable = receive(wire);
        more = !dispatch_all(wire);
    }
    if (!wire->failed)
        more = wire->handlers.turn(wire->handlers.ctx) || more;
    if (wire->fd >= 0 && !wire->handshaking)
        send_output(wire);
    if (!wire->failed && dispatch_all(wire))
        check_finished(wire);
    if (wire->failed) {
        wire->handlers.closed(wire->handlers.ctx, wire->end, &wire->why);
        return;
    }
    if (more || wire->unread || pn_connection_driver_has_event(&wire->driver))
        wire_wake(wire);
}

static void on_socket(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    struct wire *wire = ctx;
    /* TLS may have waited to write before it could read. */
    run_turn(wire, (what & EV_READ) != 0 || wire->tls != NULL);
}

static void on_soon(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    run_turn(ctx, false);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct wire *wire = ctx;
    int64_t now_ms = clock_now_us() / MS_US;
    int64_t next_ms = pn_transport_tick(wire->driver.transport, now_ms);
    int64_t wait_ms = next_ms > 0 ? next_ms - now_ms : 1000;
    wait_ms = wait_ms < 10 ? 10 : wait_ms > 1000 ? 1000 : wait_ms;
    struct timeval wait = {wait_ms / 1000, (wait_ms % 1000) * 1000};
    (void)evtimer_add(wire->tick, &wait);
    run_turn(wire, false);
}

static void on_dialed(void *ctx, int fd, const struct error *why)
{
    struct wire *wire = ctx;
    dial_free(wire->dial);
    wire->dial = NULL;
    if (fd < 0) {
        wire_fail(wire, SOURCE_END_LOST, why);
        return;
    }
    wire->fd = fd;
    wire->readable = event_new(wire->base, fd, EV_READ | EV_PERSIST, on_socket, wire);
    wire->writable = event_new(wire->base, fd, EV_WRITE, on_socket, wire);
    (void)event_add(wire->readable, NULL);
    wire->handshaking = true;
    if (wire->through_proxy)
        wire->proxy = proxy_open(fd, wire->host, wire->port);
    else
        begin_tls(wire);
    tick_now(wire);
}

struct wire *wire_open(struct event_base *base, struct evdns_base *dns,
                       const struct wire_config *config, struct wire_handlers handlers)
{
    struct wire *wire = xcalloc(1, sizeof *wire);
    wire->handlers = handlers;
    wire->base = base;
    wire->fd = -1;
    wire->trust = config->trust;
    wire->host = xstrdup(config->host);
    wire->place = xasprintf("%s:%u", config->host, config->port);
    buffer_init(&wire->raw, OUTPUT_BYTES);
    buffer_init(&wire->out, OUTPUT_BYTES);
    wire->soon = evtimer_new(base, on_soon, wire);
    wire->tick = evtimer_new(base, on_tick, wire);
    (void)pn_connection_driver_init(&wire->driver, NULL, NULL);
    pn_connection_set_container(wire->driver.connection, config->container);
    pn_connection_set_hostname(wire->driver.connection, config->host);
    pn_transport_t *transport = wire->driver.transport;
    sasl_anonymous(transport);
    pn_transport_set_max_frame(transport, config->max_frame);
    pn_transport_set_idle_timeout(transport, config->idle_ms);
    (void)pn_connection_driver_bind(&wire->driver);
    wire->port = config->port;
    wire->through_proxy = config->proxy_host != NULL;
    wire->dial =
        wire->through_proxy
            ? dial_start(base, dns, config->proxy_host, config->proxy_port, on_dialed, wire)
            : dial_start(base, dns, config->host, config->port, on_dialed, wire);
    return wire;
}

static void free_event(struct event *event)
{
    if (event != NULL)
        event_free(event);
}

void wire_free(struct wire *wire)
{
    if (wire->fd >= 0 && !wire->failed && !wire->handshaking) {
        pn_connection_close(wire->driver.connection);
        send_output(wire);
        if (wire->tls != NULL)
            tls_goodbye(wire->tls);
    }
    proxy_free(wire->proxy);
    tls_free(wire->tls);
    dial_free(wire->dial);
    free_event(wire->readable);
    free_event(wire->writable);
    free_event(wire->soon);
    free_event(wire->tick);
    if (wire->fd >= 0)
        (void)close(wire->fd);
    pn_connection_driver_destroy(&wire->driver);
    buffer_free(&wire->raw);
    buffer_free(&wire->out);
    free(wire->host);
    free(wire->place);
    free(wire);
}
