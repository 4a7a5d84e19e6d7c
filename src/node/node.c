#include "node/node.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/verbosity.h"
#include "node/binder.h"
#include "node/destinations.h"
#include "node/grants.h"
#include "node/heartbeats.h"
#include "node/hubs.h"
#include "node/membership.h"
#include "node/office.h"
#include "node/payload.h"
#include "node/replays.h"
#include "store/configuration.h"
#include "store/progress.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEARTBEAT_MS = 20,
    SECRETS_MS = 10000,
    MARGIN_DIVISOR = 5,
    ENDS_MAX = 4096,
    STATS_CEILING = 262144
};

struct node {
    struct node_parts parts; /* first: the parts know the node as this */
    struct node_config config;
    void (*finished)(void *ctx);
    void *finished_ctx;
    struct event *heartbeat;
    int64_t stall_max_us, stall_reported_us, report_at_us, drain_until_us, doubt_since_us;
    int64_t secrets_at_us; /* when to look at the secrets again */
    int64_t rate_at_us, events_per_second;
    uint64_t rate_events;
    bool leaving, held, reporting;
    struct verbosity verbosity;
};

/* ---- what the membership says ------------------------------------------------------------- */

static void on_live(void *ctx)
{
    struct node *node = ctx;
    node->doubt_since_us = 0;
    node->held = false;
    node->parts.counts.joins++;
    grants_save_anew(node->parts.grants);
    heartbeats_save_anew(node->parts.heartbeats);
}

/* Telemetry goes on: Event Hubs itself throws out a reader whose partition was given to another
 * session. What cannot fence stops here. */
static void on_doubt(void *ctx)
{
    struct node *node = ctx;
    if (node->doubt_since_us == 0)
        node->doubt_since_us = clock_now_us();
    grants_hold(node->parts.grants, true);
    replays_forget(node->parts.replays);
}

static void on_assignment(void *ctx, const struct store_assigned *rows, size_t count)
{
    struct node *node = ctx;
    grants_assign(node->parts.grants, rows, count);
}

static void on_configuration(void *ctx, struct configuration *configuration)
{
    struct node *node = ctx;
    struct configuration *old = node->parts.configuration;
    node->parts.configuration = configuration;
    log_info(node->parts.log, "configuration read", F_NUMBER("version", configuration->version),
             F_NUMBER("hubs", configuration->hub_count),
             F_NUMBER("destinations", configuration->destination_count));
    verbosity_ask(&node->verbosity, &configuration->log_level, clock_now_us());
    destinations_configure(node->parts.destinations, configuration);
    hubs_configure(node->parts.hubs, configuration);
    grants_configure(node->parts.grants);
    /* The rules of a fleet decide which Thing a device writes to. */
    binder_invalidate(node->parts.binder);
    configuration_free(old);
    hubs_report(node->parts.hubs);
    grants_tick(node->parts.grants, clock_now_us());
}

static void on_bindings_changed(void *ctx)
{
    struct node *node = ctx;
    binder_invalidate(node->parts.binder);
}

static void on_replays_wanted(void *ctx)
{
    struct node *node = ctx;
    replays_wanted(node->parts.replays);
}

static void on_leader(void *ctx, bool leader, int64_t token)
{
    struct node *node = ctx;
    (void)token;
    if (leader)
        hubs_lead(node->parts.hubs);
}

static void on_confirmed(void *ctx)
{
    struct node *node = ctx;
    if (!node->parts.pulse.asleep)
        return;
    pulse_confirm(&node->parts.pulse);
    log_info(node->parts.log, "the lease is confirmed after the gap");
    grants_resume(node->parts.grants);
}

static void on_gone(void *ctx)
{
    struct node *node = ctx;
    node->finished(node->finished_ctx);
}

/* ---- the heartbeat ------------------------------------------------------------------------ */

/* After a gap nobody knows who owns what: everything unsent is forgotten before any other event of
 * the loop is dispatched, and read again once the grants are confirmed. */
