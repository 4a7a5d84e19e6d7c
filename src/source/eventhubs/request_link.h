#pragma once
#include "base/slice.h"
#include "source/eventhubs/wire.h"

#include <proton/message.h>
#include <proton/session.h>

/* A pair of links to a node that answers requests ($cbs, $management). Off the hot path, so
 * Proton's message codec does. */

struct request_link;

struct request_link_handlers {
    void *ctx;
    /* The answer to the request with this number. */
    void (*replied)(void *ctx, uint64_t number, int status, struct slice description,
                    pn_message_t *reply);
    /* A link was refused or detached: the last callback. */
    void (*lost)(void *ctx, enum source_end end, const struct error *why);
};

/* Attaches both links. `node` is the address, `name` tells this client's links apart; both are
 * copied. */
struct request_link *request_link_open(pn_session_t *session, const char *node, const char *name,
                                       struct request_link_handlers handlers);

/* Sends a request; its message-id and reply-to are set here. Returns its number (never 0), or 0 if
 * it could not be encoded. */
uint64_t request_link_send(struct request_link *link, pn_message_t *request);

/* Frees what belongs to us; the links end with their connection. NULL is fine. */
void request_link_free(struct request_link *link);
