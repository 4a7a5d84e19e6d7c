#include "hub/reader.h"

#include "base/clock.h"
#include "base/memory.h"
#include "hub/filter.h"

#include <proton/codec.h>
#include <proton/delivery.h>
#include <proton/terminus.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <utlist.h>

enum {
    TURN_BYTES = 256 * 1024, /* what all readers of a connection send in one turn */
    TURN_EVENTS = 64,        /* what one reader sends before the next one's turn */
    GROUP_READERS = 5        /* readers without an epoch, as the service has it */
};

static char *resource_path(const struct reader *r)
{
    return xasprintf("ConsumerGroups/%s/Partitions/%s", r->group, r->partition->id);
}

bool reader_allowed(const struct reader *r)
{
    char *path = resource_path(r);
    bool allowed = links_allowed(r->connection, path);
    free(path);
    return allowed;
}

/* com.microsoft:epoch and com.microsoft:receiver-name out of the attach's properties. */
static void read_properties(struct reader *r, pn_data_t *properties)
{
    if (properties == NULL)
        return;
    pn_data_rewind(properties);
    if (!pn_data_next(properties) || pn_data_type(properties) != PN_MAP ||
        !pn_data_enter(properties))
        return;
    while (pn_data_next(properties)) {
        pn_bytes_t key = pn_data_type(properties) == PN_SYMBOL ? pn_data_get_symbol(properties)
                                                               : (pn_bytes_t){0, NULL};
        struct slice name = {key.start, key.size};
        if (!pn_data_next(properties))
            break;
        pn_type_t type = pn_data_type(properties);
        if (slice_equal(name, SLICE_LITERAL("com.microsoft:epoch"))) {
            r->has_epoch = type == PN_LONG || type == PN_INT || type == PN_ULONG || type == PN_UINT;
            r->epoch = type == PN_LONG    ? pn_data_get_long(properties)
                       : type == PN_INT   ? pn_data_get_int(properties)
                       : type == PN_ULONG ? (int64_t)pn_data_get_ulong(properties)
                       : type == PN_UINT  ? (int64_t)pn_data_get_uint(properties)
                                          : 0;
        } else if (slice_equal(name, SLICE_LITERAL("com.microsoft:receiver-name")) &&
                   type == PN_STRING) {
            pn_bytes_t value = pn_data_get_string(properties);
            free(r->name);
            r->name = xstrndup(value.start, value.size);
        }
    }
    (void)pn_data_exit(properties);
}

static struct reader *reader_new(struct connection *c, pn_link_t *link, struct partition *partition,
                                 const char *group)
{
    struct reader *r = xcalloc(1, sizeof *r);
    r->kind = LINK_READER;
    r->connection = c;
    r->link = link;
    r->partition = partition;
    r->group = xstrdup(group);
    r->name = xstrdup(pn_link_name(link));
    r->metrics = c->frame.metrics_desired;
    read_properties(r, pn_link_remote_properties(link));
    return r;
}

static void free_reader(struct reader *r)
{
    free(r->group);
    free(r->name);
    free(r);
}

void reader_release(struct reader *r)
{
    DL_DELETE(r->partition->readers, r);
    DL_DELETE2(r->connection->readers, r, turn_prev, turn_next);
    free_reader(r);
}

void reader_close(struct reader *r, const char *condition, const char *text)
{
    connection_schedule(r->connection);
    links_close(r->link, condition, text);
    reader_release(r);
}

static void steal(struct reader *loser, const struct reader *winner)
{
    struct hub *hub = loser->connection->hub;
    struct buffer text;
    buffer_init(&text, 2048);
    buffer_printf(&text,
                  "New receiver '%.200s' with higher epoch of '%lld' is created hence current "
                  "receiver '%.200s' with epoch '%lld' is getting disconnected. If you are "
                  "recreating the receiver, make sure a higher epoch is used.",
                  winner->name, (long long)winner->epoch, loser->name,
                  loser->has_epoch ? (long long)loser->epoch : -1LL);
    hub_put_tracking(hub, &text, loser->partition, loser->group);
    hub->stolen++;
    reader_close(loser, "amqp:link:stolen", buffer_text(&text));
    buffer_free(&text);
}