static void wake_up(struct node *node, int64_t gap_us, int64_t now_us)
{
    struct node_parts *parts = &node->parts;
    parts->counts.wakeups++;
    log_warning(parts->log, "woken up after a gap: dropping everything that was not sent",
                F_NUMBER("gap_ms", gap_us / MS_US),
                F_NUMBER("in_flight", grants_in_flight(parts->grants)));
    replays_forget(parts->replays);
    grants_suspend(parts->grants);
    office_reset(parts->office);
    destinations_reset(parts->destinations);
    membership_confirm(parts->membership, now_us);
}

static void on_reported(void *ctx, const struct error *err)
{
    struct node *node = ctx;
    node->reporting = false;
    if (err == NULL)
        return;
    if (strcmp(err->code, HF_SESSION_ENDED) == 0)
        membership_ended(node->parts.membership);
    else if (err->code[0] != '\0')
        log_error(node->parts.log, "could not report to the database", err);
}

static void write_stats(const struct node *node, struct buffer *json)
{
    const struct node_parts *parts = &node->parts;
    const struct node_counts *c = &parts->counts;
    (void)buffer_printf(
        json,
        "{\"events_delivered\":%llu,\"values_delivered\":%llu,\"dead_letters\":%llu,"
        "\"in_flight\":%zu,\"events_per_second\":%lld,\"loop_stall_max_ms\":%lld,"
        "\"rss_kib\":%ld,\"bindings_cached\":%zu,\"log_level\":\"%s\",\"schema\":%d,"
        "\"destinations\":",
        (unsigned long long)c->events_delivered, (unsigned long long)c->values_delivered,
        (unsigned long long)c->dead_letters, grants_in_flight(parts->grants),
        (long long)node->events_per_second, (long long)(node->stall_reported_us / MS_US),
        process_resident_kib(), binder_cached(parts->binder), log_level_name(log_level(parts->log)),
        node->config.schema_version);
    destinations_describe(parts->destinations, json);
    (void)buffer_append_text(json, ",\"reasons\":");
    destinations_describe_reasons(parts->destinations, json);
    (void)buffer_append_text(json, ",\"delivery\":");
    destinations_describe_delivery(parts->destinations, json);
    (void)buffer_append_text(json, ",\"hubs\":");
    hubs_describe(parts->hubs, json);
    (void)buffer_append_text(json, "}");
}

static void report(struct node *node, int64_t now_us)
{
    struct node_parts *parts = &node->parts;
    int64_t span = now_us - node->rate_at_us;
    if (span > 0)
        node->events_per_second =
            (int64_t)(parts->counts.events_delivered - node->rate_events) * SECOND_US / span;
    node->rate_events = parts->counts.events_delivered;
    node->rate_at_us = now_us;
    struct pg_connection *work = membership_work(parts->membership);
    if (work == NULL || node->reporting)
        return;
    struct buffer json;
    buffer_init(&json, STATS_CEILING);
    write_stats(node, &json);
    struct store_partition_end *ends = xcalloc(ENDS_MAX, sizeof *ends);
    size_t n = grants_ends(parts->grants, ends, ENDS_MAX);
    node->reporting = true;
    store_report(work, membership_key(parts->membership), buffer_text(&json), ends, n, on_reported,
                 node);
    free(ends);
    buffer_free(&json);
    node->stall_reported_us = 0;
}

static void look_after_stop(struct node *node, int64_t now_us)
{
    if (node->leaving)
        return;
    bool drained = grants_parked(node->parts.grants);
    if (!drained && now_us < node->drain_until_us)
        return;
    if (!drained)
        log_warning(node->parts.log, "leaving with work in flight: its events come again",
                    F_NUMBER("in_flight", grants_in_flight(node->parts.grants)));
    node->leaving = true;
    membership_leave(node->parts.membership);
}

static void look_after_autonomy(struct node *node, int64_t now_us)
{
    if (node->doubt_since_us == 0 || node->held ||
        now_us - node->doubt_since_us < node->config.autonomy_ms * MS_US)
        return;
    node->held = true;
    log_warning(node->parts.log, "the database is away for too long: reading stops");
    grants_hold(node->parts.grants, false);
}

/* The change is told at every level: it explains what follows, or why nothing does. */
static void follow_verbosity(struct node *node, int64_t now_us)
{
    struct log *log = node->parts.log;
    enum log_level before = log_level(log), level = verbosity_now(&node->verbosity, now_us);
    if (level == before)
        return;
    log_set_level(log, LOG_INFO);
    log_info(log, "log level", F_TEXT("from", log_level_name(before)),
             F_TEXT("to", log_level_name(level)));
    log_set_level(log, level);
}

