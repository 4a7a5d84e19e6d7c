#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/metrics.h"

#include <stdbool.h>
#include <stdint.h>

/* The node's HTTP port on its loop, for people and for Prometheus:
 *   /healthz   200 as long as the loop turns
 *   /readyz    200 if `ready` says so, else 503 with the reason
 *   /metrics   the registry, in text format 0.0.4, or as OpenMetrics for those who accept it
 *   /          the status page
 *   /fragment  its inside, for its script
 * Only GET and HEAD. There is no authentication, so nothing that is told here is a secret; what a
 * peer can take of the node is bounded (admin_http_limits), and browsers are kept from asking for
 * others (the Host field, a content security policy). */
struct event_base;
struct admin_http;

/* Called on the loop; none may block. A callback that is NULL is left out: without `ready` the
 * node is always ready, without `page` there is none. */
struct admin_http_handlers {
    void *ctx;
    /* False, with the reason appended to `why`, while the node should get no work. */
    bool (*ready)(void *ctx, struct buffer *why);
    /* Brings the gauges up to date. */
    void (*before_scrape)(void *ctx);
    /* Appends the whole page, or only what its script replaces: HTML. */
    void (*page)(void *ctx, bool fragment, struct buffer *html);
};

/* What all peers together and each of them may take. Who is beyond it takes the place of another:
 * of its own, or of the peer that has most; so a newcomer is always heard. */
struct admin_http_limits {
    int connections;
    int connections_per_peer; /* of one IPv4 address, or one IPv6 /64 */
    int head_ms;              /* for the head of a request */
    int idle_ms;              /* between two requests */
    int stall_ms;             /* in which no byte of an answer is taken */
    int request_ms;           /* from the first byte of a request to the last of its answer */
};

/* To whom the status page is shown. */
enum admin_http_page { PAGE_FOR_LOOPBACK, PAGE_FOR_ALL, PAGE_FOR_NOBODY };

struct admin_http_config {
    const char *address; /* a numeric IPv4 or IPv6 address */
    uint16_t port;       /* 0 picks a free one */
    const char *name;    /* by which the node may be asked, besides addresses and localhost */
    const char *hosts;   /* more names, separated by commas; or NULL; see http_host_allowed */
    enum admin_http_page page_for;
    /* Content-Security-Policy of the page; copied. NULL: nothing is allowed. */
    const char *page_policy;
    struct admin_http_limits limits;
};

/* Listens. `name` and `hosts` are borrowed, as is the registry. NULL, with err set, if the address
 * is none or the port is taken. */
struct admin_http *admin_http_start(struct event_base *base, const struct admin_http_config *config,
                                    struct metrics *metrics, struct admin_http_handlers handlers,
                                    struct error *err);

/* The port that it listens on. */
uint16_t admin_http_port(const struct admin_http *http);

/* Closes the port and all connections. `http` may be NULL. */
void admin_http_stop(struct admin_http *http);
