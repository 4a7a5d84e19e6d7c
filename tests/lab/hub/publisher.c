#include "hub/publisher.h"

#include "base/memory.h"

#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/terminus.h>
#include <stdio.h>
#include <stdlib.h>

enum { CREDIT = 300, CREDIT_LOW = 150 };
#define BATCH_FORMAT UINT32_C(0x80013700)

struct publisher {
    enum link_kind kind; /* first: see links.h */
    struct connection *connection;
    struct partition *partition; /* NULL: the hub chooses */
    struct buffer incoming;      /* of the delivery that is not whole yet */
    uint32_t format;             /* of that delivery */
};

bool publisher_allowed(const struct publisher *p)
{
    char path[32] = "";
    if (p->partition != NULL)
        (void)snprintf(path, sizeof path, "Partitions/%s", p->partition->id);
    return links_allowed(p->connection, path);
}

void publisher_release(struct publisher *p)
{
    buffer_free(&p->incoming);
    free(p);
}

void publisher_attach(struct connection *c, pn_link_t *link, struct partition *partition)
{
    struct publisher *p = xcalloc(1, sizeof *p);
    p->kind = LINK_PUBLISHER;
    p->connection = c;
    p->partition = partition;
    buffer_init(&p->incoming, HUB_MESSAGE_MAX);
    if (!publisher_allowed(p)) {
        links_refuse(link, "amqp:unauthorized-access",
                     "Unauthorized access. 'Send' claim(s) are required to perform this "
                     "operation.");
        publisher_release(p);
        return;
    }
    (void)pn_terminus_copy(pn_link_source(link), pn_link_remote_source(link));
    (void)pn_terminus_copy(pn_link_target(link), pn_link_remote_target(link));
    pn_link_set_snd_settle_mode(link, pn_link_remote_snd_settle_mode(link));
    pn_link_set_rcv_settle_mode(link, PN_RCV_FIRST);
    pn_link_set_max_message_size(link, HUB_MESSAGE_MAX);
    pn_link_set_context(link, p);
    pn_link_open(link);
    pn_link_flow(link, CREDIT);
}

/* Where an event goes that nobody sent to a partition. */
static int choose_partition(struct hub *hub, struct slice key)
{
    if (key.n > 0)
        return devices_partition(key, hub->options.partitions);
    int chosen = hub->next_partition;
    hub->next_partition = (chosen + 1) % hub->options.partitions;
    return chosen;
}

struct batch {
    struct hub *hub;
    int partition;
};

static bool append_one(void *arg, struct slice data)
{
    const struct batch *batch = arg;
    struct message message;
    return message_read(data, &message) && hub_append_sent(batch->hub, batch->partition, &message);
}

/* Checks before anything is appended: a batch is taken whole or not at all. */
static bool check_one(void *arg, struct slice data)
{
    (void)arg;
    struct message message;
    return message_read(data, &message);
}

static bool append(struct publisher *p)
{
    struct hub *hub = p->connection->hub;
    struct slice bytes = buffer_slice(&p->incoming);
    struct message message;
    if (!message_read(bytes, &message))
        return false;
    struct batch batch = {hub, p->partition ? p->partition->index
                                            : choose_partition(hub, message.partition_key)};
    if (p->format != BATCH_FORMAT)
        return hub_append_sent(hub, batch.partition, &message);
    return message_each_data(bytes, check_one, NULL) &&
           message_each_data(bytes, append_one, &batch);
}

static bool receive(struct publisher *p, pn_link_t *link, pn_delivery_t *delivery)
{
    size_t pending = pn_delivery_pending(delivery);
    char *to = buffer_reserve(&p->incoming, pending);
    if (to == NULL)
        return false;
    ssize_t n = pn_link_recv(link, to, pending);
    if (n > 0)
        p->incoming.n += (size_t)n;
    return true;
}

void publisher_deliver(struct connection *c, struct publisher *p, pn_delivery_t *delivery)
{
    pn_link_t *link = pn_delivery_link(delivery);
    if (pn_delivery_aborted(delivery)) {
        buffer_clear(&p->incoming);
        pn_delivery_settle(delivery);
        return;
    }
    if (!pn_delivery_readable(delivery))
        return;
    if (c->frame.has_format)
        p->format = c->frame.message_format;
    if (!receive(p, link, delivery)) {
        links_close(link, "amqp:link:message-size-exceeded",
                    "The received message exceeds the limit of 1048576 bytes.");
        publisher_release(p);
        return;
    }
    if (pn_delivery_partial(delivery))
        return;
    bool ok = append(p);
    buffer_clear(&p->incoming);
    p->format = 0;
    pn_delivery_update(delivery, ok ? PN_ACCEPTED : PN_REJECTED);
    pn_delivery_settle(delivery);
    if (pn_link_credit(link) < CREDIT_LOW)
        pn_link_flow(link, CREDIT - pn_link_credit(link));
    hub_appended(c->hub);
}
