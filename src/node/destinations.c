#include "node/destinations.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/hash.h"
#include "core/lane.h"
#include "core/retry.h"
#include "node/flow.h"
#include "node/membership.h"
#include "node/parts.h"
#include "node/secrets.h"
#include "store/configuration.h"
#include "store/progress.h"
#include "thingworx/client.h"

#include <event2/event.h>
#include <stdlib.h>
#include <utlist.h>

enum {
    RETRY_BASE_MS = 100,
    RETRY_CAP_MS = 10000,
    CONFIGURATION_RETRY_MS = 500, /* the client lets one request at a time through */
    BODIES_KEPT = 64,
    LATENCY_SHIFT = 3 /* the shown latency is a moving average over about 8 answers */
};

/* One request on the wire; its buffer is used again for the next. */
struct delivery {
    struct destination *destination;
    struct lane *lane;
    struct buffer body;
    uint32_t rows;
    struct delivery *next, *prev;
};

struct destination {
    struct node_parts *node;
    char *name, *app_key_secret;
    uint64_t app_key_hash; /* of the key in use, to see when it is replaced */
    struct thingworx *client;
    struct lanes *lanes;
    struct lane_limits limits;
    struct delivery *idle, *busy;
    size_t idle_count;
    struct event *pump;
    int64_t linger_us; /* how long the first row of a Thing waits for others */
    const char *state;
    int64_t latency_us;
    bool configured;
    struct destination *next, *prev;
};

struct destinations {
    struct node_parts *node;
    struct destination *list;
};

static const struct slice update_service = {"UpdatePropertyValues", 20};

/* ---- the pump ----------------------------------------------------------------------------- */

static void wake(struct destination *d)
{
    event_active(d->pump, EV_TIMEOUT, 0);
}

/* New rows wait for others if the destination is told so; answers and retries never do. */
static void wake_for_rows(struct destination *d)
{
    struct timeval t = {.tv_sec = d->linger_us / SECOND_US, .tv_usec = d->linger_us % SECOND_US};
    if (d->linger_us == 0)
        wake(d);
    else if (!event_pending(d->pump, EV_TIMEOUT, NULL))
        event_add(d->pump, &t);
}

static struct delivery *delivery_new(struct destination *d)
{
    struct delivery *delivery = d->idle;
    if (delivery != NULL) {
        DL_DELETE(d->idle, delivery);
        d->idle_count--;
    } else {
        delivery = xcalloc(1, sizeof *delivery);
        delivery->destination = d;
    }
    size_t ceiling = lanes_body_ceiling(d->lanes);
    if (delivery->body.ceiling != ceiling) {
        buffer_free(&delivery->body);
        buffer_init(&delivery->body, ceiling);
    }
    buffer_clear(&delivery->body);
    DL_APPEND(d->busy, delivery);
    return delivery;
}

static void delivery_free(struct delivery *delivery)
{
    buffer_free(&delivery->body);
    free(delivery);
}

static void delivery_done(struct delivery *delivery)
{
    struct destination *d = delivery->destination;
    DL_DELETE(d->busy, delivery);
    if (d->idle_count >= BODIES_KEPT) {
        delivery_free(delivery);
        return;
    }
    DL_PREPEND(d->idle, delivery);
    d->idle_count++;
}

/* Runs once in a turn of the loop, after its messages have been queued, so that what came together
 * for one Thing goes out together. */
