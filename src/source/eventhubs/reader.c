#include "source/eventhubs/reader.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "source/amqp_scan.h"
#include "source/eventhubs/conditions.h"
#include "source/eventhubs/limits.h"

#include <proton/condition.h>
#include <proton/delivery.h>
#include <proton/link.h>
#include <proton/session.h>

#include <event2/event.h>

#include <inttypes.h>
#include <stdlib.h>
#include <utlist.h>

struct reader {
    struct source_reader base;
    struct wire_link link_events; /* the context of link and session */
    struct reader_host *host;
    void *ctx;
    char *partition;
    pn_session_t *session; /* NULL: never attached, or ended */
    pn_link_t *link;
    struct buffer partial; /* the first part of a message that comes in several transfers */
    uint32_t credit_due;   /* asked for, not granted yet */
    bool busy;
    bool held;
    bool backlog; /* messages wait in Proton */
    bool stopping;
    int64_t stopping_until_us;
    enum source_end end;
    struct error why;
    struct reader *prev, *next;           /* among the attached, or the ended */
    struct reader *busy_prev, *busy_next; /* among the busy */
};

static struct reader *of_base(struct source_reader *base)
{
    return (struct reader *)base;
}

static struct reader *of_link(struct wire_link *link)
{
    return (struct reader *)((char *)link - offsetof(struct reader, link_events));
}

void reader_host_init(struct reader_host *host)
{
    buffer_init(&host->scratch, EVENTHUBS_MESSAGE_BYTES);
    buffer_init(&host->joined, EVENTHUBS_MESSAGE_BYTES);
}

static void wake(struct reader_host *host)
{
    static const struct timeval now = {0, 0};
    if (host->wire != NULL)
        wire_wake(host->wire);
    else if (!evtimer_pending(host->soon, NULL))
        (void)evtimer_add(host->soon, &now);
}

static void set_busy(struct reader *reader)
{
    if (!reader->busy) {
        reader->busy = true;
        DL_APPEND2(reader->host->busy, reader, busy_prev, busy_next);
    }
    wake(reader->host);
}

static void clear_busy(struct reader *reader)
{
    if (reader->busy)
        DL_DELETE2(reader->host->busy, reader, busy_prev, busy_next);
    reader->busy = false;
}

/* Lets go of link and session. Proton keeps them until the peer has heard. */
static void let_go(struct reader *reader)
{
    if (reader->session == NULL)
        return;
    pn_link_set_context(reader->link, NULL);
    pn_session_set_context(reader->session, NULL);
    pn_link_close(reader->link);
    pn_session_close(reader->session);
    pn_session_free(reader->session);
    reader->session = NULL;
    reader->link = NULL;
}

/* The reader has ended: its last callback comes at the end of the turn. */
static void finish(struct reader *reader, enum source_end end, const struct error *why)
{
    clear_busy(reader);
    let_go(reader);
    DL_DELETE(reader->host->readers, reader);
    DL_APPEND(reader->host->ended, reader);
    reader->end = reader->stopping ? SOURCE_END_CLOSED : end;
    if (reader->end == SOURCE_END_CLOSED)
        error_set(&reader->why, "closed as asked");
    else
        reader->why = *why;
    if (reader->end == SOURCE_END_STOLEN)
        reader->host->counters->stolen++;
    wake(reader->host);
}

static void reader_free(struct reader *reader)
{
    buffer_free(&reader->partial);
    free(reader->partition);
    free(reader);
}

/* Only those that have ended so far: a callback may open another that ends at once. */
static void report_ended(struct reader_host *host)
{
    struct reader *reader;
    size_t count;
    DL_COUNT(host->ended, reader, count);
    for (; count > 0; count--) {
        reader = host->ended;
        DL_DELETE(host->ended, reader);
        host->handlers.ended(host->ctx, reader->ctx, reader->end, &reader->why);
        reader_free(reader);
    }
}

/* --- messages --- */

