#pragma once
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Who asks, and by which name. Pure. */

struct sockaddr;

/* One peer, as far as limits go: an IPv4 address, or the /64 that an IPv6 host can choose from. */
struct http_peer {
    uint8_t bytes[16];
    bool loopback;
};

struct http_peer http_peer_of(const struct sockaddr *address);
bool http_peer_equal(const struct http_peer *a, const struct http_peer *b);

/* Whether a request whose Host field has this value may be answered. A page from elsewhere can make
 * a browser ask us under its own name (DNS rebinding), so names must be known: localhost, `own`,
 * and the ones in `list`, separated by commas; "*" allows every name. A numeric address is no name,
 * and always good. `own` and `list` may be NULL. */
bool http_host_allowed(struct slice host, const char *own, const char *list);
