#pragma once
#include "source/eventhubs/connection_string.h"
#include "source/eventhubs/wire.h"

#include <proton/session.h>

/* Reads the metadata of the hub from its $management node. */

struct management;

struct management_handlers {
    void *ctx;
    void (*metadata)(void *ctx, const struct source_metadata *metadata);
    void (*failed)(void *ctx, enum source_end end, const struct error *why);
};

#define MANAGEMENT_PATH "/$management"

/* Attaches on `session`, whose connection must be authorised for MANAGEMENT_PATH. `identity` is
 * borrowed. */
struct management *management_open(pn_session_t *session, const struct connection_string *identity,
                                   struct management_handlers handlers);
/* Asks for the metadata, unless an answer is still to come. */
void management_read(struct management *management, int64_t now_us);
/* Housekeeping: notices that nobody answers. */
void management_tick(struct management *management, int64_t now_us);
void management_free(struct management *management);