static void on_pump(evutil_socket_t fd, short what, void *ctx)
{
    struct destination *d = ctx;
    struct node_parts *node = d->node;
    (void)fd;
    (void)what;
    int64_t now = clock_now_us();
    struct lane *lane;
    while (!node->asleep && thingworx_ready_to_send(d->client, now) &&
           (lane = lanes_next(d->lanes, now)) != NULL) {
        struct delivery *delivery = delivery_new(d);
        delivery->lane = lane;
        delivery->rows = lane_take(lane, &delivery->body);
        node->counts.requests++;
        if (!thingworx_post(d->client, lane_thing(lane), update_service,
                            buffer_slice(&delivery->body), lane_refused_since(lane), delivery,
                            now)) {
            delivery_done(delivery);
            lane_answer(d->lanes, lane, LANE_RETRY, now, NULL, now);
            break;
        }
    }
    int64_t due = lanes_wakeup_at(d->lanes);
    if (due != INT64_MAX) {
        int64_t wait = due > now ? due - now : 0;
        struct timeval t = {.tv_sec = wait / SECOND_US, .tv_usec = wait % SECOND_US};
        event_add(d->pump, &t);
    }
}

/* ---- answers ------------------------------------------------------------------------------ */

static enum lane_verdict verdict_of(struct destination *d, const struct thingworx_answer *answer,
                                    unsigned attempts, int64_t now, int64_t *retry_at)
{
    int64_t wait =
        retry_delay_us(attempts, RETRY_BASE_MS * MS_US, RETRY_CAP_MS * MS_US, &d->node->random);
    if (answer->retry_after_us > wait)
        wait = answer->retry_after_us;
    *retry_at = now + wait;
    switch (answer->class) {
    case ANSWER_ACCEPTED:
        return LANE_ACCEPTED;
    case ANSWER_CONFIGURATION:
        *retry_at = now + CONFIGURATION_RETRY_MS * MS_US;
        return LANE_RETRY;
    case ANSWER_TOO_LARGE:
        *retry_at = 0;
        return LANE_SPLIT;
    case ANSWER_SUSPECT:
        return answer->refusal_confirmed ? LANE_SUSPECT : LANE_UNPROVEN;
    default:
        return LANE_RETRY;
    }
}

static void on_answered(void *ctx, void *request_ctx, const struct thingworx_answer *answer)
{
    struct destination *d = ctx;
    struct delivery *delivery = request_ctx;
    struct lane *lane = delivery->lane;
    int64_t now = clock_now_us(), retry_at = 0;
    enum lane_verdict verdict = verdict_of(d, answer, lane_attempts(lane), now, &retry_at);
    if (verdict == LANE_ACCEPTED) {
        d->node->counts.values_delivered += delivery->rows;
        d->latency_us += (answer->latency_us - d->latency_us) >> LATENCY_SHIFT;
    } else {
        d->node->counts.requests_retried++;
    }
    char detail[320];
    (void)snprintf(detail, sizeof detail, "HTTP %d: %s", answer->status, answer->text);
    delivery_done(delivery);
    lane_answer(d->lanes, lane, verdict, retry_at, detail, now);
    wake(d);
}

static void on_capacity(void *ctx)
{
    wake(ctx);
}

static void on_state(void *ctx, const char *state, const struct error *why)
{
    struct destination *d = ctx;
    struct node_parts *node = d->node;
    d->state = state;
    struct pg_connection *work = membership_work(node->membership);
    struct error ok;
    error_set(&ok, "destination %s takes values again", d->name);
    if (work != NULL)
        store_report_event(work, membership_key(node->membership), "destination", d->name,
                           why != NULL ? why : &ok);
}

static void on_completed(void *ctx, struct parcel *parcel)
{
    struct destination *d = ctx;
    flow_completed(d->node, parcel);
}

static void on_refused(void *ctx, struct parcel *parcel, uint32_t row, const char *reason,
                       const char *detail)
{
    struct destination *d = ctx;
    flow_refused(d->node, d, parcel, row, reason, detail);
}

/* ---- opening and closing ------------------------------------------------------------------ */

static struct lanes *make_lanes(struct destination *d)
{
    struct lane_handlers handlers = {d, on_completed, on_refused};
    return lanes_create(&d->limits, &handlers);
}

