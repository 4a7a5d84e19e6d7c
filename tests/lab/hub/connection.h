#pragma once
#include "base/buffer.h"
#include "hub/authority.h"
#include "hub/frame.h"
#include "hub/hub.h"
#include "hub/stream.h"

#include <event2/event.h>
#include <proton/connection_driver.h>

/* One AMQP connection: a socket, Proton's engine between its bytes and the links, and turns. A
 * turn handles what came in, lets the readers send up to a bound, and writes; what is left over
 * waits for the next turn of the loop, so that no connection starves another. */
struct connection {
    struct hub *hub;
    pn_connection_driver_t driver;
    struct stream stream;
    long port; /* the one it came in on */
    struct event *readable;
    struct event *writable;
    struct event *turn;
    struct event *later;     /* when latency is over, what has come is read */
    bool blocked;            /* the socket takes no more for now */
    struct buffer input;     /* bytes that are no whole frame yet */
    struct frame frame;      /* what Proton hides of the frame that is being handled */
    struct reader *readers;  /* in the order of their next turn */
    struct authority access; /* what the tokens of this connection allow */
    int64_t accepted_us;
    int64_t closing_us; /* when the hub began to close it; 0: it did not */
    struct connection *prev;
    struct connection *next;
};

/* Takes over the socket: non-blocking, connected to this port of the hub. With a context it speaks
 * TLS. */
void connection_accept(struct hub *hub, int fd, long port, SSL_CTX *tls);

/* Gives a connection, or all of them, a turn soon: for what happens outside of its own turn. */
void connection_schedule(struct connection *connection);
void connection_schedule_all(struct hub *hub);

/* Once a second: idle time-outs, expired tokens, connections that never brought a token. */
void connection_tick_all(struct hub *hub);

/* Closes all connections with an error, as the service does it: a close, and then the socket once
 * the client has answered. */
void connection_close_all(struct hub *hub, const char *condition, const char *text);

/* Closes all sockets at once, without a word. */
void connection_drop_all(struct hub *hub);