static void unreadable(struct reader *reader, size_t bytes)
{
    reader->host->counters->unreadable++;
    struct error why;
    error_set(&why, "a message of the hub cannot be read");
    error_detail(&why, "Its %zu bytes are no AMQP message with an offset.", bytes);
    error_hint(&why, "It is skipped. Is the endpoint an Event Hubs-compatible one?");
    log_error(reader->host->log, "message skipped", &why, F_TEXT("hub", reader->host->hub_name),
              F_TEXT("partition", reader->partition));
}

static void hand_over(struct reader *reader, struct slice bytes)
{
    struct reader_host *host = reader->host;
    struct source_message message;
    if (reader->stopping)
        return;
    if (!amqp_scan(bytes, &host->joined, &message) || message.offset.n == 0) {
        unreadable(reader, bytes.n);
        reader_credit(&reader->base, 1); /* the owner never hears of it */
        return;
    }
    host->counters->messages++;
    host->counters->bytes += bytes.n;
    host->handlers.message(host->ctx, reader->ctx, &message);
}

static void too_large(struct reader *reader)
{
    struct error why;
    error_set(&why, "partition %s holds a message that is too large", reader->partition);
    error_detail(&why, "More than %u bytes.", EVENTHUBS_MESSAGE_BYTES);
    error_hint(&why, "No hub should take such a message. Is the endpoint an Event "
                     "Hubs-compatible one?");
    finish(reader, SOURCE_END_REFUSED, &why);
}

static void settle(pn_delivery_t *delivery)
{
    if (!pn_delivery_settled(delivery))
        pn_delivery_update(delivery, PN_ACCEPTED);
    pn_delivery_settle(delivery);
}

/* Takes the bytes of the current delivery into `to`. */
static bool receive_into(struct reader *reader, struct buffer *to, size_t n)
{
    char *room = buffer_reserve(to, n);
    if (room == NULL)
        return false;
    ssize_t taken = n > 0 ? pn_link_recv(reader->link, room, n) : 0;
    if (taken > 0)
        to->n += (size_t)taken;
    return true;
}

/* Takes one delivery, or what is there of it. False if there is nothing more to take now. */
static bool take_delivery(struct reader *reader, pn_delivery_t *delivery)
{
    struct buffer *scratch = &reader->host->scratch;
    if (pn_delivery_aborted(delivery)) {
        pn_delivery_settle(delivery);
        buffer_free(&reader->partial);
        reader_credit(&reader->base, 1);
        return true;
    }
    size_t n = pn_delivery_pending(delivery);
    bool partial = pn_delivery_partial(delivery);
    bool whole = !partial && reader->partial.n == 0;
    if (partial && n == 0)
        return false;
    if (whole)
        buffer_clear(scratch);
    if (!receive_into(reader, whole ? scratch : &reader->partial, n)) {
        too_large(reader);
        return false;
    }
    if (partial)
        return false;
    settle(delivery);
    hand_over(reader, buffer_slice(whole ? scratch : &reader->partial));
    /* A large message is rare: its memory is not kept. */
    if (!whole)
        buffer_free(&reader->partial);
    return true;
}

/* Takes what has arrived, as far as the turn allows. */
static void take_deliveries(struct reader *reader)
{
    struct wire *wire = reader->host->wire;
    reader->backlog = false;
    while (reader->link != NULL && !reader->held) {
        pn_delivery_t *delivery = pn_link_current(reader->link);
        if (delivery == NULL || !take_delivery(reader, delivery))
            return;
        if (!wire_spend(wire)) {
            reader->backlog = true;
            set_busy(reader);
            return;
        }
    }
    reader->backlog = reader->held;
}

/* --- the link --- */

static void on_attached(struct reader *reader)
{
    /* A refused attach comes without a source; its reason follows in a detach. */
    if (pn_terminus_get_type(pn_link_remote_source(reader->link)) == PN_UNSPECIFIED)
        return;
    if (!reader->stopping)
        reader->host->handlers.opened(reader->host->ctx, reader->ctx);
}

static void on_detached(struct reader *reader, pn_condition_t *condition)
{
    char what[192];
    (void)snprintf(what, sizeof what, "the hub has ended the reading of partition %s",
                   reader->partition);
    struct error why;
    enum source_end end =
        condition_explain(what, slice_from(pn_condition_get_name(condition)),
                          slice_from(pn_condition_get_description(condition)), &why);
    finish(reader, end, &why);
}

