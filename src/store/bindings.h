#pragma once
#include "base/error.h"
#include "base/slice.h"

#include <stddef.h>

/* Device to Thing. */

struct pg_connection;

struct store_device {
    struct slice device, module; /* module empty: the device itself */
};

struct store_binding {
    struct slice device, module;
    struct slice thing; /* empty: unbound */
};

typedef void (*store_resolved_fn)(void *ctx, const struct store_binding *rows, size_t count,
                                  const struct error *err);
/* Every device asked for comes back once. */
void store_resolve(struct pg_connection *pg, const char *key, const char *fleet,
                   const struct store_device *devices, size_t count, store_resolved_fn done,
                   void *ctx);
