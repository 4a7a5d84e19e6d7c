#include "node/flow.h"

#include "base/utf8.h"
#include "core/event.h"
#include "core/mapping.h"
#include "node/binder.h"
#include "node/destination.h"
#include "node/destinations.h"
#include "node/grants.h"
#include "node/hubs.h"
#include "node/office.h"
#include "node/parts.h"
#include "node/replays.h"
#include "store/configuration.h"

#include <inttypes.h>
#include <stdio.h>

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
    if (event_is_utf8(encoding)) {
        give_up(node, event, "unparsable", why->message);
        return;
    }
    (void)snprintf(detail, sizeof detail, "the body is encoded as '%.*s', which is not read: %s",
                   (int)(encoding.n < 64 ? encoding.n : 64), encoding.p, why->message);
    give_up(node, event, "unparsable", detail);
}

/* ---- rules for the payload ---------------------------------------------------------------- */

struct property_search {
    struct slice properties;
    char text[32]; /* of a number */
};

/* For mapping_select: a property of the sender's as text. */
static struct slice property_text(void *ctx, struct slice name)
{
    struct property_search *search = ctx;
    struct slice rest = search->properties;
    struct source_property property;
    while (source_next_property(&rest, &property)) {
        if (!slice_equal(property.name, name))
            continue;
        if (property.kind == SOURCE_VALUE_TEXT)
            return property.text;
        if (property.kind == SOURCE_VALUE_BOOLEAN)
            return slice_from(property.integer ? "true" : "false");
        if (property.kind != SOURCE_VALUE_INTEGER)
            break;
        (void)snprintf(search->text, sizeof search->text, "%" PRId64, property.integer);
        return slice_from(search->text);
    }
    return (struct slice){NULL, 0};
}

bool flow_translate(const struct fleet_config *fleet, const struct source_message *message,
                    struct rows *rows, const struct mapping_program **program, struct error *why)
{
    struct translate_rules rules = {.time_member = slice_from(fleet->time_member)};
    int64_t time_ms = event_time_ms(message->creation_ms, message->enqueued_ms);
    *program = NULL;
    if (fleet->mapping != NULL) {
        struct property_search search = {.properties = message->properties};
        struct mapping_event event = {.device = message->device,
                                      .module = message->module,
                                      .subject = message->subject,
                                      .property = property_text,
                                      .ctx = &search};
        *program = mapping_select(fleet->mapping, &event);
    }
    if (*program == NULL)
        return translate(message->body, time_ms, &rules, rows, why);
    return mapping_apply(fleet->mapping, *program, message->body, time_ms, &rules, rows, why);
}

/* ---- the way in --------------------------------------------------------------------------- */

static void deliver(struct node_parts *node, const char *fleet_name, struct event_view *event,
                    const struct lane_key *key)
{
    const struct fleet_config *fleet = configuration_fleet(node->configuration, fleet_name);
    struct destination *destination =
        fleet != NULL ? destinations_find(node->destinations, fleet->destination) : NULL;
    if (destination == NULL) {
        give_up(node, event, "refused", "the fleet of the device has no destination");
        return;
    }
    struct error why;
    const struct mapping_program *program;
    const struct owner *owner = event->owner;
    bool row = owner->kind == OWNER_REPLAY && replay_is_row(event->owner);
    const struct source_message *message = event->message;
    bool ok = row ? translate_row(message->body, &node->rows, &why)
                  : flow_translate(fleet, message, &node->rows, &program, &why);
    if (!ok) {
        give_up_body(node, event, &why);
        return;
    }
    if (node->rows.count == 0) {
        finish(event);
        return;
    }
    struct parcel_origin origin = {.partition = event->owner,
                                   .ticket = event->ticket,
                                   .sequence = message->sequence,
                                   .enqueued_ms = message->enqueued_ms,
                                   .offset = message->offset,
                                   .device = message->device,
                                   .module = message->module};
    destination_push(destination, key, parcel_create(&node->rows, &origin));
}

static void route(struct node_parts *node, const char *fleet, struct event_view *event)
{
    const struct lane_key *key = NULL;
    const struct source_message *message = event->message;
    switch (binder_find(node->binder, fleet, message->device, message->module, &key)) {
    case BINDING_BOUND:
        deliver(node, fleet, event, key);
        break;
    case BINDING_UNBOUND:
        give_up(node, event, "unbound", "no rule and no row binds the device to a Thing");
        break;
    case BINDING_PENDING:
        binder_wait(node->binder, fleet, event->owner, event->ticket, message);
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

void flow_resolved(struct node_parts *node, const char *fleet, const struct waiting_event *waiting)
{
    struct event_view event = {waiting->owner, waiting->ticket, &waiting->message};
    route(node, fleet, &event);
}

/* ---- the way back ------------------------------------------------------------------------- */

void flow_completed(struct node_parts *node, struct parcel *parcel)
{
    const struct owner *owner = parcel->partition;
    if (owner == NULL)
        return;
    if (owner->kind == OWNER_REPLAY) {
        replay_completed(parcel->partition);
        return;
    }
    node->counts.events_delivered++;
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
    office_keep_row(node->office, destination, parcel, row, reason, detail);
}