static void client_config(const struct destination *d, const struct destination_config *from,
                          const char *app_key, struct thingworx_config *to)
{
    *to = (struct thingworx_config){.name = d->name,
                                    .base_urls = (const char *const *)from->base_urls,
                                    .base_url_count = from->base_url_count,
                                    .app_key = app_key,
                                    .node = d->node->name,
                                    .max_in_flight = from->max_in_flight,
                                    .request_timeout_ms = from->request_timeout_ms,
                                    .random = &d->node->random,
                                    .log = d->node->log};
}

/* A key that cannot be read is a configuration fault like a wrong one: requests go out without
 * and the destination pauses, nothing is lost. */
static char *read_key(struct destination *d)
{
    struct error err;
    char *key = secret_read(d->node->secrets_folder, d->app_key_secret, &err);
    if (key == NULL)
        log_error(d->node->log, "no application key for the destination", &err,
                  F_TEXT("destination", d->name));
    d->app_key_hash = key != NULL ? hash_bytes(slice_from(key)) : 0;
    return key;
}

static bool open_client(struct destination *d, const struct destination_config *config)
{
    struct thingworx_config settings;
    struct thingworx_handlers handlers = {d, on_answered, on_capacity, on_state};
    struct error err;
    char *key = read_key(d);
    client_config(d, config, key != NULL ? key : "", &settings);
    d->client = thingworx_open(d->node->base, d->node->dns, &settings, handlers, &err);
    secret_free(key);
    if (d->client != NULL)
        return true;
    log_error(d->node->log, "the destination cannot be used", &err, F_TEXT("destination", d->name));
    return false;
}

static void destination_free(struct destination *d)
{
    struct delivery *delivery, *next;
    if (d->client != NULL)
        thingworx_close(d->client);
    DL_FOREACH_SAFE(d->busy, delivery, next)
    {
        delivery_free(delivery);
    }
    DL_FOREACH_SAFE(d->idle, delivery, next)
    {
        delivery_free(delivery);
    }
    if (d->lanes != NULL)
        lanes_free(d->lanes);
    if (d->pump != NULL)
        event_free(d->pump);
    free(d->name);
    free(d->app_key_secret);
    free(d);
}

static void open_destination(struct destinations *all, const struct destination_config *config)
{
    struct destination *d = xcalloc(1, sizeof *d);
    *d = (struct destination){.node = all->node,
                              .name = xstrdup(config->name),
                              .app_key_secret = xstrdup(config->app_key_secret),
                              .limits = {config->max_rows, config->max_bytes},
                              .linger_us = config->linger_ms * MS_US,
                              .state = "ok",
                              .configured = true};
    if (!open_client(d, config)) {
        destination_free(d);
        return;
    }
    d->pump = event_new(all->node->base, -1, 0, on_pump, d);
    d->lanes = make_lanes(d);
    DL_APPEND(all->list, d);
}

static void change_destination(struct destination *d, const struct destination_config *config)
{
    struct thingworx_config settings;
    struct error err;
    free(d->app_key_secret);
    d->app_key_secret = xstrdup(config->app_key_secret);
    d->limits = (struct lane_limits){config->max_rows, config->max_bytes};
    lanes_set_limits(d->lanes, &d->limits);
    d->linger_us = config->linger_ms * MS_US;
    char *key = read_key(d);
    client_config(d, config, key, &settings);
    if (!thingworx_reconfigure(d->client, &settings, &err))
        log_error(d->node->log, "the destination keeps its old configuration", &err,
                  F_TEXT("destination", d->name));
    secret_free(key);
}

struct destinations *destinations_create(struct node_parts *node)
{
    struct destinations *all = xcalloc(1, sizeof *all);
    all->node = node;
    return all;
}

void destinations_free(struct destinations *all)
{
    if (all == NULL)
        return;
    struct destination *d, *next;
    DL_FOREACH_SAFE(all->list, d, next)
    {
        destination_free(d);
    }
    free(all);
}

struct destination *destinations_find(struct destinations *all, const char *name)
{
    struct destination *d;
    DL_FOREACH(all->list, d)
    {
        if (strcmp(d->name, name) == 0)
            return d;
    }
    return NULL;
}

