#include "node/hubs.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "node/destinations.h"
#include "node/grants.h"
#include "node/hub_source.h"
#include "node/membership.h"
#include "node/parts.h"
#include "source/source.h"
#include "store/configuration.h"
#include "store/coordination.h"

#include <stdlib.h>
#include <utlist.h>

enum { WINDOW_BYTES = 1024 * 1024 };

/* A node that is granted a log that its hub does not show looks again so often: seldom enough for
 * many nodes, if the connection string of theirs is that of another hub. */
#define LOOK_AGAIN_US (5 * SECOND_US)
/* How often the leader looks: what it does not report nobody can read, and it may be the last to
 * hear of a new log if it reads no partition of that hub. */
#define LEADER_LOOKS_US (10 * SECOND_US)

struct hub {
    struct hubs *all;
    char *name, *fleet, *secret, *consumer_group;
    char *ca_secret; /* NULL: the system's certificate authorities */
    char *proxy;     /* NULL: none */
    bool start_at_latest, new_log_latest;
    int64_t start_ms, start_sequence; /* -1: none */
    enum invalid_offset on_invalid_offset;
    struct source *source;
    uint64_t secrets_stamp; /* of what it was opened with, to see when that is replaced */
    bool up, configured;
    char problem[256]; /* why it is down; "" */
    /* What the hub last said of itself, for the leader's report. */
    char *endpoint, **partitions;
    size_t partition_count;
    int64_t created_ms, metadata_us;
    int64_t look_again_us; /* not before */
    char *log;             /* endpoint@created_ms, as the database calls it */
    struct hub *next, *prev;
};

struct hubs {
    struct node_parts *node;
    struct hub *list;
    int64_t lead_us; /* since when this node leads, if it does */
    int64_t look_at_us;
};

/* ---- the leader's report ------------------------------------------------------------------ */

static void on_reported(void *ctx, int64_t added, const struct error *err)
{
    struct hubs *all = ctx;
    if (err != NULL && err->code[0] != '\0' && strcmp(err->code, HF_NOT_LEADER) != 0)
        log_error(all->node->log, "could not report the partitions of a hub", err);
    if (err == NULL && added > 0)
        log_info(all->node->log, "new partitions", F_NUMBER("count", added));
}

static void report(struct hub *hub)
{
    struct node_parts *node = hub->all->node;
    struct pg_connection *work = membership_work(node->membership);
    int64_t token = 0;
    /* Older metadata could be of a log that is gone: reported, it would begin a wrong generation.
     */
    if (hub->partition_count == 0 || hub->metadata_us < hub->all->lead_us || work == NULL ||
        !membership_leads(node->membership, clock_now_us(), &token))
        return;
    struct store_hub_report what = {.hub = hub->name,
                                    .endpoint = hub->endpoint,
                                    .created_ms = hub->created_ms,
                                    .partitions = (const char *const *)hub->partitions,
                                    .partition_count = hub->partition_count};
    store_report_hub(work, membership_key(node->membership), token, &what, on_reported, hub->all);
}

static void refresh_all(struct hubs *all)
{
    struct hub *hub;
    DL_FOREACH(all->list, hub)
    {
        hub_refresh(hub);
    }
    all->look_at_us = clock_now_us() + LEADER_LOOKS_US;
}

void hubs_lead(struct hubs *all)
{
    all->lead_us = clock_now_us();
    refresh_all(all);
}

void hubs_tick(struct hubs *all, int64_t now_us)
{
    int64_t token = 0;
    if (now_us >= all->look_at_us && membership_leads(all->node->membership, now_us, &token))
        refresh_all(all);
}

void hubs_report(struct hubs *all)
{
    struct hub *hub;
    DL_FOREACH(all->list, hub)
    {
        report(hub);
    }
}

/* ---- from the source ---------------------------------------------------------------------- */

static void forget_metadata(struct hub *hub)
{
    for (size_t i = 0; i < hub->partition_count; i++)
        free(hub->partitions[i]);
    free(hub->partitions);
    free(hub->endpoint);
    free(hub->log);
    hub->log = NULL;
    hub->partitions = NULL;
    hub->endpoint = NULL;
    hub->partition_count = 0;
}

