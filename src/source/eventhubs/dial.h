#pragma once
#include "base/error.h"

#include <stdint.h>

/* Finds the addresses of a host without blocking and connects to the first that answers. */

struct dial;
struct event_base;
struct evdns_base;

/* `done` is called once, from the loop, with a connected non-blocking socket that now belongs to
 * the callee, or with -1 and the reason. The dial is to be freed after it, or in it. `dns` may be
 * NULL if the host is a numeric address. */
struct dial *dial_start(struct event_base *base, struct evdns_base *dns, const char *host,
                        uint16_t port, void (*done)(void *ctx, int fd, const struct error *why),
                        void *ctx);

/* Gives up, without a callback. NULL is fine. */
void dial_free(struct dial *dial);
