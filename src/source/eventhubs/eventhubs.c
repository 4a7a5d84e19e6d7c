#include "source/eventhubs/eventhubs.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/retry.h"
#include "source/eventhubs/conditions.h"
#include "source/eventhubs/connection_string.h"
#include "source/eventhubs/discovery.h"
#include "source/eventhubs/limits.h"
#include "source/eventhubs/management.h"
#include "source/eventhubs/pauses.h"
#include "source/eventhubs/proxy.h"
#include "source/eventhubs/reader.h"
#include "source/eventhubs/tls.h"
#include "source/eventhubs/tokens.h"
#include "source/eventhubs/whereabouts.h"
#include "source/eventhubs/wire.h"

#include <proton/condition.h>
#include <proton/session.h>

#include <event2/event.h>

#include <stdlib.h>

/* Waiting to connect -> connecting (asking an IoT hub for the endpoint; then TCP, TLS, SASL, open,
 * tokens, metadata) -> up -> waiting ... */
enum state { STATE_WAITING, STATE_CONNECTING, STATE_UP };

struct eventhubs {
    struct source base;
    struct event_base *loop;
    struct evdns_base *dns;
    struct connection_string iot_hub;  /* who knows the endpoint; empty if that is given */
    struct connection_string endpoint; /* empty until it is found */
    struct tls_trust *trust;           /* NULL: plain TCP */
    char *proxy_host;                  /* NULL: none */
    uint16_t proxy_port;
    struct discovery *discovery; /* while the IoT hub is asked; also now and then while up */
    struct whereabouts whereabouts;
    struct reader_host host;
    char *name;
    char *group;
    char *node;
    char *container;
    uint32_t idle_ms;
    struct random *random;
    struct log *log;
    enum state state;
    unsigned attempt; /* since it was last up */
    struct refused refused;
    int64_t setup_until_us;
    int64_t metadata_at_us; /* when it is to be read again */
    int64_t wanted_us;      /* metadata that was asked for before is too old */
    bool has_metadata;      /* read on this connection */
    struct wire *wire;
    struct wire_link control; /* hears of the session that follows */
    pn_session_t *session;
    struct tokens *tokens;
    struct management *management;
    char **partitions;
    size_t partition_count;
    struct event *connect; /* when to connect */
    struct event *tick;
    struct event *soon;
};

static void fail(struct eventhubs *hub, enum source_end end, const struct error *why)
{
    if (hub->wire != NULL)
        wire_fail(hub->wire, end, why);
}

static struct timeval wait_of(int64_t us)
{
    return (struct timeval){us / SECOND_US, us % SECOND_US};
}

static void schedule_connect(struct eventhubs *hub, int64_t wait_us)
{
    struct timeval wait = wait_of(wait_us);
    hub->state = STATE_WAITING;
    (void)evtimer_add(hub->connect, &wait);
}

static int64_t retry_wait_us(struct eventhubs *hub, enum source_end end)
{
    if (end == SOURCE_END_REFUSED || end == SOURCE_END_NOT_FOUND)
        return pauses_refused_us(&hub->refused, clock_now_us(), hub->random);
    if (end == SOURCE_END_BUSY)
        return pauses_busy_us(hub->attempt++, hub->random);
    return EVENTHUBS_RETRY_LEAST_US + retry_delay_us(hub->attempt++, EVENTHUBS_RETRY_BASE_US,
                                                     EVENTHUBS_RETRY_CAP_US, hub->random);
}

/* --- the way up --- */

static void want_partition(struct eventhubs *hub, const char *partition)
{
    char *path = xasprintf("/ConsumerGroups/%s/Partitions/%s", hub->group, partition);
    tokens_want(hub->tokens, path);
    free(path);
}

static void look_in_time(struct eventhubs *hub, int64_t now_us);

static void check_up(struct eventhubs *hub)
{
    if (hub->state != STATE_CONNECTING || !hub->has_metadata || !tokens_ready(hub->tokens))
        return;
    hub->state = STATE_UP;
    hub->attempt = 0;
    hub->base.counters.connects++;
    log_info(hub->log, "source up", F_TEXT("hub", hub->name), F_TEXT("host", hub->endpoint.host),
             F_NUMBER("partitions", hub->partition_count));
    hub->host.handlers.up(hub->host.ctx);
    look_in_time(hub, clock_now_us());
}