static void on_metadata(void *ctx, const struct source_metadata *metadata)
{
    struct hub *hub = ctx;
    forget_metadata(hub);
    hub->endpoint = xstrndup(metadata->endpoint.p, metadata->endpoint.n);
    hub->created_ms = metadata->created_ms;
    hub->log = xasprintf("%s@%lld", hub->endpoint, (long long)hub->created_ms);
    hub->metadata_us = metadata->asked_us;
    hub->partition_count = metadata->partition_count;
    hub->partitions = xcalloc(metadata->partition_count, sizeof *hub->partitions);
    for (size_t i = 0; i < metadata->partition_count; i++)
        hub->partitions[i] = xstrndup(metadata->partitions[i].p, metadata->partitions[i].n);
    report(hub);
}

static void on_up(void *ctx)
{
    struct hub *hub = ctx;
    struct node_parts *node = hub->all->node;
    hub->up = true;
    hub->problem[0] = '\0';
    log_info(node->log, "connected to the hub", F_TEXT("hub", hub->name));
    grants_hub_up(node->grants, hub);
}

static void on_down(void *ctx, const struct error *why)
{
    struct hub *hub = ctx;
    bool news = hub->up || strcmp(hub->problem, why->message) != 0;
    hub->up = false;
    (void)snprintf(hub->problem, sizeof hub->problem, "%s", why->message);
    if (news)
        log_failure(hub->all->node->log, LOG_WARNING, "the hub cannot be read", why,
                    (struct log_field[]){F_TEXT("hub", hub->name), {.key = NULL}});
}

static void on_opened(void *ctx, void *reader_ctx)
{
    (void)ctx;
    grant_opened(reader_ctx);
}

static void on_message(void *ctx, void *reader_ctx, const struct source_message *message)
{
    (void)ctx;
    grant_message(reader_ctx, message);
}

static void on_ended(void *ctx, void *reader_ctx, enum source_end end, const struct error *why)
{
    (void)ctx;
    /* The source itself waits before it opens the next; behind a message that cannot be placed
     * nothing may be read, by nobody. */
    if (end == SOURCE_END_BUSY)
        end = SOURCE_END_LOST;
    else if (end == SOURCE_END_BAD_MESSAGE)
        end = SOURCE_END_REFUSED;
    grant_ended(reader_ctx, end, why);
}

/* ---- opening and closing ------------------------------------------------------------------ */

static struct hub_secrets secrets_of(const struct hub *hub)
{
    return (struct hub_secrets){hub->all->node->secrets_folder, hub->secret, hub->ca_secret};
}

static void open_source(struct hub *hub)
{
    struct node_parts *node = hub->all->node;
    struct hub_secrets secrets = secrets_of(hub);
    struct source_config config = {.name = hub->name,
                                   .proxy = hub->proxy,
                                   .token_lifetime_s = node->token_lifetime_s,
                                   .consumer_group = hub->consumer_group,
                                   .node = node->name,
                                   .window_bytes = WINDOW_BYTES,
                                   .random = &node->random,
                                   .log = node->log};
    struct source_handlers handlers = {.up = on_up,
                                       .metadata = on_metadata,
                                       .down = on_down,
                                       .opened = on_opened,
                                       .message = on_message,
                                       .ended = on_ended};
    struct error err;
    /* Before they are read: what is replaced in between is seen the next time. */
    hub->secrets_stamp = hub_secrets_stamp(&secrets);
    hub->source = hub_source_open(node->base, node->dns, &secrets, config, handlers, hub, &err);
    if (hub->source == NULL) {
        (void)snprintf(hub->problem, sizeof hub->problem, "%s", err.message);
        log_error(node->log, "the hub cannot be used", &err, F_TEXT("hub", hub->name));
    }
}

static void close_source(struct hub *hub)
{
    if (hub->source == NULL)
        return;
    struct source *source = hub->source;
    hub->source = NULL;
    hub->up = false;
    source_close(source);
    grants_hub_gone(hub->all->node->grants, hub);
}

