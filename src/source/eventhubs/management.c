#include "source/eventhubs/management.h"

#include "base/clock.h"
#include "base/memory.h"
#include "source/eventhubs/conditions.h"
#include "source/eventhubs/limits.h"
#include "source/eventhubs/replies.h"
#include "source/eventhubs/request_link.h"
#include "source/eventhubs/tokens.h"

#include <stdlib.h>

/* Long enough for one request. */
#define REQUEST_TOKEN_S 300

struct management {
    const struct connection_string *identity;
    struct management_handlers handlers;
    struct request_link *link;
    char *endpoint;
    uint64_t request; /* on its way; 0: none */
    int64_t asked_us;
};

static void on_reply(void *ctx, uint64_t number, int status, struct slice description,
                     pn_message_t *reply)
{
    struct management *management = ctx;
    struct error why;
    if (number != management->request)
        return;
    management->request = 0;
    if (status < 200 || status > 299) {
        enum source_end end = condition_of_status("the hub refuses to tell its partitions", status,
                                                  description, &why);
        management->handlers.failed(management->handlers.ctx, end, &why);
        return;
    }
    struct slice *names = xcalloc(EVENTHUBS_PARTITIONS, sizeof *names);
    struct source_metadata metadata = {.asked_us = management->asked_us,
                                       .endpoint = slice_from(management->endpoint)};
    if (reply_metadata(pn_message_body(reply), &metadata, names, EVENTHUBS_PARTITIONS)) {
        management->handlers.metadata(management->handlers.ctx, &metadata);
    } else {
        error_set(&why, "cannot read the metadata of the hub");
        error_detail(&why, "The answer names no partitions, or more than %d.",
                     EVENTHUBS_PARTITIONS);
        error_hint(&why, "Is the endpoint an Event Hubs-compatible one?");
        management->handlers.failed(management->handlers.ctx, SOURCE_END_REFUSED, &why);
    }
    free(names);
}

static void on_lost(void *ctx, enum source_end end, const struct error *why)
{
    struct management *management = ctx;
    management->handlers.failed(management->handlers.ctx, end, why);
}

struct management *management_open(pn_session_t *session, const struct connection_string *identity,
                                   struct management_handlers handlers)
{
    struct management *management = xcalloc(1, sizeof *management);
    management->identity = identity;
    management->handlers = handlers;
    /* Without the port: it is how one gets there, not which log it is. */
    management->endpoint = xasprintf("%s/%s", identity->host, identity->hub);
    struct request_link_handlers link_handlers = {management, on_reply, on_lost};
    management->link =
        request_link_open(session, "$management", "holdfast-management", link_handlers);
    return management;
}

static void put_property(pn_data_t *properties, const char *name, const char *value)
{
    (void)pn_data_put_string(properties, pn_bytes(strlen(name), name));
    (void)pn_data_put_string(properties, pn_bytes(strlen(value), value));
}

void management_read(struct management *management, int64_t now_us)
{
    if (management->request != 0)
        return;
    struct buffer token;
    buffer_init(&token, 8192);
    /* The token of a request names the hub itself. */
    if (tokens_sign(management->identity, "", REQUEST_TOKEN_S, &token)) {
        pn_message_t *request = pn_message();
        pn_data_t *properties = pn_message_properties(request);
        (void)pn_data_put_map(properties);
        (void)pn_data_enter(properties);
        put_property(properties, "operation", "READ");
        put_property(properties, "name", management->identity->hub);
        put_property(properties, "type", "com.microsoft:eventhub");
        put_property(properties, "security_token", buffer_text(&token));
        (void)pn_data_exit(properties);
        (void)pn_message_set_inferred(request, true); /* a data section, as Microsoft's clients */
        (void)pn_data_put_binary(pn_message_body(request), pn_bytes(2, "[]"));
        management->request = request_link_send(management->link, request);
        management->asked_us = now_us;
        pn_message_free(request);
    }
    buffer_free(&token);
}

void management_tick(struct management *management, int64_t now_us)
{
    if (management->request == 0 || now_us - management->asked_us <= EVENTHUBS_REPLY_US)
        return;
    struct error why;
    error_set(&why, "the hub does not answer a question for its metadata");
    error_hint(&why, "The node connects again by itself.");
    management->handlers.failed(management->handlers.ctx, SOURCE_END_LOST, &why);
}

void management_free(struct management *management)
{
    if (management == NULL)
        return;
    request_link_free(management->link);
    free(management->endpoint);
    free(management);
}
