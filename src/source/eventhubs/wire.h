#pragma once
#include "base/error.h"
#include "base/log.h"
#include "source/source.h"

#include <proton/event.h>
#include <proton/types.h>
#include <stdbool.h>
#include <stdint.h>

/* One AMQP connection: Proton's engine on a non-blocking socket on the loop, below TLS if wanted.
 * Resolves, connects, reads straight into the engine's buffer, writes, keeps the idle time-outs of
 * both sides, and hands the engine's events on in turns that are bounded, so that the loop never
 * stalls. */

struct wire;
struct tls_trust;
struct event_base;
struct evdns_base;

/* What a link's context, and a session's, points to: who hears its events. */
struct wire_link {
    void (*event)(struct wire_link *self, pn_event_type_t type);
};

struct wire_config {
    const char *host;        /* borrowed for the call only, like the other texts */
    const char *container;   /* our name as an AMQP container */
    struct tls_trust *trust; /* borrowed for the life of the wire; NULL: plain TCP */
    const char *proxy_host;  /* an HTTP proxy that connects on; NULL: none */
    uint16_t proxy_port;
    uint16_t port;
    uint32_t max_frame;
    uint32_t idle_ms; /* silence of the peer that ends the connection */
};

struct wire_handlers {
    void *ctx;
    void (*opened)(void *ctx); /* the peer has answered our open */
    /* At the end of every turn of this connection: the place to grant credit. True asks for
     * another turn soon. */
    bool (*turn)(void *ctx);
    /* The last callback; the wire may be freed in it. */
    void (*closed)(void *ctx, enum source_end end, const struct error *why);
};

/* Begins to connect. Never fails at once: `closed` tells. `dns` may be NULL if the host is a
 * numeric address. */
struct wire *wire_open(struct event_base *base, struct evdns_base *dns,
                       const struct wire_config *config, struct wire_handlers handlers);

pn_connection_t *wire_connection(struct wire *wire);

/* Asks for a turn soon, after something was done to the connection from outside its callbacks. */
void wire_wake(struct wire *wire);

/* Counts one message of work and says whether this turn may do more. */
bool wire_spend(struct wire *wire);
bool wire_has_budget(const struct wire *wire);

/* Ends the connection: `closed` follows with this end and error, from the loop. The first call
 * counts. */
void wire_fail(struct wire *wire, enum source_end end, const struct error *why);

/* Closes politely as far as that does not block, and frees, without a callback. */
void wire_free(struct wire *wire);
