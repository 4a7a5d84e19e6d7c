#include "node/flow.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "core/event.h"
#include "core/unzip.h"
#include "node/binder.h"
#include "node/destination.h"
#include "node/destinations.h"
#include "node/grants.h"
#include "node/heartbeats.h"
#include "node/hubs.h"
#include "node/instruments.h"
#include "node/office.h"
#include "node/parts.h"
#include "node/payload.h"
#include "node/replays.h"
#include "store/configuration.h"

#include <stdio.h>
#include <utlist.h>

/* An event as it goes through the stages, whoever owns it. The message is borrowed, and whole: each
 * stage reads of it what it needs, the sender's properties one by one. */
struct event_view {
    void *owner;
    uint64_t ticket;
    const struct source_message *message;
};

/* ---- ways out ----------------------------------------------------------------------------- */

static void finish(struct event_view *event)
{
    const struct owner *owner = event->owner;
    if (owner->kind == OWNER_GRANT)
        grant_complete(event->owner, event->ticket);
    else
        replay_completed(event->owner);
}

static void give_up(struct node_parts *node, const struct event_view *event, const char *reason,
                    const char *detail)
{
    const struct owner *owner = event->owner;
    if (owner->kind == OWNER_REPLAY) {
        bool unbound = strcmp(reason, "unbound") == 0;
        replay_settle(event->owner, unbound ? "unbound" : "refused", detail);
        return;
    }
    office_keep_event(node->office, event->owner, event->ticket, event->message, reason, detail);
}

/* The body is no JSON object; perhaps because it was never meant to be read as text. */
static void give_up_body(struct node_parts *node, const struct event_view *event,
                         const struct error *why)
{
    char detail[sizeof why->message + 128];
    struct slice encoding = event->message->content_encoding;
    if (event_is_utf8(encoding) || unzip_is(event->message->body)) {
        give_up(node, event, "unparsable", why->message);
        return;
    }
    (void)snprintf(detail, sizeof detail, "the body is encoded as '%.*s', which is not read: %s",
                   (int)(encoding.n < 64 ? encoding.n : 64), encoding.p, why->message);
    give_up(node, event, "unparsable", detail);
}

/* ---- the way in --------------------------------------------------------------------------- */

/* One parcel for each Thing, none of them pushed yet: NULL if some rows pass the ceiling. */
static struct parcel *make_parcels(struct node_parts *node, const struct event_view *event)
{
    const struct source_message *message = event->message;
    struct parcel_origin origin = {.partition = event->owner,
                                   .ticket = event->ticket,
                                   .sequence = message->sequence,
                                   .enqueued_ms = message->enqueued_ms,
                                   .offset = message->offset,
                                   .device = message->device,
                                   .module = message->module,
                                   .pool = &node->parcels};
    uint32_t count = payload_things(node->payload);
    struct bundle *bundle = NULL;
    struct parcel *parcels = NULL, *parcel, *next;
    for (uint32_t i = 0; i < count; i++) {
        const struct rows *rows = payload_rows(node->payload, i, &origin.thing);
        if (rows == NULL) {
            DL_FOREACH_SAFE(parcels, parcel, next)
            {
                parcel_free(parcel);
            }
            return NULL;
        }
        parcel = parcel_create(rows, &origin);
        parcel->repeats = payload_is_opcua(node->payload);
        if (count > 1)
            parcel_join(parcel, &bundle);
        DL_APPEND(parcels, parcel);
    }
    return parcels;
}

/* Adds what the event says of its device to what it says itself: the event is complete when both
 * are. */
static void add_heartbeat(const struct event_view *event, const struct fleet_config *fleet,
                          const struct lane_key *key, struct parcel **parcels)
{
    const struct owner *owner = event->owner;
    if (fleet->heartbeat_count == 0 || owner->kind != OWNER_GRANT)
        return;
    struct parcel *beat = heartbeats_heard(grant_beats(event->owner), event->owner, event->ticket,
                                           fleet, event->message, key);
    if (beat == NULL)
        return;
    if (*parcels != NULL) {
        struct bundle *bundle = (*parcels)->bundle;
        if (bundle == NULL)
            parcel_join(*parcels, &bundle);
        parcel_join(beat, &bundle);
    }
    DL_APPEND(*parcels, beat);
}

static bool read_payload(struct node_parts *node, const struct fleet_config *fleet,
                         const struct event_view *event, struct slice thing, struct error *why)
{
    const struct owner *owner = event->owner;
    const struct source_message *message = event->message;
    if (owner->kind == OWNER_REPLAY && replay_is_row(event->owner))
        return payload_read_row(node->payload, message->body, replay_thing(event->owner), why);
    return payload_read(node->payload, fleet, message, thing, why);
}

