#pragma once
#include "base/error.h"

#include <stdbool.h>

struct evdns_base;
struct pg_host;

/* Finds the addresses of all hosts of a connection string without blocking, because libpq would
 * resolve them synchronously and a slow name server would cost the lease. */
struct pg_resolve;

/* `hostaddr` is the comma-separated list for libpq (borrowed during the call; empty entries for
 * unix sockets), NULL when nothing had to be resolved, or when `err` is set. */
typedef void (*pg_resolved_fn)(void *ctx, const char *hostaddr, const struct error *err);

/* `only` narrows it to one host; a host of NULLs, or NULL, means all that `conninfo` names. Calls
 * back once, possibly before it returns (then it returns NULL). */
struct pg_resolve *pg_resolve_start(struct evdns_base *dns, const char *conninfo,
                                    const struct pg_host *only, pg_resolved_fn done, void *ctx);
/* Forgets the answer; the object frees itself when the resolver lets go of it. */
void pg_resolve_cancel(struct pg_resolve *resolve);
