#include "source/eventhubs/discovery.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/vault.h"
#include "source/eventhubs/conditions.h"
#include "source/eventhubs/limits.h"
#include "source/eventhubs/replies.h"
#include "source/eventhubs/tokens.h"

#include <proton/condition.h>
#include <proton/link.h>
#include <proton/session.h>

#include <stdlib.h>

#define TOKEN_S 600
#define PORT_TLS 5671

static const char MANAGEMENT[] = "/$management";

struct discovery {
    struct wire_link events; /* of session and link */
    struct discovery_handlers handlers;
    const struct connection_string *iot_hub;
    struct wire *wire;
    struct tokens *tokens;
    pn_session_t *session;
    pn_link_t *link; /* NULL: no token yet */
    int64_t until_us;
    bool found;
    struct connection_string endpoint;
};

/* --- the answer --- */

/* Cuts "<scheme>://" and what follows up to the first slash off an address. */
static struct slice cut_authority(struct slice *address)
{
    const char *scheme = address->n ? memmem(address->p, address->n, "://", 3) : NULL;
    if (scheme == NULL)
        return (struct slice){NULL, 0};
    size_t before = (size_t)(scheme - address->p) + 3;
    struct slice rest = {address->p + before, address->n - before};
    const char *slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
    size_t n = slash ? (size_t)(slash - rest.p) : rest.n;
    *address = (struct slice){rest.p + n, rest.n - n};
    return (struct slice){rest.p, n};
}

/* A name of a host or an event hub, as it may stand in addresses and tokens. */
static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              strchr("-._", c) != NULL) ||
            c == '\0')
            return false;
    }
    return name.n > 0 && name.n <= 256;
}

static bool cut_end(struct slice *text, const char *end)
{
    size_t n = strlen(end);
    if (text->n < n || memcmp(text->p + text->n - n, end, n) != 0)
        return false;
    text->n -= n;
    return true;
}

bool discovery_endpoint(const struct redirect *redirect, const struct connection_string *iot_hub,
                        struct connection_string *out, struct error *err)
{
    struct slice path = redirect->address;
    struct slice authority = cut_authority(&path);
    const char *colon = authority.n ? memchr(authority.p, ':', authority.n) : NULL;
    struct slice host = redirect->host.n > 0           ? redirect->host
                        : redirect->network_host.n > 0 ? redirect->network_host
                        : colon ? (struct slice){authority.p, (size_t)(colon - authority.p)}
                                : authority;
    int64_t port = redirect->port;
    if (port == 0 && colon != NULL)
        port =
            reply_port((struct slice){colon + 1, (size_t)(authority.p + authority.n - colon - 1)});
    if (port == 0)
        port = PORT_TLS;
    /* "/<event hub>/$management", or "/<event hub>/" when asked for the events themselves */
    if (!cut_end(&path, MANAGEMENT))
        (void)cut_end(&path, "/");
    struct slice hub =
        path.n > 0 && *path.p == '/' ? (struct slice){path.p + 1, path.n - 1} : SLICE_LITERAL("");
    if (!is_name(hub) || !is_name(host) || port < 1 || port > UINT16_MAX) {
        error_set(err, "the IoT hub %s names no endpoint to read from", iot_hub->host);
        error_detail(err, "Its redirect leads to '%.*s'.",
                     (int)(redirect->address.n > 200 ? 200 : redirect->address.n),
                     redirect->address.n ? redirect->address.p : "");
        error_hint(err, "Use the connection string of the built-in endpoint instead.");
        return false;
    }
    *out = (struct connection_string){.host = xstrndup(host.p, host.n),
                                      .authority = xstrndup(host.p, host.n),
                                      .hub = xstrndup(hub.p, hub.n),
                                      .key_name = xstrdup(iot_hub->key_name),
                                      .key = vault_copy(iot_hub->key, strlen(iot_hub->key)),
                                      .port = (uint16_t)port,
                                      .plain = iot_hub->plain};
    return true;
}