static void on_event(struct wire_link *link, pn_event_type_t type)
{
    struct reader *reader = of_link(link);
    switch (type) {
    case PN_DELIVERY:
        take_deliveries(reader);
        break;
    case PN_LINK_REMOTE_OPEN:
        on_attached(reader);
        break;
    case PN_LINK_REMOTE_CLOSE:
    case PN_LINK_REMOTE_DETACH:
        on_detached(reader, pn_link_remote_condition(reader->link));
        break;
    case PN_SESSION_REMOTE_CLOSE:
        on_detached(reader, pn_session_remote_condition(reader->session));
        break;
    default:
        break;
    }
}

static pn_bytes_t bytes_of(const char *text)
{
    return pn_bytes(strlen(text), text);
}

/* The filter that says where to start: amqp.annotation.x-opt-offset > '<offset>'. */
static void put_filter(pn_data_t *filter, struct source_position position)
{
    struct slice offset = position.kind == SOURCE_AT_EARLIEST ? SLICE_LITERAL("-1")
                          : position.kind == SOURCE_AT_LATEST ? SLICE_LITERAL("@latest")
                                                              : position.offset;
    char *expression = xasprintf("amqp.annotation.x-opt-offset > '%.*s'", (int)offset.n, offset.p);
    (void)pn_data_put_map(filter);
    (void)pn_data_enter(filter);
    (void)pn_data_put_symbol(filter, bytes_of("apache.org:selector-filter:string"));
    (void)pn_data_put_described(filter);
    (void)pn_data_enter(filter);
    (void)pn_data_put_ulong(filter, UINT64_C(0x0000468C00000004));
    (void)pn_data_put_string(filter, bytes_of(expression));
    (void)pn_data_exit(filter);
    (void)pn_data_exit(filter);
    free(expression);
}

static void put_properties(pn_data_t *properties, const char *node, int64_t token)
{
    (void)pn_data_put_map(properties);
    (void)pn_data_enter(properties);
    (void)pn_data_put_symbol(properties, bytes_of("com.microsoft:receiver-name"));
    (void)pn_data_put_string(properties, bytes_of(node));
    (void)pn_data_put_symbol(properties, bytes_of("com.microsoft:epoch"));
    (void)pn_data_put_long(properties, token);
    (void)pn_data_exit(properties);
}

static void attach(struct reader *reader, int64_t token, struct source_position position)
{
    struct reader_host *host = reader->host;
    uint64_t unique;
    random_secret(&unique, sizeof unique);
    char *address =
        xasprintf("%s/ConsumerGroups/%s/Partitions/%s", host->hub, host->group, reader->partition);
    char *name = xasprintf("%s-%016" PRIx64, address, unique);
    reader->session = pn_session(wire_connection(host->wire));
    pn_session_set_incoming_capacity(reader->session, host->window_bytes);
    pn_session_set_context(reader->session, &reader->link_events);
    pn_session_open(reader->session);
    reader->link = pn_receiver(reader->session, name);
    pn_link_set_context(reader->link, &reader->link_events);
    pn_terminus_set_address(pn_link_source(reader->link), address);
    pn_terminus_set_address(pn_link_target(reader->link), host->node);
    put_filter(pn_terminus_filter(pn_link_source(reader->link)), position);
    put_properties(pn_link_properties(reader->link), host->node, token);
    pn_link_set_snd_settle_mode(reader->link, PN_SND_SETTLED);
    pn_link_set_max_message_size(reader->link, EVENTHUBS_MESSAGE_BYTES);
    pn_link_open(reader->link);
    free(address);
    free(name);
}

static struct reader *create(struct reader_host *host, const struct source_kind *kind,
                             struct slice partition, void *reader_ctx)
{
    struct reader *reader = xcalloc(1, sizeof *reader);
    reader->base.kind = kind;
    reader->link_events.event = on_event;
    reader->host = host;
    reader->ctx = reader_ctx;
    reader->partition = xstrndup(partition.p, partition.n);
    buffer_init(&reader->partial, EVENTHUBS_MESSAGE_BYTES);
    DL_APPEND(host->readers, reader);
    return reader;
}