static void forget_partitions(struct eventhubs *hub)
{
    for (size_t i = 0; i < hub->partition_count; i++)
        free(hub->partitions[i]);
    free(hub->partitions);
    hub->partitions = NULL;
    hub->partition_count = 0;
}

static void on_metadata(void *ctx, const struct source_metadata *metadata)
{
    struct eventhubs *hub = ctx;
    forget_partitions(hub);
    hub->partitions = xcalloc(metadata->partition_count, sizeof *hub->partitions);
    hub->partition_count = metadata->partition_count;
    for (size_t i = 0; i < metadata->partition_count; i++) {
        hub->partitions[i] = xstrndup(metadata->partitions[i].p, metadata->partitions[i].n);
        want_partition(hub, hub->partitions[i]);
    }
    hub->has_metadata = true;
    hub->metadata_at_us = clock_now_us() + EVENTHUBS_METADATA_US;
    if (metadata->asked_us < hub->wanted_us)
        hub->metadata_at_us = 0;
    hub->host.handlers.metadata(hub->host.ctx, metadata);
    check_up(hub);
    look_in_time(hub, clock_now_us());
}

static void on_failed(void *ctx, enum source_end end, const struct error *why)
{
    fail(ctx, end, why);
}

static void on_management_failed(void *ctx, enum source_end end, const struct error *why)
{
    struct eventhubs *hub = ctx;
    if (hub->state != STATE_UP || end != SOURCE_END_BUSY) {
        fail(hub, end, why);
        return;
    }
    /* What is known still holds. */
    log_failure(hub->log, LOG_WARNING, "cannot read the metadata of the hub again", why,
                LOG_FIELDS(F_TEXT("hub", hub->name)));
    hub->metadata_at_us = clock_now_us() + pauses_busy_us(0, hub->random);
}

static void on_tokens_ready(void *ctx)
{
    struct eventhubs *hub = ctx;
    if (hub->management == NULL) {
        struct management_handlers handlers = {hub, on_metadata, on_management_failed};
        hub->management = management_open(hub->session, &hub->endpoint, handlers);
        management_read(hub->management, clock_now_us());
    }
    check_up(hub);
}

static void on_control(struct wire_link *link, pn_event_type_t type)
{
    struct eventhubs *hub =
        (struct eventhubs *)((char *)link - offsetof(struct eventhubs, control));
    if (type != PN_SESSION_REMOTE_CLOSE)
        return;
    pn_condition_t *condition = pn_session_remote_condition(hub->session);
    struct error why;
    enum source_end end = condition_explain(
        "the hub has ended our control session", slice_from(pn_condition_get_name(condition)),
        slice_from(pn_condition_get_description(condition)), &why);
    fail(hub, end, &why);
}

static void on_opened(void *ctx)
{
    struct eventhubs *hub = ctx;
    hub->session = pn_session(wire_connection(hub->wire));
    pn_session_set_context(hub->session, &hub->control);
    pn_session_open(hub->session);
    /* Which partitions there are is to be learnt anew. */
    tokens_forget(hub->tokens);
    tokens_want(hub->tokens, MANAGEMENT_PATH);
    tokens_start(hub->tokens, hub->session);
}

static void check_endpoint(struct eventhubs *hub, int64_t now_us);

static bool on_turn(void *ctx)
{
    struct eventhubs *hub = ctx;
    bool more = reader_host_turn(&hub->host);
    check_endpoint(hub, clock_now_us());
    return more;
}

/* Lets go of all that hangs on the connection, readers excepted. */
static void drop_connection(struct eventhubs *hub)
{
    tokens_stop(hub->tokens);
    management_free(hub->management);
    hub->management = NULL;
    hub->session = NULL;
    hub->has_metadata = false;
    if (hub->wire != NULL)
        wire_free(hub->wire);
    hub->wire = NULL;
    discovery_free(hub->discovery);
    hub->discovery = NULL;
}

/* It has gone down, or did not come up. */
static void go_down(struct eventhubs *hub, enum source_end end, const struct error *why)
{
    bool refused = end == SOURCE_END_REFUSED || end == SOURCE_END_NOT_FOUND;
    int64_t wait_us = retry_wait_us(hub, end);
    hub->base.counters.failures++;
    hub->base.counters.busy += end == SOURCE_END_BUSY;
    log_failure(hub->log, refused ? LOG_ERROR : LOG_WARNING, "source down", why,
                LOG_FIELDS(F_TEXT("hub", hub->name), F_NUMBER("retry_ms", wait_us / MS_US)));
    hub->host.wire = NULL;
    schedule_connect(hub, wait_us);
    /* The service may have erred: whoever cannot connect for long gives the partitions back. */
    reader_host_lost(&hub->host, SOURCE_END_LOST, why);
    drop_connection(hub);
    hub->host.handlers.down(hub->host.ctx, why);
}

