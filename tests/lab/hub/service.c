#include "hub/service.h"

#include "base/clock.h"
#include "base/memory.h"
#include "hub/request.h"

#include <proton/codec.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/message.h>
#include <proton/terminus.h>
#include <stdlib.h>
#include <string.h>

enum { CREDIT = 100, REQUEST_CEILING = 65536 };

struct service {
    enum link_kind kind; /* first: see links.h */
    struct buffer incoming;
    uint64_t tag;
};

void service_release(struct service *s)
{
    buffer_free(&s->incoming);
    free(s);
}

void service_attach(struct connection *c, pn_link_t *link, enum link_kind kind)
{
    struct service *s = xcalloc(1, sizeof *s);
    s->kind = kind;
    buffer_init(&s->incoming, REQUEST_CEILING);
    (void)pn_terminus_copy(pn_link_source(link), pn_link_remote_source(link));
    (void)pn_terminus_copy(pn_link_target(link), pn_link_remote_target(link));
    bool out = pn_link_is_sender(link);
    pn_link_set_snd_settle_mode(link, out ? PN_SND_SETTLED : pn_link_remote_snd_settle_mode(link));
    pn_link_set_rcv_settle_mode(link, PN_RCV_FIRST);
    if (!settings_differs(&c->hub->options.settings, SETTING_MESSAGE_SIZE))
        pn_link_set_max_message_size(link, UINT64_MAX);
    pn_link_set_context(link, s);
    pn_link_open(link);
    if (!out)
        pn_link_flow(link, CREDIT);
}

static bool same_text(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* The link that carries the answer: the one that the request names by its reply-to, else the
 * newest of this kind. Clients differ in what they name (azure.md, 1.3). */
static pn_link_t *reply_link(struct connection *c, enum link_kind kind, const char *reply_to)
{
    pn_link_t *found = NULL;
    for (pn_link_t *link = pn_link_head(c->driver.connection, PN_LOCAL_ACTIVE); link != NULL;
         link = pn_link_next(link, PN_LOCAL_ACTIVE)) {
        const enum link_kind *of = pn_link_get_context(link);
        if (of == NULL || *of != kind || !pn_link_is_sender(link))
            continue;
        found = link;
        if (same_text(pn_terminus_get_address(pn_link_remote_target(link)), reply_to) ||
            same_text(pn_link_name(link), reply_to))
            break;
    }
    return found;
}

static void send_reply(struct connection *c, enum link_kind kind, const char *reply_to,
                       pn_message_t *reply)
{
    pn_link_t *link = reply_link(c, kind, reply_to);
    if (link == NULL) {
        log_debug(c->hub->log, "request without a link for its answer",
                  F_TEXT("reply_to", reply_to ? reply_to : ""));
        return;
    }
    struct service *end = pn_link_get_context(link);
    struct buffer *out = &c->hub->scratch;
    buffer_clear(out);
    size_t n = REQUEST_CEILING;
    char *to = buffer_reserve(out, n);
    if (to == NULL || pn_message_encode(reply, to, &n) != 0)
        return;
    uint64_t tag = end->tag++;
    pn_delivery_t *delivery = pn_delivery(link, pn_dtag((const char *)&tag, sizeof tag));
    (void)pn_link_send(link, to, n);
    (void)pn_link_advance(link);
    pn_delivery_settle(delivery);
}

static bool answer(struct connection *c, struct service *s)
{
    pn_message_t *request = pn_message();
    pn_message_t *reply = pn_message();
    bool ok = pn_message_decode(request, s->incoming.data, s->incoming.n) == 0;
    if (ok) {
        (void)pn_message_set_correlation_id(reply, pn_message_get_id(request));
        if (s->kind == LINK_CBS)
            request_put_token(c, request, reply);
        else
            request_read(c, request, reply);
        send_reply(c, s->kind, pn_message_get_reply_to(request), reply);
    }
    pn_message_free(request);
    pn_message_free(reply);
    return ok;
}

void service_deliver(struct connection *c, struct service *s, pn_delivery_t *delivery)
{
    pn_link_t *link = pn_delivery_link(delivery);
    if (!pn_delivery_readable(delivery) || pn_delivery_aborted(delivery))
        return;
    size_t pending = pn_delivery_pending(delivery);
    char *to = buffer_reserve(&s->incoming, pending);
    if (to == NULL) {
        links_close(link, "amqp:link:message-size-exceeded", "The request is too large.");
        service_release(s);
        return;
    }
    ssize_t n = pn_link_recv(link, to, pending);
    if (n > 0)
        s->incoming.n += (size_t)n;
    if (pn_delivery_partial(delivery))
        return;
    bool ok = answer(c, s);
    buffer_clear(&s->incoming);
    pn_delivery_update(delivery, ok ? PN_ACCEPTED : PN_REJECTED);
    pn_delivery_settle(delivery);
    pn_link_flow(link, CREDIT - pn_link_credit(link));
}