static void deliver(struct node_parts *node, const struct fleet_config *fleet,
                    struct event_view *event, const struct lane_key *key)
{
    struct destination *destination = destinations_find(node->destinations, fleet->destination);
    if (destination == NULL) {
        give_up(node, event, "refused", "the fleet of the device has no destination");
        return;
    }
    struct error why;
    lanes_expect(destination_lanes(destination), key);
    if (!read_payload(node, fleet, event, key->thing, &why)) {
        give_up_body(node, event, &why);
        return;
    }
    lanes_expect_soon(destination_lanes(destination), key);
    struct parcel *parcels = make_parcels(node, event), *parcel, *next;
    if (parcels == NULL && payload_things(node->payload) > 0) {
        give_up(node, event, "unparsable", "the rows of the event are too long");
        return;
    }
    add_heartbeat(event, fleet, key, &parcels);
    if (parcels == NULL) {
        finish(event);
        return;
    }
    DL_FOREACH_SAFE(parcels, parcel, next)
    {
        struct lane_key other = parcel->thing.n > 0 ? lane_key(parcel->thing) : *key;
        DL_DELETE(parcels, parcel);
        destination_push(destination, &other, parcel);
    }
}

static void route(struct node_parts *node, const char *fleet_name, struct event_view *event)
{
    const struct fleet_config *fleet = configuration_fleet(node->configuration, fleet_name);
    const struct lane_key *key = NULL;
    const struct source_message *message = event->message;
    if (fleet == NULL) {
        give_up(node, event, "refused", "the fleet of the device is not configured any more");
        return;
    }
    switch (binder_find(node->binder, fleet_name, message->device, message->module, &key)) {
    case BINDING_BOUND:
        deliver(node, fleet, event, key);
        break;
    case BINDING_UNBOUND:
        give_up(node, event, "unbound", "no rule and no row binds the device to a Thing");
        break;
    case BINDING_PENDING:
        binder_wait(node->binder, fleet_name, event->owner, event->ticket, message);
        break;
    }
}

/* The database holds names as UTF-8 without NUL; any other name could not be looked up. */
static bool is_name(struct slice text)
{
    while (text.n > 0) {
        size_t n = text.p[0] == '\0' ? 0 : utf8_length(text);
        if (n == 0)
            return false;
        text.p += n;
        text.n -= n;
    }
    return true;
}

void flow_message(struct node_parts *node, struct grant *grant, uint64_t ticket,
                  const struct source_message *message)
{
    struct event_view event = {grant, ticket, message};
    if (message->unreadable) {
        give_up(node, &event, "unparsable", "the message is not readable AMQP");
        return;
    }
    if (!event_is_telemetry(message->message_source)) {
        node->counts.events_skipped++;
        finish(&event);
        return;
    }
    if (!is_name(message->device) || !is_name(message->module)) {
        give_up(node, &event, "unparsable", "the name of the device is not valid UTF-8");
        return;
    }
    if (message->device.n == 0) {
        give_up(node, &event, "unbound", "the event names no device");
        return;
    }
    route(node, hub_fleet(grant_hub(grant)), &event);
}

/* The name of the fleet that an owner's events are of by now; NULL if there is none. */
static const char *fleet_of(const void *partition)
{
    const struct owner *owner = partition;
    if (owner == NULL || owner->kind == OWNER_HEARTBEAT)
        return NULL;
    if (owner->kind == OWNER_REPLAY)
        return replay_fleet(partition);
    const struct hub *hub = grant_hub(partition);
    return hub != NULL ? hub_fleet(hub) : NULL;
}

void flow_resolved(struct node_parts *node, const char *fleet, const struct waiting_event *waiting)
{
    struct event_view event = {waiting->owner, waiting->ticket, &waiting->message};
    /* The hub may be of another fleet by now, and the one that was asked be gone. */
    const char *now =
        configuration_fleet(node->configuration, fleet) == NULL ? fleet_of(waiting->owner) : NULL;
    route(node, now != NULL ? now : fleet, &event);
}

const struct fleet_config *flow_fleet(const struct node_parts *node, const struct parcel *parcel)
{
    const char *fleet = fleet_of(parcel->partition);
    return fleet != NULL ? configuration_fleet(node->configuration, fleet) : NULL;
}

/* ---- the way back ------------------------------------------------------------------------- */

void flow_completed(struct node_parts *node, struct parcel *parcel, struct metric *latency)
{
    const struct owner *owner = parcel->partition;
    if (owner == NULL || !parcel_completes(parcel))
        return;
    if (owner->kind == OWNER_REPLAY) {
        replay_completed(parcel->partition);
        return;
    }
    if (owner->kind == OWNER_HEARTBEAT) {
        heartbeats_told(parcel->partition, parcel);
        return;
    }
    node->counts.events_delivered++;
    instrument_span(latency, (node->wall_ms - parcel->enqueued_ms) * MS_US);
    grant_complete(parcel->partition, parcel->ticket);
}

void flow_refused(struct node_parts *node, struct destination *destination, struct parcel *parcel,
                  uint32_t row, const char *reason, const char *detail)
{
    const struct owner *owner = parcel->partition;
    if (owner == NULL) {
        destination_row_done(destination, parcel);
        return;
    }
    if (owner->kind == OWNER_REPLAY) {
        replay_refused(parcel->partition, detail);
        destination_row_done(destination, parcel);
        return;
    }
    if (owner->kind == OWNER_HEARTBEAT) {
        heartbeats_refused(parcel->partition, parcel, detail);
        destination_row_done(destination, parcel);
        return;
    }
    office_keep_row(node->office, destination, parcel, row, reason, detail);
}
