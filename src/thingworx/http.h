#pragma once
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* HTTP/1.1 requests by libcurl on the event loop: connections are kept and reused, nothing
 * blocks, no thread is used. It decides nothing: what an answer means is its user's
 * business. Redirects and cookies are not followed or kept, proxies only used as told. */
struct event_base;
struct http;
struct http_headers; /* a set of request headers, shared by many requests */
struct http_route;   /* where a host name leads: addresses that were resolved before */

/* How many bytes of an answer are kept unless its request says otherwise; the rest is read and
 * dropped. */
#define HTTP_TEXT_BYTES 4096

/* The request header whose value is a secret: where an answer repeats it, asterisks stand in the
 * text that is given on, as that ends in logs, events and dead letters. */
#define HTTP_SECRET_HEADER "appKey"

enum http_outcome {
    HTTP_ANSWERED,    /* a complete answer */
    HTTP_UNREACHABLE, /* no connection, so nothing was sent */
    HTTP_FAILED       /* anything may have happened: timed out, reset, broken answer */
};

/* How its connections are made; PEM texts. NULL: the system's authorities, no certificate of our
 * own, no proxy. */
struct http_security {
    const char *ca;          /* authorities that a server's certificate must be signed by */
    const char *certificate; /* ours, with its key */
    const char *proxy;       /* host:port */
};

struct http_result {
    enum http_outcome outcome;
    int status;             /* of an answer, else 0 */
    int64_t retry_after_us; /* -1: not given */
    unsigned
        repeats;   /* how often libcurl sent it again, when a kept connection closed unanswered */
    bool html;     /* the body is an HTML page */
    bool distrust; /* unreachable because the server could not prove who it is */
    const char *date;            /* the header of that name; NULL: none */
    const char *certificate_end; /* of the server, if the request wanted it; NULL: unknown */
    struct slice text;           /* first bytes of the body, or what went wrong */
};

/* `result` is valid during the call only. */
typedef void (*http_done)(void *ctx, const struct http_result *result);

struct http_request {
    const char *url;   /* copied */
    bool post;         /* else GET */
    struct slice body; /* borrowed until done */
    struct http_headers *headers;
    struct http_route *route; /* NULL: the host is a numeric address */
    int connect_timeout_ms;
    int timeout_ms;   /* for the whole exchange */
    size_t text_max;  /* bytes of the answer to keep; 0: HTTP_TEXT_BYTES */
    bool certificate; /* tell when the certificate of the server ends */
    http_done done;
    void *ctx;
};

struct http_counters {
    uint64_t connections; /* opened so far */
};

/* `drained` is called from the loop after the `done` calls of one turn; may be NULL. */
struct http *http_open(struct event_base *base, unsigned max_connections,
                       void (*drained)(void *ctx), void *ctx);
/* Cancels what is under way, without callbacks, and frees everything. Not from a callback. */
void http_close(struct http *http);

/* Cancels what is under way, without callbacks. Not from a callback. */
void http_cancel(struct http *http);

/* Asked before anything is read, and before each request is sent. Once it has said false nothing is
 * sent or answered, until http_cancel has taken all requests away. For a process that was stopped,
 * and must not go on with one of them. */
void http_set_gate(struct http *http, bool (*open)(void *ctx), void *ctx);

/* For requests from now on; everything is copied. Connections that were made otherwise are not used
 * again. */
void http_set_security(struct http *http, const struct http_security *security);

/* How many connections may stay open between requests. */
void http_set_max_connections(struct http *http, unsigned max_connections);

/* Starts a request. `done` comes later, from the loop, exactly once. Callbacks may call this. */
void http_send(struct http *http, const struct http_request *request);

struct http_counters http_counters(const struct http *http);

/* What a Date header or the end of a certificate says, in microseconds since 1970; -1 if it is
 * none. */
int64_t http_date_us(const char *date);

/* Headers are counted references: http_send takes its own. `lines` are "Name: value". */
struct http_headers *http_headers_create(const char *const *lines, size_t count);
void http_headers_release(struct http_headers *headers);

/* A route says that `host`:`port` is at `addresses` ("192.0.2.1,192.0.2.2", IPv6 in brackets).
 * Counted references too. The host name itself still goes into Host and is what TLS verifies. */
struct http_route *http_route_create(const char *host, int port, const char *addresses);
void http_route_release(struct http_route *route);
