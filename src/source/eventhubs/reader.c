#include "source/eventhubs/reader.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "source/amqp_scan.h"
#include "source/eventhubs/conditions.h"
#include "source/eventhubs/limits.h"
#include "source/eventhubs/pauses.h"
#include "source/eventhubs/receiver_link.h"
#include "source/eventhubs/whereabouts.h"

#include <proton/condition.h>
#include <proton/delivery.h>
#include <proton/link.h>
#include <proton/session.h>

#include <event2/event.h>

#include <stdlib.h>
#include <utlist.h>

struct reader {
    struct source_reader base;
    struct wire_link link_events; /* the context of link and session */
    struct reader_host *host;
    void *ctx;
    char *partition;
    int64_t token;
    struct source_position position;
    char *offset;          /* of the position */
    int64_t attach_at_us;  /* while it waits for a pause to end; else 0 */
    pn_session_t *session; /* NULL: not attached yet, or ended */
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
    host->pauses = pauses_create(host->random);
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
    reader->attach_at_us = 0;
    DL_DELETE(reader->host->readers, reader);
    DL_APPEND(reader->host->ended, reader);
    /* Perhaps not for ever: the owner tries again, where the hub is by then. */
    bool moved = end == SOURCE_END_NOT_FOUND && reader->host->whereabouts != NULL &&
                 whereabouts_missed(reader->host->whereabouts, clock_now_us());
    end = moved ? SOURCE_END_LOST : end;
    reader->end = reader->stopping ? SOURCE_END_CLOSED : end;
    if (reader->end == SOURCE_END_CLOSED)
        error_set(&reader->why, "closed as asked");
    else
        reader->why = *why;
    if (moved)
        error_hint(&reader->why, "The IoT hub is asked where its endpoint is by now.");
    reader->host->counters->stolen += reader->end == SOURCE_END_STOLEN;
    reader->host->counters->busy += reader->end == SOURCE_END_BUSY;
    pauses_add(reader->host->pauses, slice_from(reader->partition), reader->end, clock_now_us());
    wake(reader->host);
}

static void reader_free(struct reader *reader)
{
    buffer_free(&reader->partial);
    free(reader->partition);
    free(reader->offset);
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

/* Kept, not skipped: the owner gets all its bytes, and its place in the log. */
static void note_unreadable(struct reader *reader, const struct source_message *message)
{
    reader->host->counters->unreadable++;
    struct error why;
    error_set(&why, "a message of the hub cannot be read");
    error_detail(&why, "The encoding of its %zu bytes makes no sense.", message->wire_bytes);
    error_hint(&why, "It is handed over as it came, and kept as a dead letter.");
    log_error(reader->host->log, "message unreadable", &why, F_TEXT("hub", reader->host->hub_name),
              F_TEXT("partition", reader->partition), F_NUMBER("sequence", message->sequence));
}

/* There is no way past it that loses nothing: the place in the log is what comes next. */
static void bad_message(struct reader *reader, size_t bytes, const char *trouble)
{
    struct error why;
    error_set(&why, "partition %s holds a message that cannot be placed", reader->partition);
    error_detail(&why, "Its %zu bytes %s.", bytes, trouble);
    error_hint(&why, "Nothing is skipped. Is the endpoint an Event Hubs-compatible one? To go on "
                     "behind the message, set the partition's checkpoint.");
    finish(reader, SOURCE_END_BAD_MESSAGE, &why);
}

static void hand_over(struct reader *reader, struct slice bytes)
{
    struct reader_host *host = reader->host;
    struct source_message message;
    if (host->handlers.raw != NULL) {
        host->handlers.raw(host->ctx, reader->ctx, bytes);
        return;
    }
    bool readable = amqp_scan(bytes, &host->joined, &message);
    if (message.offset.n == 0 || message.sequence < 0) {
        bad_message(reader, bytes.n, "name no offset and sequence number");
        return;
    }
    if (!readable) {
        message.unreadable = true;
        message.body = bytes;
        note_unreadable(reader, &message);
    }
    host->counters->messages++;
    host->counters->bytes += bytes.n;
    host->handlers.message(host->ctx, reader->ctx, &message);
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
        bad_message(reader, reader->partial.n + n, "and those to come are too many");
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

/* Takes what has arrived, as far as the turn allows. What still arrives for a link that is closed
 * stays where it is, within the window, and goes with the session: settled when the window is used
 * up, it would make Proton (0.37) renew the window in the name of that link, by a handle that does
 * not exist, and the hub close the connection. */
static void take_deliveries(struct reader *reader)
{
    struct wire *wire = reader->host->wire;
    reader->backlog = false;
    while (!reader->stopping && reader->link != NULL && !reader->held) {
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

static void attach(struct reader *reader)
{
    struct reader_host *host = reader->host;
    const struct receiver_link what = {.hub = host->hub,
                                       .group = host->group,
                                       .partition = reader->partition,
                                       .node = host->node,
                                       .token = reader->token,
                                       .position = reader->position};
    reader->attach_at_us = 0;
    reader->session = pn_session(wire_connection(host->wire));
    pn_session_set_incoming_capacity(reader->session, host->window_bytes);
    pn_session_set_context(reader->session, &reader->link_events);
    pn_session_open(reader->session);
    reader->link = receiver_link_create(reader->session, &what);
    pn_link_set_context(reader->link, &reader->link_events);
    pn_link_open(reader->link);
    if (reader->credit_due > 0)
        set_busy(reader);
    wake(host);
}

/* At once, unless the partition has a pause. */
static void attach_in_time(struct reader *reader)
{
    reader->attach_at_us = pauses_until(reader->host->pauses, slice_from(reader->partition));
    if (reader->attach_at_us <= clock_now_us())
        attach(reader);
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

struct source_reader *reader_open(struct reader_host *host, const struct source_kind *kind,
                                  struct slice partition, int64_t token,
                                  struct source_position position, uint32_t credit,
                                  void *reader_ctx)
{
    if (position.kind == SOURCE_AFTER_OFFSET && !receiver_link_is_offset(position.offset)) {
        struct error why;
        error_set(&why, "the checkpoint of partition %.*s holds no offset", (int)partition.n,
                  partition.p);
        error_hint(&why, "Decide where to start: earliest, latest, or an offset of the hub.");
        return reader_stillborn(host, kind, partition, reader_ctx, SOURCE_END_BAD_OFFSET, &why);
    }
    struct reader *reader = create(host, kind, partition, reader_ctx);
    reader->token = token;
    reader->position = position;
    if (position.kind == SOURCE_AFTER_OFFSET) {
        reader->offset = xstrndup(position.offset.p, position.offset.n);
        reader->position.offset = slice_from(reader->offset);
    }
    reader->credit_due = credit;
    attach_in_time(reader);
    return &reader->base;
}

/* --- the calls --- */

void reader_credit(struct source_reader *base, uint32_t more)
{
    struct reader *reader = of_base(base);
    if (more == 0 || (reader->session == NULL && reader->attach_at_us == 0))
        return;
    reader->credit_due += more;
    if (reader->session != NULL)
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
    reader->held = false;
    if (reader->attach_at_us != 0) {
        finish(reader, SOURCE_END_CLOSED, NULL);
        return;
    }
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
        else if (reader->attach_at_us != 0 && now_us >= reader->attach_at_us)
            attach(reader);
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
    pauses_free(host->pauses);
}
