#include "hub/links.h"

#include "base/clock.h"
#include "base/memory.h"
#include "hub/publisher.h"
#include "hub/reader.h"
#include "hub/redirect.h"
#include "hub/service.h"

#include <proton/condition.h>
#include <proton/delivery.h>
#include <proton/terminus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

static void set_condition(pn_link_t *link, const char *condition, const char *text)
{
    pn_condition_t *c = pn_link_condition(link);
    (void)pn_condition_set_name(c, condition);
    (void)pn_condition_set_description(c, text);
}

void links_refuse(pn_link_t *link, const char *condition, const char *text)
{
    pn_link_open(link);
    links_close(link, condition, text);
}

void links_close(pn_link_t *link, const char *condition, const char *text)
{
    pn_link_set_context(link, NULL);
    set_condition(link, condition, text);
    pn_link_close(link);
}

bool links_allowed(const struct connection *c, const char *path)
{
    if (c->hub->options.key == NULL)
        return true;
    char *whole = xasprintf("%s%s%s", c->hub->options.name, *path ? "/" : "", path);
    bool exact = settings_differs(&c->hub->options.settings, SETTING_TOKEN_SCOPE);
    bool allowed =
        authority_allows(&c->access, AUDIENCE_EVENT_HUB, whole, exact, clock_wall_us() / SECOND_US);
    free(whole);
    return allowed;
}

/* The part of an address behind the hub's name, without slashes at the ends; NULL when it is not
 * this hub's. An address may come as a URL. */
static const char *path_in_hub(const struct hub *hub, const char *address)
{
    const char *scheme = strstr(address, "://");
    if (scheme != NULL) {
        address = scheme + 3;
        address += strcspn(address, "/");
    }
    address += strspn(address, "/");
    size_t n = strlen(hub->options.name);
    if (strncasecmp(address, hub->options.name, n) != 0)
        return NULL;
    address += n;
    return *address == '\0' ? address : *address == '/' ? address + 1 : NULL;
}

/* Skips `word` and a slash, in any case of letters; NULL if the path does not begin so. */
static const char *skip(const char *path, const char *word)
{
    size_t n = strlen(word);
    if (path == NULL || strncasecmp(path, word, n) != 0 || path[n] != '/')
        return NULL;
    return path + n + 1;
}

static void refuse_unknown(struct connection *c, pn_link_t *link, const char *address)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "The messaging entity 'sb://localhost/%.200s' could not be found. "
                   "TrackingId:%s_G0",
                   address, c->hub->instance);
    links_refuse(link, "amqp:not-found", text);
}

/* The hub and the consumer group are there, the partition is not. */
static void refuse_partition(struct connection *c, pn_link_t *link, const char *address)
{
    char text[256];
    const struct settings *settings = &c->hub->options.settings;
    if (!settings_differs(settings, SETTING_UNKNOWN_PARTITION)) {
        refuse_unknown(c, link, address);
        return;
    }
    (void)snprintf(text, sizeof text,
                   "The specified partition is invalid for an EventHub partition sender or "
                   "receiver. It should be between 0 and %d. TrackingId:%s_G0",
                   c->hub->options.partitions - 1, c->hub->instance);
    links_refuse(link, settings_text(settings, SETTING_UNKNOWN_PARTITION), text);
}

static void open_reader(struct connection *c, pn_link_t *link, const char *address)
{
    const char *group = skip(path_in_hub(c->hub, address), "ConsumerGroups");
    size_t group_n = group ? strcspn(group, "/") : 0;
    const char *id = group ? skip(group + group_n + (group[group_n] == '/'), "Partitions") : NULL;
    struct partition *partition = id ? hub_partition(c->hub, slice_from(id)) : NULL;
    if (id == NULL || group_n == 0 || group_n > 50) {
        refuse_unknown(c, link, address);
        return;
    }
    if (partition == NULL) {
        refuse_partition(c, link, address);
        return;
    }
    char *name = xstrndup(group, group_n);
    reader_attach(c, link, partition, name);
    free(name);
}

static void open_publisher(struct connection *c, pn_link_t *link, const char *address)
{
    const char *path = path_in_hub(c->hub, address);
    const char *id = skip(path, "Partitions");
    struct partition *partition = id ? hub_partition(c->hub, slice_from(id)) : NULL;
    if (path == NULL || (*path != '\0' && partition == NULL))
        refuse_unknown(c, link, address);
    else
        publisher_attach(c, link, partition);
}