static void on_closed(void *ctx, enum source_end end, const struct error *why)
{
    struct eventhubs *hub = ctx;
    /* The error lives in the wire. */
    struct error reason = *why;
    /* An endpoint that does not exist any more is looked up anew. It may also refuse our tokens,
     * which name it: no fault of configuration, unless the IoT hub insists on that endpoint. */
    bool moved =
        hub->iot_hub.host != NULL &&
        (end == SOURCE_END_NOT_FOUND ||
         (end == SOURCE_END_REFUSED && whereabouts_missed(&hub->whereabouts, clock_now_us())));
    go_down(hub, moved ? SOURCE_END_LOST : end, &reason);
}

static struct wire_config wire_config_of(const struct eventhubs *hub,
                                         const struct connection_string *where)
{
    uint32_t frame = (uint32_t)(hub->host.window_bytes / EVENTHUBS_WINDOW_FRAMES);
    return (struct wire_config){
        .host = where->host,
        .container = hub->container,
        .trust = hub->trust,
        .proxy_host = hub->proxy_host,
        .proxy_port = hub->proxy_port,
        .port = where->port,
        .max_frame = frame < EVENTHUBS_FRAME_LEAST  ? EVENTHUBS_FRAME_LEAST
                     : frame > EVENTHUBS_FRAME_MOST ? EVENTHUBS_FRAME_MOST
                                                    : frame,
        .idle_ms = hub->idle_ms,
    };
}

static void connect_endpoint(struct eventhubs *hub)
{
    struct wire_handlers handlers = {hub, on_opened, on_turn, on_closed};
    struct wire_config config = wire_config_of(hub, &hub->endpoint);
    hub->setup_until_us = clock_now_us() + EVENTHUBS_SETUP_US;
    hub->host.hub = hub->endpoint.hub;
    hub->wire = wire_open(hub->loop, hub->dns, &config, handlers);
    hub->host.wire = hub->wire;
}

/* --- the endpoint of an IoT hub --- */

static bool same_endpoint(const struct connection_string *a, const struct connection_string *b)
{
    return a->host != NULL && strcmp(a->host, b->host) == 0 && a->port == b->port &&
           strcmp(a->hub, b->hub) == 0;
}

static void drop_discovery(struct eventhubs *hub)
{
    discovery_free(hub->discovery);
    hub->discovery = NULL;
}

static void read_metadata(struct eventhubs *hub)
{
    if (hub->state != STATE_UP)
        return;
    management_read(hub->management, clock_now_us());
    wire_wake(hub->wire);
}

static void on_found(void *ctx, struct connection_string *found)
{
    struct eventhubs *hub = ctx;
    struct connection_string endpoint = *found;
    bool same = same_endpoint(&hub->endpoint, &endpoint);
    *found = (struct connection_string){0};
    drop_discovery(hub);
    if (same) {
        whereabouts_same(&hub->whereabouts, clock_now_us(), hub->random);
    } else {
        whereabouts_arrived(&hub->whereabouts);
        log_info(hub->log, "the endpoint of the IoT hub is found", F_TEXT("hub", hub->name),
                 F_TEXT("host", endpoint.host), F_TEXT("event_hub", endpoint.hub));
    }
    if (hub->wire == NULL) {
        connection_string_free(&hub->endpoint);
        hub->endpoint = endpoint;
        connect_endpoint(hub);
        return;
    }
    connection_string_free(&endpoint);
    if (same) {
        read_metadata(hub);
        return;
    }
    struct error why;
    error_set(&why, "the endpoint of the IoT hub %s has changed", hub->iot_hub.host);
    error_detail(&why, "It was %s/%s.", hub->endpoint.host, hub->endpoint.hub);
    error_hint(&why, "Nothing to do: the node goes there. Did the IoT hub fail over?");
    fail(hub, SOURCE_END_LOST, &why);
}

static void on_not_found(void *ctx, enum source_end end, const struct error *why)
{
    struct eventhubs *hub = ctx;
    struct error reason = *why;
    drop_discovery(hub);
    whereabouts_unanswered(&hub->whereabouts, clock_now_us());
    if (hub->wire == NULL) {
        go_down(hub, end, &reason);
        return;
    }
    /* perhaps what is known still works */
    log_failure(hub->log, LOG_WARNING, "cannot look the endpoint up again", &reason,
                LOG_FIELDS(F_TEXT("hub", hub->name)));
    read_metadata(hub);
}

