#pragma once
#include "base/error.h"
#include "core/breaker.h"
#include "core/evidence.h"
#include "thingworx/base_url.h"

#include <stdbool.h>
#include <stdint.h>

/* One base URL of a destination: where it leads, whether it works, what it has accepted. Asks for
 * its addresses and probes <base URL>/ready by itself when endpoint_turn is called in time. */
struct evdns_base;
struct http;
struct http_headers;
struct http_result;
struct http_route;
struct log;
struct resolve;

/* What the base URLs of one destination share. Outlives them. */
struct endpoint_shared {
    const char *destination; /* name, for logs */
    struct http *http;
    struct evdns_base *dns; /* NULL: numeric hosts only */
    struct http_headers *probe_headers;
    struct random *random;
    struct log *log;
    int64_t probe_interval_us;
    const struct base_url *proxy; /* what to connect to in place of each base URL; NULL: none */
    void (*changed)(void *ctx);   /* addresses came: endpoint_turn wants to be called */
    void *ctx;
};

struct endpoint {
    const struct endpoint_shared *shared;
    struct base_url url;
    char *ready_url;
    char *addresses;          /* of `route`, NULL before the first answer of evdns */
    struct http_route *route; /* NULL: numeric, or not resolved yet */
    struct resolve *resolving;
    int64_t resolve_at_us;
    struct breaker breaker;
    struct evidence evidence;
    struct error fault; /* why it is not used, while the breaker is not closed */
    bool shunned;       /* the last probe was answered, but not with ready */
    bool probing;
    int64_t probe_sent_us, probe_at_us;
    uint64_t probe_generation;     /* of the evidence, when the probe was sent */
    int64_t held_until_us;         /* throttled */
    unsigned in_flight, probation; /* all; those sent while the breaker was half open */
    unsigned index;                /* UINT_MAX once configured away */
};

/* What one request told about the base URL. */
enum endpoint_news {
    ENDPOINT_WORKS,   /* it answered as it should, so also with 413 */
    ENDPOINT_SUSPECT, /* it refused the data, perhaps because it is not ready */
    ENDPOINT_FAILS,   /* unavailable, or no answer */
    ENDPOINT_NOBODY   /* no connection */
};

/* Takes over `url`. Starts nothing yet. */
struct endpoint *endpoint_create(const struct endpoint_shared *shared, struct base_url url,
                                 unsigned index, int64_t now_us);
/* Not while endpoint_busy, unless the http handle has been cancelled or closed before. */
void endpoint_free(struct endpoint *e);

/* Starts what is due: a look-up, a probe. */
void endpoint_turn(struct endpoint *e, int64_t now_us);
/* When endpoint_turn has something to do next, or endpoint_usable may change by time alone. */
int64_t endpoint_due_us(const struct endpoint *e, int64_t now_us);

/* Whether a request may be sent to it now. */
bool endpoint_usable(const struct endpoint *e, int64_t now_us);
/* Whether a request or a probe is under way that will call back. */
bool endpoint_busy(const struct endpoint *e);
/* http_cancel took its requests and its probe away. */
void endpoint_cancelled(struct endpoint *e);

/* `why` says it in words, for ENDPOINT_FAILS and ENDPOINT_NOBODY. */
void endpoint_note(struct endpoint *e, enum endpoint_news news, const struct error *why,
                   int64_t now_us);
/* Sends nothing more before `until_us`. */
void endpoint_hold(struct endpoint *e, int64_t until_us);
