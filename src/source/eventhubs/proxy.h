#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* An HTTP proxy on the way to the hub: it is asked to connect on (CONNECT), and what follows on
 * the same socket goes to the hub, and is protected by TLS from the proxy too. */

/* Takes "host:port", or "http://host:port", apart. The caller frees `host`. False, with error and
 * hint, if the text is none. */
bool proxy_parse(const char *text, char **host, uint16_t *port, struct error *err);

struct proxy;

/* Asks the proxy at the other end of the non-blocking socket `fd` for host:port. */
struct proxy *proxy_open(int fd, const char *host, uint16_t port);
/* NULL is fine. */
void proxy_free(struct proxy *proxy);

enum proxy_step {
    PROXY_READY,
    PROXY_WANTS_READ,  /* call again when the socket is readable */
    PROXY_WANTS_WRITE, /* call again when the socket is writable */
    PROXY_REFUSED,     /* it will not: `err` says why */
    PROXY_FAILED       /* it cannot now: the same */
};
enum proxy_step proxy_advance(struct proxy *proxy, struct error *err);