static void ask_iot_hub(struct eventhubs *hub)
{
    struct discovery_handlers handlers = {hub, on_found, on_not_found};
    struct wire_config config = wire_config_of(hub, &hub->iot_hub);
    if (hub->discovery == NULL)
        hub->discovery = discovery_start(hub->loop, hub->dns, &config, &hub->iot_hub, handlers);
}

static void on_connect(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct eventhubs *hub = ctx;
    hub->state = STATE_CONNECTING;
    if (hub->iot_hub.host != NULL)
        ask_iot_hub(hub);
    else
        connect_endpoint(hub);
}

/* Asks where the endpoint is by now, if a reader was told that its partition does not exist. */
static void check_endpoint(struct eventhubs *hub, int64_t now_us)
{
    if (whereabouts_due(&hub->whereabouts, now_us))
        ask_iot_hub(hub);
}

/* The metadata again, but not those of an endpoint that the IoT hub does not name any more: it may
 * go on answering. */
static void look_in_time(struct eventhubs *hub, int64_t now_us)
{
    if (hub->state != STATE_UP || now_us < hub->metadata_at_us)
        return;
    hub->metadata_at_us = now_us + EVENTHUBS_METADATA_US;
    if (hub->iot_hub.host != NULL)
        ask_iot_hub(hub);
    else
        read_metadata(hub);
}

static void check_setup(struct eventhubs *hub, int64_t now_us)
{
    if (hub->state != STATE_CONNECTING || hub->wire == NULL || now_us < hub->setup_until_us)
        return;
    struct error why;
    error_set(&why, "the hub at %s does not get ready", hub->endpoint.host);
    error_detail(&why, "Connected, but %s did not come within %d s.",
                 hub->session == NULL ? "TLS or the opening of AMQP"
                 : hub->management    ? "its metadata or the tokens of its partitions"
                                      : "the first token",
                 (int)(EVENTHUBS_SETUP_US / SECOND_US));
    error_hint(&why, "Is the endpoint an Event Hubs-compatible one? The node tries again.");
    fail(hub, SOURCE_END_LOST, &why);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct eventhubs *hub = ctx;
    int64_t now_us = clock_now_us();
    if (hub->discovery != NULL)
        discovery_tick(hub->discovery, now_us);
    check_setup(hub, now_us);
    if (hub->wire == NULL)
        return;
    check_endpoint(hub, now_us);
    tokens_tick(hub->tokens, now_us);
    if (hub->management != NULL) {
        management_tick(hub->management, now_us);
        look_in_time(hub, now_us);
    }
    reader_host_tick(&hub->host, now_us);
    wire_wake(hub->wire);
}

static void on_soon(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct eventhubs *hub = ctx;
    (void)reader_host_turn(&hub->host);
}

/* --- the calls of source.h --- */

static const struct source_kind kind;

static bool knows_partition(const struct eventhubs *hub, struct slice partition)
{
    for (size_t i = 0; i < hub->partition_count; i++)
        if (slice_equal(slice_from(hub->partitions[i]), partition))
            return true;
    return false;
}

static struct source_reader *hub_read(struct source *source, struct slice partition, int64_t token,
                                      struct source_position position, uint32_t credit,
                                      void *reader_ctx)
{
    struct eventhubs *hub = (struct eventhubs *)source;
    struct error why;
    if (hub->state != STATE_UP) {
        error_set(&why, "the hub is not connected");
        error_hint(&why, "Readers are opened once it is up.");
        return reader_stillborn(&hub->host, &kind, partition, reader_ctx, SOURCE_END_LOST, &why);
    }
    if (!knows_partition(hub, partition)) {
        error_set(&why, "the hub has no partition %.*s", (int)partition.n, partition.p);
        error_hint(&why, "It has %zu partitions. Was it created anew?", hub->partition_count);
        return reader_stillborn(&hub->host, &kind, partition, reader_ctx, SOURCE_END_NOT_FOUND,
                                &why);
    }
    return reader_open(&hub->host, &kind, partition, token, position, credit, reader_ctx);
}

