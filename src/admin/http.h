#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/metrics.h"

#include <stdbool.h>
#include <stdint.h>

/* The node's HTTP endpoint on its loop, for people and for Prometheus:
 *   /healthz  200 as long as the loop turns
 *   /readyz   200 if `ready` says so, else 503 with the reason
 *   /metrics  the registry, in text format 0.0.4
 *   /         a plain status page
 * Only GET and HEAD. There is no authentication: the address should be a loopback one. */
struct event_base;
struct admin_http;

/* Called on the loop; none may block. A callback that is NULL is left out: without `ready` the
 * node is always ready. */
struct admin_http_handlers {
    void *ctx;
    /* False, with the reason appended to `why`, while the node should get no work. */
    bool (*ready)(void *ctx, struct buffer *why);
    /* Brings the gauges up to date. */
    void (*before_scrape)(void *ctx);
    /* Appends the inside of the page's body: HTML, with foreign text through
     * admin_http_escape. */
    void (*status)(void *ctx, struct buffer *html);
};

/* Listens on `address` (a numeric IPv4 or IPv6 address) and `port` (0 picks a free one). The
 * registry is borrowed. NULL, with err set, if the address is none or the port is taken. */
struct admin_http *admin_http_start(struct event_base *base, const char *address, uint16_t port,
                                    struct metrics *metrics, struct admin_http_handlers handlers,
                                    struct error *err);

/* The port that it listens on. */
uint16_t admin_http_port(const struct admin_http *http);

/* Closes the port and all connections. `http` may be NULL. */
void admin_http_stop(struct admin_http *http);

/* Appends text with the characters replaced that mean something in HTML. */
bool admin_http_escape(struct buffer *html, struct slice text);
