#include "source/eventhubs/request_link.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "source/eventhubs/conditions.h"
#include "source/eventhubs/limits.h"
#include "source/eventhubs/replies.h"

#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/link.h>

#include <inttypes.h>
#include <stdlib.h>

#define REPLY_CREDIT 64

struct request_link {
    struct wire_link base;
    struct request_link_handlers handlers;
    char *node;
    char *name;
    pn_link_t *sender;
    pn_link_t *receiver;
    pn_message_t *scratch;
    struct buffer bytes;
    uint64_t last_number;
};

static void take_reply(struct request_link *link)
{
    /* Proton asserts that there are bytes. */
    if (link->bytes.n == 0 ||
        pn_message_decode(link->scratch, link->bytes.data, link->bytes.n) != 0)
        return;
    struct slice description = {NULL, 0};
    int status = reply_status(link->scratch, &description);
    uint64_t number = reply_number(link->scratch);
    if (number != 0)
        link->handlers.replied(link->handlers.ctx, number, status, description, link->scratch);
}

static void on_delivery(struct request_link *link)
{
    pn_delivery_t *delivery;
    while ((delivery = pn_link_current(link->receiver)) != NULL) {
        size_t n = pn_delivery_pending(delivery);
        char *to = buffer_reserve(&link->bytes, n);
        if (to != NULL && n > 0)
            link->bytes.n += (size_t)pn_link_recv(link->receiver, to, n);
        if (pn_delivery_partial(delivery) && to != NULL)
            return;
        if (!pn_delivery_settled(delivery))
            pn_delivery_update(delivery, PN_ACCEPTED);
        pn_delivery_settle(delivery);
        pn_link_flow(link->receiver, 1);
        if (to != NULL)
            take_reply(link);
        buffer_clear(&link->bytes);
    }
}

/* Outcomes of what we sent; a rejected request gets no reply. */
static void on_outcome(struct request_link *link)
{
    for (pn_delivery_t *d = pn_unsettled_head(link->sender), *next; d != NULL; d = next) {
        next = pn_unsettled_next(d);
        if (pn_delivery_remote_state(d) != 0 || pn_delivery_settled(d))
            pn_delivery_settle(d);
    }
}

static void on_lost(struct request_link *link, pn_link_t *which)
{
    pn_condition_t *condition = pn_link_remote_condition(which);
    if (!pn_condition_is_set(condition))
        condition = pn_session_remote_condition(pn_link_session(which));
    char what[128];
    (void)snprintf(what, sizeof what, "the hub does not serve %s", link->node);
    struct error why;
    enum source_end end =
        condition_explain(what, slice_from(pn_condition_get_name(condition)),
                          slice_from(pn_condition_get_description(condition)), &why);
    link->handlers.lost(link->handlers.ctx, end, &why);
}

static void on_event(struct wire_link *base, pn_event_type_t type)
{
    struct request_link *link = (struct request_link *)base;
    if (type == PN_DELIVERY) {
        on_outcome(link);
        on_delivery(link);
    } else if (type != PN_LINK_REMOTE_OPEN) {
        on_lost(link,
                pn_link_state(link->sender) & PN_REMOTE_CLOSED ? link->sender : link->receiver);
    }
}

struct request_link *request_link_open(pn_session_t *session, const char *node, const char *name,
                                       struct request_link_handlers handlers)
{
    struct request_link *link = xcalloc(1, sizeof *link);
    link->base.event = on_event;
    link->handlers = handlers;
    link->node = xstrdup(node);
    link->name = xstrdup(name);
    link->scratch = pn_message();
    buffer_init(&link->bytes, EVENTHUBS_MESSAGE_BYTES);
    link->sender = pn_sender(session, link->name);
    pn_terminus_set_address(pn_link_target(link->sender), node);
    pn_terminus_set_address(pn_link_source(link->sender), link->name);
    pn_link_set_context(link->sender, &link->base);
    pn_link_open(link->sender);
    link->receiver = pn_receiver(session, link->name);
    pn_terminus_set_address(pn_link_source(link->receiver), node);
    pn_terminus_set_address(pn_link_target(link->receiver), link->name);
    pn_link_set_context(link->receiver, &link->base);
    pn_link_open(link->receiver);
    pn_link_flow(link->receiver, REPLY_CREDIT);
    return link;
}

uint64_t request_link_send(struct request_link *link, pn_message_t *request)
{
    char number[24];
    uint64_t n = ++link->last_number;
    (void)snprintf(number, sizeof number, "%" PRIu64, n);
    pn_atom_t id = {.type = PN_STRING, .u.as_bytes = pn_bytes(strlen(number), number)};
    (void)pn_message_set_id(request, id);
    (void)pn_message_set_reply_to(request, link->name);
    struct buffer bytes;
    buffer_init(&bytes, 1u << 16);
    size_t size = bytes.ceiling;
    char *to = buffer_reserve(&bytes, size);
    bool encoded = to != NULL && pn_message_encode(request, to, &size) == 0;
    if (encoded) {
        pn_delivery_t *delivery = pn_delivery(link->sender, pn_dtag(number, strlen(number)));
        encoded = delivery != NULL && pn_link_send(link->sender, to, size) == (ssize_t)size;
        (void)pn_link_advance(link->sender);
    }
    buffer_free(&bytes);
    return encoded ? n : 0;
}

void request_link_free(struct request_link *link)
{
    if (link == NULL)
        return;
    pn_link_set_context(link->sender, NULL);
    pn_link_set_context(link->receiver, NULL);
    pn_message_free(link->scratch);
    buffer_free(&link->bytes);
    free(link->node);
    free(link->name);
    free(link);
}