static void hub_close(struct source *source)
{
    struct eventhubs *hub = (struct eventhubs *)source;
    hub->host.wire = NULL;
    reader_host_free(&hub->host);
    drop_connection(hub);
    tokens_free(hub->tokens);
    forget_partitions(hub);
    connection_string_free(&hub->endpoint);
    connection_string_free(&hub->iot_hub);
    tls_trust_free(hub->trust);
    free(hub->proxy_host);
    event_free(hub->connect);
    event_free(hub->tick);
    event_free(hub->soon);
    free(hub->name);
    free(hub->group);
    free(hub->node);
    free(hub->container);
    free(hub);
}

static void hub_refresh(struct source *source)
{
    struct eventhubs *hub = (struct eventhubs *)source;
    hub->wanted_us = clock_now_us();
    hub->metadata_at_us = 0;
    look_in_time(hub, hub->wanted_us);
}

static const struct source_kind kind = {
    .fences = true,
    .read = hub_read,
    .credit = reader_credit,
    .hold = reader_hold,
    .stop = reader_stop,
    .refresh = hub_refresh,
    .close = hub_close,
};

static bool check_config(const struct source_config *config, struct error *err)
{
    if (config->consumer_group == NULL || *config->consumer_group == '\0') {
        error_set(err, "the consumer group of the hub is empty");
        return error_hint(err, "Set one of its own for this cluster, or $Default.");
    }
    return true;
}

static struct reader_host host_of(struct eventhubs *hub, const struct source_config *config,
                                  struct source_handlers handlers, void *ctx)
{
    size_t window = config->window_bytes ? config->window_bytes : EVENTHUBS_WINDOW_DEFAULT;
    /* A window smaller than some frames would stop the flow. */
    size_t least = (size_t)4 * EVENTHUBS_FRAME_LEAST;
    return (struct reader_host){.handlers = handlers,
                                .ctx = ctx,
                                .random = config->random,
                                .log = config->log,
                                .hub_name = hub->name,
                                .hub = hub->endpoint.hub,
                                .group = hub->group,
                                .node = hub->node,
                                .window_bytes = window < least ? least : window,
                                .whereabouts = hub->iot_hub.host ? &hub->whereabouts : NULL,
                                .soon = hub->soon};
}

struct source *eventhubs_open(struct event_base *base, struct evdns_base *dns,
                              const struct source_config *config, struct source_handlers handlers,
                              void *ctx, struct error *err)
{
    struct connection_string identity;
    if (!connection_string_parse(config->connection_string, &identity, err))
        return NULL;
    struct tls_trust *trust = NULL;
    char *proxy_host = NULL;
    uint16_t proxy_port = 0;
    if (!check_config(config, err) ||
        (config->proxy != NULL && !proxy_parse(config->proxy, &proxy_host, &proxy_port, err)) ||
        (!identity.plain && (trust = tls_trust_open(config->ca_file, err)) == NULL)) {
        connection_string_free(&identity);
        free(proxy_host);
        return NULL;
    }
    struct eventhubs *hub = xcalloc(1, sizeof *hub);
    hub->base.kind = &kind;
    hub->loop = base;
    hub->dns = dns;
    *(identity.iot_hub ? &hub->iot_hub : &hub->endpoint) = identity;
    hub->trust = trust;
    hub->proxy_host = proxy_host;
    hub->proxy_port = proxy_port;
    hub->name = xstrdup(config->name);
    hub->group = xstrdup(config->consumer_group);
    hub->node = xstrdup(config->node);
    hub->container = xasprintf("holdfast-%s", config->node);
    hub->idle_ms = config->idle_ms ? config->idle_ms : EVENTHUBS_IDLE_MS;
    hub->random = config->random;
    hub->log = config->log;
    hub->control.event = on_control;
    hub->connect = evtimer_new(base, on_connect, hub);
    hub->soon = evtimer_new(base, on_soon, hub);
    hub->tick = event_new(base, -1, EV_PERSIST, on_tick, hub);
    hub->host = host_of(hub, config, handlers, ctx);
    hub->host.counters = &hub->base.counters;
    reader_host_init(&hub->host);
    struct tokens_handlers token_handlers = {hub, on_tokens_ready, on_failed};
    int64_t lifetime_s =
        config->token_lifetime_s > 0 ? config->token_lifetime_s : EVENTHUBS_TOKEN_LIFETIME_S;
    hub->tokens = tokens_create(&hub->endpoint, lifetime_s, token_handlers);
    struct timeval period = wait_of(EVENTHUBS_TICK_US);
    (void)event_add(hub->tick, &period);
    schedule_connect(hub, 0);
    return &hub->base;
}