void destinations_configure(struct destinations *all, const struct configuration *configuration)
{
    struct destination *d;
    DL_FOREACH(all->list, d)
    {
        d->configured = false;
    }
    for (size_t i = 0; i < configuration->destination_count; i++) {
        const struct destination_config *config = &configuration->destinations[i];
        d = destinations_find(all, config->name);
        if (d == NULL) {
            open_destination(all, config);
            continue;
        }
        d->configured = true;
        change_destination(d, config);
    }
}

void destinations_reload_secrets(struct destinations *all)
{
    struct destination *d;
    DL_FOREACH(all->list, d)
    {
        char *key = secret_read(all->node->secrets_folder, d->app_key_secret, NULL);
        uint64_t hash = key != NULL ? hash_bytes(slice_from(key)) : 0;
        if (hash != 0 && hash != d->app_key_hash) {
            log_info(all->node->log, "the application key was replaced",
                     F_TEXT("destination", d->name));
            d->app_key_hash = hash;
            thingworx_set_app_key(d->client, key);
        }
        secret_free(key);
    }
}

void destinations_tick(struct destinations *all, int64_t now_us)
{
    struct destination *d, *next;
    (void)now_us;
    DL_FOREACH_SAFE(all->list, d, next)
    {
        /* One that was configured away finishes what it has first. */
        if (!d->configured && lanes_counts(d->lanes).parcels == 0 && d->busy == NULL) {
            DL_DELETE(all->list, d);
            destination_free(d);
        } else if (lanes_counts(d->lanes).parcels > 0) {
            wake_for_rows(d); /* a backstop: nothing may wait for ever */
        }
    }
}

void destinations_reset(struct destinations *all)
{
    struct destination *d;
    DL_FOREACH(all->list, d)
    {
        thingworx_cancel(d->client);
        lanes_free(d->lanes);
        d->lanes = make_lanes(d);
        while (d->busy != NULL)
            delivery_done(d->busy);
    }
}

/* ---- rows --------------------------------------------------------------------------------- */

void destination_push(struct destination *d, const struct lane_key *key, struct parcel *parcel)
{
    lanes_push_keyed(d->lanes, key, parcel);
    wake_for_rows(d);
}

void destination_row_done(struct destination *d, struct parcel *parcel)
{
    lanes_row_done(d->lanes, parcel);
    wake(d);
}

void destinations_abandon(struct destinations *all, const void *owner)
{
    struct destination *d;
    DL_FOREACH(all->list, d)
    {
        lanes_abandon(d->lanes, owner);
    }
}

size_t destinations_drop(struct destinations *all, const void *owner, int64_t above_sequence)
{
    size_t n = 0;
    struct destination *d;
    DL_FOREACH(all->list, d)
    {
        n += lanes_drop(d->lanes, owner, above_sequence);
    }
    return n;
}

int64_t destinations_touched(const struct destinations *all, const void *owner)
{
    int64_t highest = INT64_MIN;
    const struct destination *d;
    DL_FOREACH(all->list, d)
    {
        int64_t touched = lanes_touched(d->lanes, owner);
        highest = touched > highest ? touched : highest;
    }
    return highest;
}

size_t destinations_on_the_wire(const struct destinations *all)
{
    size_t n = 0;
    const struct destination *d;
    DL_FOREACH(all->list, d)
    {
        n += lanes_counts(d->lanes).on_the_wire;
    }
    return n;
}

void destinations_describe(const struct destinations *all, struct buffer *json)
{
    const struct destination *d;
    (void)buffer_append_text(json, "{");
    DL_FOREACH(all->list, d)
    {
        (void)buffer_printf(json, "%s\"", d == all->list ? "" : ",");
        (void)buffer_append_json(json, slice_from(d->name));
        (void)buffer_printf(json, "\":\"%s\"", d->state);
    }
    (void)buffer_append_text(json, "}");
}