static void on_refused(struct discovery *discovery, pn_condition_t *condition)
{
    struct error why;
    struct slice name = slice_from(pn_condition_get_name(condition));
    if (!slice_equal(name, SLICE_LITERAL("amqp:link:redirect"))) {
        enum source_end end =
            condition_explain("the IoT hub does not tell its endpoint", name,
                              slice_from(pn_condition_get_description(condition)), &why);
        wire_fail(discovery->wire, end, &why);
        return;
    }
    struct redirect redirect = {0};
    reply_redirect(pn_condition_info(condition), &redirect);
    discovery->found =
        discovery_endpoint(&redirect, discovery->iot_hub, &discovery->endpoint, &why);
    /* The connection has done its work either way. */
    if (discovery->found)
        error_set(&why, "the endpoint is found");
    wire_fail(discovery->wire, SOURCE_END_REFUSED, &why);
}

/* --- the way there --- */

static void on_event(struct wire_link *events, pn_event_type_t type)
{
    struct discovery *discovery = (struct discovery *)events;
    if (type == PN_LINK_REMOTE_CLOSE || type == PN_LINK_REMOTE_DETACH)
        on_refused(discovery, pn_link_remote_condition(discovery->link));
    else if (type == PN_SESSION_REMOTE_CLOSE)
        on_refused(discovery, pn_session_remote_condition(discovery->session));
}

static void on_failed(void *ctx, enum source_end end, const struct error *why)
{
    struct discovery *discovery = ctx;
    wire_fail(discovery->wire, end, why);
}

static void on_ready(void *ctx)
{
    struct discovery *discovery = ctx;
    if (discovery->link != NULL)
        return;
    char *address = xasprintf("amqps://%s/messages/events%s", discovery->iot_hub->host, MANAGEMENT);
    discovery->link = pn_receiver(discovery->session, "holdfast-discovery");
    pn_link_set_context(discovery->link, &discovery->events);
    pn_terminus_set_address(pn_link_source(discovery->link), address);
    pn_link_open(discovery->link);
    pn_link_flow(discovery->link,
                 1); /* some services look at a link only when it wants something */
    free(address);
}

static void on_opened(void *ctx)
{
    struct discovery *discovery = ctx;
    discovery->session = pn_session(wire_connection(discovery->wire));
    pn_session_set_context(discovery->session, &discovery->events);
    pn_session_open(discovery->session);
    tokens_start(discovery->tokens, discovery->session);
}

static bool on_turn(void *ctx)
{
    (void)ctx;
    return false;
}

static void on_closed(void *ctx, enum source_end end, const struct error *why)
{
    struct discovery *discovery = ctx;
    if (discovery->found)
        discovery->handlers.found(discovery->handlers.ctx, &discovery->endpoint);
    else
        discovery->handlers.failed(discovery->handlers.ctx, end, why);
}

struct discovery *discovery_start(struct event_base *base, struct evdns_base *dns,
                                  const struct wire_config *config,
                                  const struct connection_string *iot_hub,
                                  struct discovery_handlers handlers)
{
    struct discovery *discovery = xcalloc(1, sizeof *discovery);
    discovery->events.event = on_event;
    discovery->handlers = handlers;
    discovery->iot_hub = iot_hub;
    discovery->until_us = clock_now_us() + EVENTHUBS_SETUP_US;
    struct tokens_handlers token_handlers = {discovery, on_ready, on_failed};
    discovery->tokens = tokens_create(iot_hub, TOKEN_S, token_handlers);
    tokens_want(discovery->tokens, "");
    struct wire_handlers wire_handlers = {discovery, on_opened, on_turn, on_closed};
    discovery->wire = wire_open(base, dns, config, wire_handlers);
    return discovery;
}

void discovery_tick(struct discovery *discovery, int64_t now_us)
{
    if (now_us < discovery->until_us)
        return;
    struct error why;
    error_set(&why, "the IoT hub %s does not tell its endpoint", discovery->iot_hub->host);
    error_detail(&why, "No answer within %d s.", (int)(EVENTHUBS_SETUP_US / SECOND_US));
    error_hint(&why, "Is HostName the name of an IoT hub? The node tries again.");
    wire_fail(discovery->wire, SOURCE_END_LOST, &why);
}

void discovery_free(struct discovery *discovery)
{
    if (discovery == NULL)
        return;
    tokens_free(discovery->tokens);
    wire_free(discovery->wire);
    connection_string_free(&discovery->endpoint);
    free(discovery);
}
