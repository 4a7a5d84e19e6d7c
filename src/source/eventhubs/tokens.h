#pragma once
#include "base/buffer.h"
#include "source/eventhubs/connection_string.h"
#include "source/eventhubs/wire.h"

#include <proton/session.h>

/* Keeps a set of audiences authorised on one connection: put-token on the $cbs node for each,
 * ahead of need, and again well before it expires. */

struct tokens;

struct tokens_handlers {
    void *ctx;
    /* Every wanted audience is authorised now; called each time it becomes so. */
    void (*ready)(void *ctx);
    /* A token was refused, or $cbs does not answer: the connection is of no use. */
    void (*failed)(void *ctx, enum source_end end, const struct error *why);
};

/* `identity` is borrowed and must outlive the tokens. */
struct tokens *tokens_create(const struct connection_string *identity, int64_t lifetime_s,
                             struct tokens_handlers handlers);
void tokens_free(struct tokens *tokens);

/* Wants the node `path` below the hub ("/$management", "/ConsumerGroups/..") authorised from now
 * on, also on later connections. At an IoT hub, which has no such nodes, "" stands for all of it.
 * Wanting it twice is fine. */
void tokens_want(struct tokens *tokens, const char *path);
/* Wants nothing any more; only while there is no connection. */
void tokens_forget(struct tokens *tokens);
bool tokens_ready(const struct tokens *tokens);

/* A connection is open: asks for all that is wanted. */
void tokens_start(struct tokens *tokens, pn_session_t *session);
/* The connection is gone. */
void tokens_stop(struct tokens *tokens);
/* Housekeeping, about once a second: renews, and notices that nobody answers. */
void tokens_tick(struct tokens *tokens, int64_t now_us);

/* A signed token for the node `path` below the hub, appended to `out`. */
bool tokens_sign(const struct connection_string *identity, const char *path, int64_t lifetime_s,
                 struct buffer *out);