/* Why a reader may not be let in beside the present ones: the condition, with the service's words
 * in `text`; NULL if it may. */
static const char *refusal(const struct reader *r, struct buffer *text)
{
    int peers = 0;
    const struct reader *other;
    DL_FOREACH(r->partition->readers, other)
    {
        if (strcasecmp(other->group, r->group) != 0)
            continue;
        peers++;
        if (other->has_epoch && !r->has_epoch) {
            buffer_printf(text,
                          "At least one receiver for the endpoint is created with epoch of "
                          "'%lld', and so non-epoch receiver is not allowed. Either reconnect "
                          "with a higher epoch, or make sure all epoch receivers are closed or "
                          "disconnected.",
                          (long long)other->epoch);
            return "amqp:link:stolen";
        }
        if (other->has_epoch && other->epoch > r->epoch) {
            buffer_printf(text,
                          "Receiver '%.200s' with a higher epoch of '%lld' already exists. "
                          "Receiver '%.200s' with epoch '%lld' cannot be created. Make sure you "
                          "are creating receiver with increasing epoch value to ensure "
                          "connectivity, or ensure all old epoch receivers are closed or "
                          "disconnected.",
                          other->name, (long long)other->epoch, r->name, (long long)r->epoch);
            return settings_text(&r->connection->hub->options.settings, SETTING_LOWER_EPOCH);
        }
    }
    if (r->has_epoch || peers < GROUP_READERS)
        return NULL;
    buffer_printf(text,
                  "Exceeded the maximum number of allowed receivers per partition in a consumer "
                  "group which is %d.",
                  GROUP_READERS);
    return "amqp:resource-limit-exceeded";
}

static void steal_from_others(const struct reader *winner)
{
    struct reader *other;
    struct reader *next;
    if (!winner->has_epoch)
        return;
    DL_FOREACH_SAFE(winner->partition->readers, other, next)
    {
        if (strcasecmp(other->group, winner->group) == 0)
            steal(other, winner);
    }
}

static void open_link(struct reader *r)
{
    (void)pn_terminus_copy(pn_link_source(r->link), pn_link_remote_source(r->link));
    (void)pn_terminus_copy(pn_link_target(r->link), pn_link_remote_target(r->link));
    const struct settings *settings = &r->connection->hub->options.settings;
    r->unsettled = settings_differs(settings, SETTING_TRANSFERS);
    pn_link_set_snd_settle_mode(r->link, r->unsettled ? PN_SND_UNSETTLED : PN_SND_SETTLED);
    pn_link_set_rcv_settle_mode(r->link, PN_RCV_FIRST);
    if (!settings_differs(settings, SETTING_MESSAGE_SIZE))
        pn_link_set_max_message_size(r->link, HUB_MESSAGE_MAX);
    pn_link_set_context(r->link, r);
    pn_link_open(r->link);
    DL_APPEND(r->partition->readers, r);
    DL_APPEND2(r->connection->readers, r, turn_prev, turn_next);
    log_debug(r->connection->hub->log, "reader attached", F_TEXT("partition", r->partition->id),
              F_TEXT("name", r->name), F_NUMBER("epoch", r->has_epoch ? r->epoch : -1),
              F_NUMBER("position", r->position));
}

static void refuse_unauthorized(struct reader *r, struct buffer *text)
{
    buffer_printf(text,
                  "Unauthorized access. 'Listen' claim(s) are required to perform this "
                  "operation. Resource: 'sb://localhost/%s/consumergroups/%s/partitions/%s'.",
                  r->connection->hub->options.name, r->group, r->partition->id);
    links_refuse(r->link, "amqp:unauthorized-access", buffer_text(text));
}