static void on_heartbeat(evutil_socket_t fd, short what, void *ctx)
{
    struct node *node = ctx;
    (void)fd;
    (void)what;
    int64_t now = clock_now_us();
    bool gap;
    node->parts.wall_ms = clock_wall_us() / MS_US;
    int64_t late = pulse_beat(&node->parts.pulse, now, &gap);
    if (late > node->stall_max_us)
        node->stall_max_us = late;
    if (late > node->stall_reported_us)
        node->stall_reported_us = late;
    if (gap)
        wake_up(node, late, now);
    log_tick(node->parts.log, now);
    follow_verbosity(node, now);
    membership_tick(node->parts.membership, now);
    destinations_tick(node->parts.destinations, now);
    binder_tick(node->parts.binder, now);
    office_tick(node->parts.office, now);
    replays_tick(node->parts.replays, now);
    hubs_tick(node->parts.hubs, now);
    grants_tick(node->parts.grants, now);
    heartbeats_tick(node->parts.heartbeats, now);
    look_after_autonomy(node, now);
    if (now >= node->secrets_at_us) {
        node->secrets_at_us = now + SECRETS_MS * MS_US;
        node_reload(node);
    }
    if (now >= node->report_at_us) {
        node->report_at_us = now + membership_cadence_us(node->parts.membership);
        report(node, now);
    }
    if (node->parts.stopping)
        look_after_stop(node, now);
}

/* ---- life --------------------------------------------------------------------------------- */

static void start_membership(struct node *node)
{
    struct membership_config config = {.database = node->config.database,
                                       .node = node->config.name,
                                       .ttl_ms = node->config.ttl_ms,
                                       .capacity = node->config.capacity,
                                       .schema_version = node->config.schema_version,
                                       .schema_digest = node->config.schema_digest,
                                       .metrics = node->config.metrics};
    struct membership_handlers handlers = {.ctx = node,
                                           .live = on_live,
                                           .doubt = on_doubt,
                                           .assignment = on_assignment,
                                           .configuration = on_configuration,
                                           .bindings_changed = on_bindings_changed,
                                           .replays_wanted = on_replays_wanted,
                                           .leader = on_leader,
                                           .confirmed = on_confirmed,
                                           .gone = on_gone};
    struct node_parts *parts = &node->parts;
    parts->membership =
        membership_open(parts->base, parts->dns, &config, handlers, &parts->random, parts->log);
}

struct node *node_start(struct event_base *base, struct evdns_base *dns,
                        const struct node_config *config, struct log *log,
                        void (*finished)(void *ctx), void *ctx)
{
    struct node *node = xcalloc(1, sizeof *node);
    node->config = *config;
    node->finished = finished;
    node->finished_ctx = ctx;
    struct node_parts *parts = &node->parts;
    *parts = (struct node_parts){.base = base,
                                 .dns = dns,
                                 .log = log,
                                 .metrics = config->metrics,
                                 .name = config->name,
                                 .secrets_folder = config->secrets_folder,
                                 .token_lifetime_s = config->token_lifetime_s,
                                 .discard = config->discard};
    uint64_t seed;
    random_secret(&seed, sizeof seed);
    random_seed(&parts->random, seed);
    parts->payload = payload_create();
    parts->destinations = destinations_create(parts);
    parts->hubs = hubs_create(parts);
    parts->heartbeats = heartbeats_create(parts);
    parts->grants = grants_create(parts);
    parts->binder = binder_create(parts);
    parts->office = office_create(parts);
    parts->replays = replays_create(parts);
    verbosity_init(&node->verbosity, log_level(log));
    start_membership(node);
    node->rate_at_us = clock_now_us();
    pulse_init(&parts->pulse, HEARTBEAT_MS * MS_US, config->ttl_ms * MS_US / MARGIN_DIVISOR,
               node->rate_at_us);
    node->heartbeat = event_new(base, -1, EV_PERSIST, on_heartbeat, node);
    event_priority_set(node->heartbeat, 0);
    struct timeval interval = {.tv_usec = HEARTBEAT_MS * MS_US};
    event_add(node->heartbeat, &interval);
    return node;
}

