#pragma once
#include "admin/http_peer.h"
#include "admin/http_request.h"
#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One connection to the HTTP port: reads requests one after the other, writes each answer before it
 * reads on, and ends when its peer is too slow. Never more than one request a turn of the loop. */

struct event_base;
struct http_connection;

/* How long a peer may take, microseconds. */
struct http_patience {
    int64_t head_us;    /* from the first byte of a request, or from the connection's beginning */
    int64_t idle_us;    /* between two requests */
    int64_t stall_us;   /* in which it takes no byte of the answer */
    int64_t request_us; /* from the first byte of a request to the last of its answer */
};

enum http_refusal {
    HTTP_REFUSED_MALFORMED,
    HTTP_REFUSED_TOO_LARGE,
    HTTP_REFUSED_METHOD,
    HTTP_REFUSED_HOST,
    HTTP_REFUSED_SLOW_REQUEST,
    HTTP_REFUSED_SLOW_READER,
    HTTP_REFUSED_CROWDED, /* it gave way to a newer one */
    HTTP_REFUSALS
};

struct http_answer {
    int status;
    const char *type;  /* Content-Type */
    const char *extra; /* more header lines, each with its CR LF; or NULL */
    struct buffer body;
};

/* What a connection asks of the port. */
struct http_service {
    void *ctx;
    struct event_base *base;
    struct http_patience patience;
    /* Fills `answer`, whose body is empty and has a ceiling. */
    void (*answer)(void *ctx, const struct http_request *request, const struct http_peer *peer,
                   struct http_answer *answer);
    void (*refused)(void *ctx, enum http_refusal why);
    /* An answer could not be sent at once, so it takes memory. Other connections may be ended from
     * inside. */
    void (*queued)(void *ctx, struct http_connection *connection);
    /* The connection has ended; it is freed after this. */
    void (*ended)(void *ctx, struct http_connection *connection);
};

/* Takes the socket over; `service` is borrowed. Call http_connection_begin once it is known. */
struct http_connection *http_connection_create(int fd, const struct http_peer *peer,
                                               const struct http_service *service);
/* Looks whether a request is there already. The connection may have ended at the return. */
void http_connection_begin(struct http_connection *c);
/* Ends it at once, unanswered. */
void http_connection_end(struct http_connection *c);

const struct http_peer *http_connection_peer(const struct http_connection *c);
size_t http_connection_unsent(const struct http_connection *c);
/* How much it may be grudged its place: those between two requests most, then those that have not
 * asked yet, then those that are being answered; among these who has taken longest. */
struct http_claim {
    int rank;
    int64_t since_us;
};
struct http_claim http_connection_claim(const struct http_connection *c);
/* Whether `a` gives way before `b`. */
bool http_gives_way(struct http_claim a, struct http_claim b);