void reader_attach(struct connection *c, pn_link_t *link, struct partition *partition,
                   const char *group)
{
    struct reader *r = reader_new(c, link, partition, group);
    struct buffer text;
    char why[512];
    const char *condition;
    buffer_init(&text, 2048);
    if (!reader_allowed(r)) {
        refuse_unauthorized(r, &text);
    } else if (!filter_position(pn_terminus_filter(pn_link_remote_source(link)), partition->log,
                                &r->position, why, sizeof why)) {
        buffer_append_text(&text, why);
        hub_put_tracking(c->hub, &text, partition, group);
        links_refuse(link, settings_text(&c->hub->options.settings, SETTING_BAD_OFFSET),
                     buffer_text(&text));
    } else if ((condition = refusal(r, &text)) != NULL) {
        hub_put_tracking(c->hub, &text, partition, group);
        links_refuse(link, condition, buffer_text(&text));
    } else {
        steal_from_others(r);
        open_link(r);
        r = NULL;
    }
    buffer_free(&text);
    if (r != NULL)
        free_reader(r);
}

/* The delivery annotations that tell a reader where the partition's end is. */
static void send_metrics(struct reader *r)
{
    struct buffer *out = &r->connection->hub->scratch;
    struct event last;
    if (!partition_log_at(r->partition->log, partition_log_next(r->partition->log) - 1, &last))
        return;
    struct stamp stamp = {last.sequence, last.offset, last.enqueued_ms,
                          settings_differs(&r->connection->hub->options.settings, SETTING_OFFSETS)};
    buffer_clear(out);
    message_put_metrics(out, &stamp, clock_wall_us() / MS_US);
    (void)pn_link_send(r->link, out->data, out->n);
}

static size_t send_event(struct reader *r, const struct event *event)
{
    uint32_t tag = r->tag++;
    pn_delivery_t *delivery = pn_delivery(r->link, pn_dtag((const char *)&tag, sizeof tag));
    if (r->metrics)
        send_metrics(r);
    (void)pn_link_send(r->link, event->message.p, event->message.n);
    (void)pn_link_advance(r->link);
    if (!r->unsettled)
        pn_delivery_settle(delivery);
    r->partition->sent++;
    r->position++;
    return event->message.n;
}

static bool can_send(const struct reader *r)
{
    return !r->held && pn_link_credit(r->link) > 0 &&
           r->position < partition_log_next(r->partition->log);
}

/* Sends one reader's share of a turn: the bytes sent. */
static size_t send_share(struct reader *r)
{
    struct event event;
    size_t bytes = 0;
    int64_t begin = partition_log_begin(r->partition->log);
    if (r->position < begin)
        r->position = begin; /* what retention took is gone, as with the service */
    for (int i = 0; i < TURN_EVENTS && can_send(r); i++)
        if (partition_log_at(r->partition->log, r->position, &event))
            bytes += send_event(r, &event);
    if (pn_link_get_drain(r->link) && r->position >= partition_log_next(r->partition->log))
        (void)pn_link_drained(r->link);
    return bytes;
}

bool readers_pump(struct connection *c)
{
    size_t sent = 0;
    int idle = 0;
    int n;
    struct reader *r;
    /* What is still queued after the last write waits for the client's session window. Proton
     * walks over all of it again with every write, so nothing is queued behind it. */
    DL_FOREACH2(c->readers, r, turn_next)
    {
        r->held = pn_session_outgoing_bytes(pn_link_session(r->link)) > 0;
    }
    DL_COUNT2(c->readers, r, n, turn_next);
    /* The list turns as its readers are served, so the next turn goes on where this one ends. */
    while (sent < TURN_BYTES && idle < n) {
        r = c->readers;
        DL_DELETE2(c->readers, r, turn_prev, turn_next);
        DL_APPEND2(c->readers, r, turn_prev, turn_next);
        size_t share = send_share(r);
        sent += share;
        idle = share > 0 ? 0 : idle + 1;
    }
    return sent >= TURN_BYTES;
}

bool readers_released(const struct connection *c)
{
    const struct reader *r;
    DL_FOREACH2(c->readers, r, turn_next)
    {
        if (r->held && pn_session_outgoing_bytes(pn_link_session(r->link)) == 0)
            return true;
    }
    return false;
}
