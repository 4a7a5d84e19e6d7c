#pragma once
#include "source/eventhubs/connection_string.h"
#include "source/eventhubs/wire.h"

#include <stdint.h>

/* Asks an IoT hub for its Event Hubs-compatible endpoint: attached to at a certain address, it
 * answers with a redirect that names it. The endpoint changes when the hub fails over, the name of
 * the hub does not. */

struct discovery;

struct discovery_handlers {
    void *ctx;
    /* The last callback, one of the two; the discovery is to be freed in it, or later. Whoever
     * takes `endpoint` takes its texts too, and leaves an empty one. */
    void (*found)(void *ctx, struct connection_string *endpoint);
    void (*failed)(void *ctx, enum source_end end, const struct error *why);
};

/* Begins to ask. `iot_hub` is borrowed; of `config`, what wire_open says. */
struct discovery *discovery_start(struct event_base *base, struct evdns_base *dns,
                                  const struct wire_config *config,
                                  const struct connection_string *iot_hub,
                                  struct discovery_handlers handlers);
/* Housekeeping: notices that nobody answers. */
void discovery_tick(struct discovery *discovery, int64_t now_us);
/* Gives up, without a callback. NULL is fine. */
void discovery_free(struct discovery *discovery);

/* What a redirect says; a slice without bytes and 0 where it says nothing. */
struct redirect {
    struct slice host;
    struct slice network_host;
    struct slice address; /* amqps://<host>:<port>/<event hub>/[$management] */
    int64_t port;
};

/* The endpoint that a redirect names, with the policy of `iot_hub`. False, with error and hint, if
 * it names none. */
bool discovery_endpoint(const struct redirect *redirect, const struct connection_string *iot_hub,
                        struct connection_string *out, struct error *err);