void node_stop(struct node *node)
{
    if (node->parts.stopping)
        return;
    log_info(node->parts.log, "stopping: finishing what is in flight",
             F_NUMBER("in_flight", grants_in_flight(node->parts.grants)));
    node->parts.stopping = true;
    node->drain_until_us = clock_now_us() + node->config.drain_ms * MS_US;
    grants_drain(node->parts.grants);
}

void node_log_more(struct node *node, bool more)
{
    verbosity_step(&node->verbosity, more, clock_now_us());
    follow_verbosity(node, clock_now_us());
}

void node_reload(struct node *node)
{
    destinations_reload_secrets(node->parts.destinations);
    hubs_reload_secrets(node->parts.hubs);
}

void node_free(struct node *node)
{
    if (node == NULL)
        return;
    struct node_parts *parts = &node->parts;
    event_free(node->heartbeat);
    membership_free(parts->membership);
    hubs_free(parts->hubs);
    grants_free(parts->grants);
    heartbeats_free(parts->heartbeats);
    replays_free(parts->replays);
    office_free(parts->office);
    binder_free(parts->binder);
    destinations_free(parts->destinations);
    configuration_free(parts->configuration);
    payload_free(parts->payload);
    pool_free(&parts->parcels);
    free(node);
}

bool node_ready(const struct node *node, struct buffer *why)
{
    if (node->parts.stopping) {
        (void)buffer_append_text(why, "stopping");
        return false;
    }
    if (node->parts.pulse.asleep) {
        (void)buffer_append_text(why, "woken up, waiting for the lease to be confirmed");
        return false;
    }
    if (membership_trusted(node->parts.membership, clock_now_us()))
        return true;
    (void)buffer_printf(why, "no trusted lease: the session is %s",
                        membership_state(node->parts.membership));
    return false;
}

static void add_partition(void *ctx, const struct grant_view *view)
{
    struct node_snapshot *s = ctx;
    s->in_state[view->state]++;
    s->bytes_in_flight += view->bytes_in_flight;
    s->lag_events += view->lag_events > 0 ? view->lag_events : 0;
    if (view->lag_ms > s->lag_max_ms)
        s->lag_max_ms = view->lag_ms;
}

void node_visit(const struct node *node, const struct node_visitor *visitor)
{
    const struct node_parts *parts = &node->parts;
    if (visitor->partition != NULL)
        grants_each(parts->grants, clock_wall_us() / MS_US, visitor->partition, visitor->ctx);
    if (visitor->destination != NULL)
        destinations_each(parts->destinations, visitor->destination, visitor->ctx);
    if (visitor->hub != NULL)
        hubs_each(parts->hubs, visitor->hub, visitor->ctx);
}

void node_snapshot(const struct node *node, struct node_snapshot *s)
{
    const struct node_parts *parts = &node->parts;
    int64_t now = clock_now_us();
    *s = (struct node_snapshot){
        .counts = parts->counts,
        .name = parts->name,
        .session_state = membership_state(parts->membership),
        .session_id = membership_session_id(parts->membership),
        .trusted = membership_trusted(parts->membership, now),
        .remaining_trust_us = membership_remaining_trust_us(parts->membership, now),
        .ping_us = membership_ping_us(parts->membership),
        .stall_max_us = node->stall_max_us,
        .partitions = grants_count(parts->grants),
        .in_flight = grants_in_flight(parts->grants),
        .on_the_wire = destinations_on_the_wire(parts->destinations),
        .bindings_cached = binder_cached(parts->binder),
        .events_waiting = binder_waiting(parts->binder),
        .letters_waiting = office_waiting(parts->office),
        .letters_held = office_held(parts->office),
        .things_connected = heartbeats_connected(parts->heartbeats),
        .events_per_second = node->events_per_second,
    };
    process_look(&s->process);
    for (size_t i = 0; i < LOG_LEVELS; i++)
        s->log_lines[i] = log_lines(parts->log, (enum log_level)i);
    s->log_untold = log_untold(parts->log);
    grants_each(parts->grants, clock_wall_us() / MS_US, add_partition, s);
    s->leader = membership_leads(parts->membership, now, &s->leader_token);
}
