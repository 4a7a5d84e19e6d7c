#pragma once
#include "base/error.h"

#include <stdbool.h>

/* Finds the addresses of one host by evdns, because curl would use a thread or block. */
struct evdns_base;
struct resolve;

/* `addresses` is comma-separated, IPv6 in brackets, sorted so that equal sets are equal texts;
 * NULL when `err` says why there are none. Both are valid during the call only. */
typedef void (*resolve_done)(void *ctx, const char *addresses, const struct error *err);

/* `done` comes exactly once, possibly before this returns, which then returns NULL. */
struct resolve *resolve_start(struct evdns_base *dns, const char *host, resolve_done done,
                              void *ctx);
/* Forgets the answer: no callback. It frees itself when evdns lets go of it. */
void resolve_cancel(struct resolve *resolve);
