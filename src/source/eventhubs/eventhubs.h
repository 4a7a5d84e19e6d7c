#pragma once
#include "source/source.h"

struct event_base;
struct evdns_base;

/* Opens an Event Hubs-compatible endpoint (the built-in endpoint of an Azure IoT Hub) as a
 * source: AMQP 1.0 over TLS, or over plain TCP to local endpoints (UseDevelopmentEmulator=true).
 *
 * Returns at once; the first callback is `metadata`, `up` or `down`. NULL, with error and hint,
 * when the connection string or the configuration makes no sense; the key is never echoed.
 * `dns` may be NULL if the endpoint is a numeric address. `ctx` is handed to every callback. */
struct source *eventhubs_open(struct event_base *base, struct evdns_base *dns,
                              const struct source_config *config, struct source_handlers handlers,
                              void *ctx, struct error *err);