static void open_events(struct connection *c, pn_link_t *link, const char *address)
{
    bool out = pn_link_is_sender(link);
    struct buffer text;
    buffer_init(&text, 1024);
    const char *condition = faults_refusal(c->hub, out, &text);
    if (condition != NULL)
        links_refuse(link, condition, buffer_text(&text));
    else if (out)
        open_reader(c, link, address);
    else
        open_publisher(c, link, address);
    buffer_free(&text);
}

static void open_link(struct connection *c, pn_link_t *link)
{
    bool out = pn_link_is_sender(link);
    const char *address =
        pn_terminus_get_address(out ? pn_link_remote_source(link) : pn_link_remote_target(link));
    if (address == NULL)
        links_refuse(link, "amqp:invalid-field", "The link has no address.");
    else if (strcmp(address, "$cbs") == 0)
        service_attach(c, link, LINK_CBS);
    else if (strcmp(address, "$management") == 0)
        service_attach(c, link, LINK_MANAGEMENT);
    else if (out && redirect_is_meant(c->hub, address))
        redirect_answer(c, link);
    else
        open_events(c, link, address);
}

/* The context goes, the link stays. */
static void release_context(pn_link_t *link)
{
    enum link_kind *kind = pn_link_get_context(link);
    if (kind == NULL)
        return;
    pn_link_set_context(link, NULL);
    switch (*kind) {
    case LINK_READER:
        reader_release((struct reader *)kind);
        break;
    case LINK_PUBLISHER:
        publisher_release((struct publisher *)kind);
        break;
    case LINK_CBS:
    case LINK_MANAGEMENT:
        service_release((struct service *)kind);
        break;
    }
}

static void deliver(struct connection *c, pn_delivery_t *delivery)
{
    pn_link_t *link = pn_delivery_link(delivery);
    enum link_kind *kind = pn_link_get_context(link);
    if (pn_link_is_sender(link) || kind == NULL) {
        if (pn_delivery_updated(delivery))
            pn_delivery_settle(delivery);
        return;
    }
    if (*kind == LINK_PUBLISHER)
        publisher_deliver(c, (struct publisher *)kind, delivery);
    else if (*kind == LINK_CBS || *kind == LINK_MANAGEMENT)
        service_deliver(c, (struct service *)kind, delivery);
}

void links_handle(struct connection *c, pn_event_t *event)
{
    pn_link_t *link = pn_event_link(event);
    switch (pn_event_type(event)) {
    case PN_LINK_REMOTE_OPEN:
        open_link(c, link);
        break;
    case PN_LINK_REMOTE_CLOSE:
    case PN_LINK_REMOTE_DETACH:
        release_context(link);
        if (pn_event_type(event) == PN_LINK_REMOTE_CLOSE)
            pn_link_close(link);
        else
            pn_link_detach(link);
        pn_link_free(link);
        break;
    case PN_DELIVERY:
        deliver(c, pn_event_delivery(event));
        break;
    default:
        break; /* a flow is served by the turn that follows every read */
    }
}

void links_release(struct connection *c, pn_session_t *session)
{
    pn_link_t *next;
    for (pn_link_t *link = pn_link_head(c->driver.connection, 0); link != NULL; link = next) {
        next = pn_link_next(link, 0);
        if (session == NULL || pn_link_session(link) == session)
            release_context(link);
    }
}

/* Closes the links of a connection that read or write events, and of which `which` holds. */
static void close_events(struct connection *c, bool (*which)(const enum link_kind *kind),
                         const char *condition, const char *text)
{
    pn_link_t *next;
    for (pn_link_t *link = pn_link_head(c->driver.connection, 0); link != NULL; link = next) {
        next = pn_link_next(link, 0);
        const enum link_kind *kind = pn_link_get_context(link);
        if (kind == NULL || (*kind != LINK_READER && *kind != LINK_PUBLISHER) || !which(kind))
            continue;
        release_context(link);
        links_close(link, condition, text);
    }
}

static bool expired(const enum link_kind *kind)
{
    return *kind == LINK_READER ? !reader_allowed((const struct reader *)kind)
                                : !publisher_allowed((const struct publisher *)kind);
}

void links_expire(struct connection *c)
{
    if (c->hub->options.key != NULL)
        close_events(c, expired, "amqp:unauthorized-access",
                     "The token that this link was opened with has expired.");
}

static bool any(const enum link_kind *kind)
{
    (void)kind;
    return true;
}

void links_close_all(struct hub *hub, const char *condition, const char *text)
{
    struct connection *c;
    DL_FOREACH(hub->connections, c)
    {
        close_events(c, any, condition, text);
        connection_schedule(c);
    }
}