static void hub_free(struct hub *hub)
{
    forget_metadata(hub);
    free(hub->name);
    free(hub->fleet);
    free(hub->secret);
    free(hub->consumer_group);
    free(hub->ca_secret);
    free(hub->proxy);
    free(hub);
}

static char *copy_or_null(const char *text)
{
    return text != NULL ? xstrdup(text) : NULL;
}

static bool same_or_null(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What is looked at when a partition is opened: no need to connect anew when it changes. */
static void take_policies(struct hub *hub, const struct hub_config *config)
{
    hub->start_at_latest = config->start_at_latest;
    hub->start_ms = config->start_ms;
    hub->start_sequence = config->start_sequence;
    hub->new_log_latest = config->new_log_latest;
    hub->on_invalid_offset = config->on_invalid_offset;
}

static void add(struct hubs *all, const struct hub_config *config)
{
    struct hub *hub = xcalloc(1, sizeof *hub);
    *hub = (struct hub){.all = all,
                        .name = xstrdup(config->name),
                        .fleet = xstrdup(config->fleet),
                        .secret = xstrdup(config->connection_secret),
                        .consumer_group = xstrdup(config->consumer_group),
                        .ca_secret = copy_or_null(config->ca_secret),
                        .proxy = copy_or_null(config->proxy),
                        .configured = true};
    take_policies(hub, config);
    DL_APPEND(all->list, hub);
    open_source(hub);
}

static void replace(char **old, const char *text)
{
    free(*old);
    *old = xstrdup(text);
}

static void change(struct hub *hub, const struct hub_config *config)
{
    bool reopen = hub->source == NULL || strcmp(hub->secret, config->connection_secret) != 0 ||
                  strcmp(hub->consumer_group, config->consumer_group) != 0 ||
                  !same_or_null(hub->ca_secret, config->ca_secret) ||
                  !same_or_null(hub->proxy, config->proxy);
    replace(&hub->fleet, config->fleet);
    take_policies(hub, config);
    if (!reopen)
        return;
    free(hub->ca_secret);
    hub->ca_secret = copy_or_null(config->ca_secret);
    free(hub->proxy);
    hub->proxy = copy_or_null(config->proxy);
    replace(&hub->secret, config->connection_secret);
    replace(&hub->consumer_group, config->consumer_group);
    close_source(hub);
    open_source(hub);
}

struct hubs *hubs_create(struct node_parts *node)
{
    struct hubs *all = xcalloc(1, sizeof *all);
    all->node = node;
    return all;
}

void hubs_free(struct hubs *all)
{
    if (all == NULL)
        return;
    struct hub *hub, *next;
    DL_FOREACH_SAFE(all->list, hub, next)
    {
        /* First out of the list: grants that lose their reader look hubs up. */
        DL_DELETE(all->list, hub);
        close_source(hub);
        hub_free(hub);
    }
    free(all);
}

void hubs_configure(struct hubs *all, const struct configuration *configuration)
{
    struct hub *hub, *next;
    DL_FOREACH(all->list, hub)
    {
        hub->configured = false;
    }
    for (size_t i = 0; i < configuration->hub_count; i++) {
        const struct hub_config *config = &configuration->hubs[i];
        if (!config->enabled)
            continue;
        hub = hubs_find(all, config->name);
        if (hub == NULL) {
            add(all, config);
            continue;
        }
        hub->configured = true;
        change(hub, config);
    }
    DL_FOREACH_SAFE(all->list, hub, next)
    {
        if (hub->configured)
            continue;
        log_info(all->node->log, "the hub is not configured any more", F_TEXT("hub", hub->name));
        close_source(hub);
        DL_DELETE(all->list, hub);
        hub_free(hub);
    }
}

void hubs_reload_secrets(struct hubs *all)
{
    struct hub *hub;
    DL_FOREACH(all->list, hub)
    {
        struct hub_secrets secrets = secrets_of(hub);
        uint64_t stamp = hub_secrets_stamp(&secrets);
        if (stamp == 0 || stamp == hub->secrets_stamp)
            continue; /* one that is gone meanwhile is still good on the wire */
        if (hub->source != NULL)
            log_info(all->node->log, "a secret of the hub has changed: connecting anew",
                     F_TEXT("hub", hub->name));
        close_source(hub);
        open_source(hub);
    }
}

/* ---- look-ups ----------------------------------------------------------------------------- */

struct hub *hubs_find(struct hubs *all, const char *name)
{
    struct hub *hub;
    DL_FOREACH(all->list, hub)
    {
        if (strcmp(hub->name, name) == 0)
            return hub;
    }
    return NULL;
}

const char *hub_name(const struct hub *hub)
{
    return hub->name;
}

const char *hub_fleet(const struct hub *hub)
{
    return hub->fleet;
}

bool hub_is_up(const struct hub *hub)
{
    return hub->up;
}

const char *hub_problem(const struct hub *hub)
{
    return hub->problem;
}

bool hub_has_log(struct hub *hub, const char *log, int64_t since_us)
{
    int64_t now_us = clock_now_us();
    if (hub->metadata_us >= since_us && hub->log != NULL &&
        (log == NULL || strcmp(log, hub->log) == 0))
        return true;
    if (hub->up && now_us >= hub->look_again_us) {
        hub->look_again_us = now_us + LOOK_AGAIN_US;
        hub_refresh(hub);
    }
    return false;
}

void hub_refresh(struct hub *hub)
{
    if (hub->source != NULL)
        source_refresh(hub->source);
}

bool hub_fences(const struct hub *hub)
{
    return hub->source != NULL && source_fences(hub->source);
}

static struct source_position position_of(const struct hub *hub, const struct hub_start *start)
{
    if (start->after_offset.n > 0)
        return (struct source_position){.kind = SOURCE_AFTER_OFFSET, .offset = start->after_offset};
    if (start->time_ms == 0)
        return (struct source_position){.kind = SOURCE_AT_EARLIEST};
    if (start->time_ms > 0)
        return (struct source_position){.kind = SOURCE_AT_TIME, .time_ms = start->time_ms};
    bool latest = start->abandoned        ? hub->on_invalid_offset == INVALID_OFFSET_LATEST
                  : start->generation > 1 ? hub->new_log_latest
                                          : hub->start_at_latest;
    if (latest)
        return (struct source_position){.kind = SOURCE_AT_LATEST};
    bool first = !start->abandoned && start->generation <= 1;
    if (first && hub->start_ms >= 0)
        return (struct source_position){.kind = SOURCE_AT_TIME, .time_ms = hub->start_ms};
    if (first && hub->start_sequence >= 0)
        return (struct source_position){.kind = SOURCE_AT_SEQUENCE,
                                        .sequence = hub->start_sequence};
    return (struct source_position){.kind = SOURCE_AT_EARLIEST};
}

struct source_reader *hub_read(struct hub *hub, const char *partition, int64_t token,
                               const struct hub_start *start, uint32_t credit, struct grant *grant)
{
    return source_read(hub->source, slice_from(partition), token, position_of(hub, start), credit,
                       grant);
}

bool hub_stops_at_invalid_offset(const struct hub *hub)
{
    return hub->on_invalid_offset == INVALID_OFFSET_STOP;
}

void hubs_each(const struct hubs *all, hubs_each_fn each, void *ctx)
{
    const struct hub *hub;
    DL_FOREACH(all->list, hub)
    {
        struct hub_view view = {.name = hub->name, .up = hub->up};
        if (hub->source != NULL)
            view.counts = source_counters(hub->source);
        each(ctx, &view);
    }
}

void hubs_describe(const struct hubs *all, struct buffer *json)
{
    const struct hub *hub;
    (void)buffer_append_text(json, "{");
    DL_FOREACH(all->list, hub)
    {
        (void)buffer_append_text(json, hub == all->list ? "\"" : ",\"");
        (void)buffer_append_json(json, slice_from(hub->name));
        (void)buffer_append_text(json, "\":\"");
        (void)buffer_append_json(json, slice_from(hub->up ? "up" : hub->problem));
        (void)buffer_append_text(json, "\"");
    }
    (void)buffer_append_text(json, "}");
}