struct source_reader *reader_stillborn(struct reader_host *host, const struct source_kind *kind,
                                       struct slice partition, void *reader_ctx,
                                       enum source_end end, const struct error *why)
{
    struct reader *reader = create(host, kind, partition, reader_ctx);
    finish(reader, end, why);
    return &reader->base;
}

/* A text that can stand between the quotes of a filter. */
static bool is_offset(struct slice offset)
{
    for (size_t i = 0; i < offset.n; i++)
        if ((unsigned char)offset.p[i] < ' ' || offset.p[i] == '\'')
            return false;
    return offset.n > 0 && offset.n <= 256;
}

struct source_reader *reader_open(struct reader_host *host, const struct source_kind *kind,
                                  struct slice partition, int64_t token,
                                  struct source_position position, uint32_t credit,
                                  void *reader_ctx)
{
    if (position.kind == SOURCE_AFTER_OFFSET && !is_offset(position.offset)) {
        struct error why;
        error_set(&why, "the checkpoint of partition %.*s holds no offset", (int)partition.n,
                  partition.p);
        error_hint(&why, "Decide where to start: earliest, latest, or an offset of the hub.");
        return reader_stillborn(host, kind, partition, reader_ctx, SOURCE_END_BAD_OFFSET, &why);
    }
    struct reader *reader = create(host, kind, partition, reader_ctx);
    attach(reader, token, position);
    reader_credit(&reader->base, credit);
    wake(host);
    return &reader->base;
}

/* --- the calls --- */

void reader_credit(struct source_reader *base, uint32_t more)
{
    struct reader *reader = of_base(base);
    if (reader->session == NULL || more == 0)
        return;
    reader->credit_due += more;
    set_busy(reader);
}

void reader_hold(struct source_reader *base, bool hold)
{
    struct reader *reader = of_base(base);
    reader->held = hold;
    if (!hold && reader->backlog)
        set_busy(reader);
}

void reader_stop(struct source_reader *base)
{
    struct reader *reader = of_base(base);
    reader->stopping = true;
    reader->held = false; /* what still arrives is thrown away */
    if (reader->session == NULL) {
        reader->end = SOURCE_END_CLOSED;
        error_set(&reader->why, "closed as asked");
        return;
    }
    reader->stopping_until_us = clock_now_us() + EVENTHUBS_DETACH_US;
    pn_link_close(reader->link);
    wake(reader->host);
}

static void serve(struct reader *reader)
{
    struct wire *wire = reader->host->wire;
    if (reader->backlog && !reader->held) {
        if (wire_has_budget(wire))
            take_deliveries(reader);
        else
            set_busy(reader);
    }
    if (reader->link != NULL && reader->credit_due > 0 && !reader->stopping) {
        pn_link_flow(reader->link, (int)reader->credit_due);
        reader->credit_due = 0;
    }
}

bool reader_host_turn(struct reader_host *host)
{
    /* Each once: who is still busy afterwards stands at the end of the list again. */
    struct reader *reader;
    size_t count;
    DL_COUNT2(host->busy, reader, count, busy_next);
    for (; count > 0 && host->busy != NULL; count--) {
        reader = host->busy;
        clear_busy(reader);
        serve(reader);
    }
    report_ended(host);
    return host->busy != NULL;
}

void reader_host_tick(struct reader_host *host, int64_t now_us)
{
    struct reader *reader, *next;
    DL_FOREACH_SAFE(host->readers, reader, next)
    {
        if (reader->stopping && now_us >= reader->stopping_until_us)
            finish(reader, SOURCE_END_CLOSED, NULL);
    }
}

void reader_host_lost(struct reader_host *host, enum source_end end, const struct error *why)
{
    struct reader *reader, *next;
    DL_FOREACH_SAFE(host->readers, reader, next)
    {
        finish(reader, end, why);
    }
    report_ended(host);
}

static void free_all(struct reader *head)
{
    struct reader *reader, *next;
    DL_FOREACH_SAFE(head, reader, next)
    {
        reader_free(reader);
    }
}

void reader_host_free(struct reader_host *host)
{
    free_all(host->readers);
    free_all(host->ended);
    buffer_free(&host->scratch);
    buffer_free(&host->joined);
}
