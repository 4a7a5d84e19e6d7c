#include "node/destination.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/bulk_body.h"
#include "core/lane.h"
#include "core/retry.h"
#include "node/creations.h"
#include "node/destination_news.h"
#include "node/destination_state.h"
#include "node/flow.h"
#include "node/membership.h"
#include "node/parts.h"
#include "node/secrets.h"
#include "store/configuration.h"
#include "store/progress.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_BASE_MS = 100,
    RETRY_CAP_MS = 10000,
    CONFIGURATION_RETRY_MS = 500, /* the client lets one request at a time through */
    RETRY_AFTER_MAX_MS = 60000    /* a page of a proxy may say an hour, and be gone in a minute */
};

static const struct slice update_service = {"UpdatePropertyValues", 20};
static const struct slice bulk_thing = {BULK_THING, sizeof BULK_THING - 1};
static const struct slice bulk_service = {BULK_SERVICE, sizeof BULK_SERVICE - 1};

/* ---- the pump ----------------------------------------------------------------------------- */

static void wake(struct destination *d)
{
    event_active(d->pump, EV_TIMEOUT, 0);
}

static void wake_at(struct destination *d, int64_t due_us, int64_t now_us)
{
    if (due_us >= d->pump_at_us)
        return;
    int64_t wait = due_us > now_us ? due_us - now_us : 0;
    struct timeval t = {.tv_sec = wait / SECOND_US, .tv_usec = wait % SECOND_US};
    d->pump_at_us = due_us;
    event_add(d->pump, &t);
}

/* New rows wait for others if the destination is told so; answers and retries never do. */
static void wake_for_rows(struct destination *d)
{
    if (d->linger_us == 0) {
        wake(d);
        return;
    }
    int64_t now = clock_now_us();
    wake_at(d, now + d->linger_us, now);
}

static bool post(struct destination *d, struct delivery *delivery, int64_t now_us)
{
    struct slice body = buffer_slice(&delivery->body);
    bool sent;
    if (delivery->bulk)
        sent = thingworx_post_bulk(d->client, bulk_thing, bulk_service, body, delivery, now_us);
    else
        sent = thingworx_post(d->client, lane_thing(delivery->runs[0].lane), update_service, body,
                              lane_refused_since(delivery->runs[0].lane), delivery, now_us);
    if (sent) {
        d->node->counts.requests++;
        d->in_flight++;
        concurrency_sent(&d->concurrency, d->in_flight);
        rate_sent(&d->rate, delivery->rows, now_us);
        destination_meters_sent(&d->meters, delivery->rows);
    }
    return sent;
}

static int64_t retry_now(void *ctx, const struct lane *lane)
{
    (void)ctx;
    (void)lane;
    return 0;
}

/* Sends one request; false if the client does not take it after all. */
static bool send_rows(struct destination *d, struct lane *lane, int64_t now_us)
{
    struct delivery *delivery = delivery_new(&d->deliveries, d->lanes);
    /* A Thing alone in a bulk request would have nobody to prove that its rows are to blame. */
    bool bulk = bulk_mode_usable(&d->bulk) && lanes_several(d->lanes) && !lane_goes_alone(lane);
    if (!bulk || !delivery_fill_bulk(delivery, d->lanes, d->limits.max_rows, now_us))
        delivery_fill_alone(delivery, lane);
    if (post(d, delivery, now_us))
        return true;
    struct delivery_verdict again = {LANE_RETRY, NULL};
    delivery_answer(delivery, d->lanes, &again, retry_now, NULL, now_us);
    delivery_done(&d->deliveries, delivery);
    return false;
}

/* Finds out whether the bulk service is there, by a call without rows. */
static void ask_for_bulk(struct destination *d, int64_t now_us)
{
    if (!bulk_mode_ask(&d->bulk, now_us) || !thingworx_ready_to_send(d->client, now_us))
        return;
    struct delivery *delivery = delivery_new(&d->deliveries, d->lanes);
    (void)delivery_fill_bulk(delivery, d->lanes, 0, now_us);
    d->bulk.asking = post(d, delivery, now_us);
    if (!d->bulk.asking)
        delivery_done(&d->deliveries, delivery);
}

/* Makes what is missing, call by call. */
static void make_things(struct destination *d, int64_t now_us)
{
    struct creation_job *job;
    while (thingworx_ready_to_send(d->client, now_us) &&
           (job = creations_next(d->creations, now_us)) != NULL) {
        struct delivery *delivery = delivery_new(&d->deliveries, d->lanes);
        struct slice thing, service;
        delivery->job = job;
        creations_write(job, &thing, &service, &delivery->body);
        if (!thingworx_post_bulk(d->client, thing, service, buffer_slice(&delivery->body), delivery,
                                 now_us)) {
            delivery_done(&d->deliveries, delivery);
            return;
        }
        creations_sent(d->creations, job);
        d->in_flight++;
    }
}

/* Runs once in a turn of the loop, after its messages have been queued, so that what came together
 * goes out together. */
static void on_pump(evutil_socket_t fd, short what, void *ctx)
{
    struct destination *d = ctx;
    (void)fd;
    (void)what;
    int64_t now = clock_now_us();
    d->pump_at_us = INT64_MAX;
    if (!pulse_is_steady(&d->node->pulse, now))
        return; /* destination_tick comes again */
    ask_for_bulk(d, now);
    make_things(d, now);
    struct lane *lane;
    /* one that has failed is only tried */
    unsigned limit = d->outage.failed ? 1 : d->concurrency.limit;
    while (d->in_flight < limit && rate_next_us(&d->rate, now) == 0 &&
           thingworx_ready_to_send(d->client, now) && (lane = lanes_next(d->lanes, now)) != NULL)
        if (!send_rows(d, lane, now))
            break;
    int64_t due = lanes_wakeup_at(d->lanes), allowed = rate_next_us(&d->rate, now);
    int64_t making = creations_due_us(d->creations);
    if (making < due)
        due = making;
    /* What is due already waits for the client, which says when it takes more: a timer would turn
     * the loop around and around until then. */
    if (due <= now)
        due = INT64_MAX;
    if (allowed > 0 && lanes_counts(d->lanes).rows > 0 && allowed < due)
        due = allowed;
    wake_at(d, due, now);
}

/* ---- answers ------------------------------------------------------------------------------ */

struct retrying {
    struct destination *destination;
    const struct thingworx_answer *answer;
    int64_t now_us;
};

static int64_t retry_at(void *ctx, const struct lane *lane)
{
    struct retrying *r = ctx;
    if (r->answer->class == ANSWER_CONFIGURATION)
        return r->now_us + CONFIGURATION_RETRY_MS * MS_US;
    int64_t wait = retry_delay_us(lane_attempts(lane), RETRY_BASE_MS * MS_US, RETRY_CAP_MS * MS_US,
                                  &r->destination->node->random);
    int64_t asked = r->answer->retry_after_us;
    if (asked > RETRY_AFTER_MAX_MS * MS_US)
        asked = RETRY_AFTER_MAX_MS * MS_US;
    return r->now_us + (asked > wait ? asked : wait);
}

static void on_accepted(void *ctx, struct slice thing)
{
    const struct retrying *r = ctx;
    thingworx_accepted(r->destination->client, r->answer, thing);
}

static enum lane_verdict verdict_of(const struct thingworx_answer *answer, const struct lane *lane,
                                    bool missing)
{
    struct lane_suspicion suspicion = {answer->refusal_confirmed, answer->refusal_proven, missing};
    switch (answer->class) {
    case ANSWER_ACCEPTED:
        return LANE_ACCEPTED;
    case ANSWER_TOO_LARGE:
        return LANE_SPLIT;
    case ANSWER_SUSPECT:
        return lane_judge(lane, &suspicion);
    default:
        return LANE_RETRY;
    }
}

static void tell(struct destination *d, const struct error *what)
{
    struct pg_connection *work = membership_work(d->node->membership);
    if (work != NULL)
        store_report_event(work, membership_key(d->node->membership), "destination", d->name, what);
}

/* Values were written. */
static void took(struct destination *d, uint32_t rows)
{
    d->node->counts.values_delivered += rows;
    if (rows == 0 || !outage_end(&d->outage))
        return;
    struct error ok;
    news_takes_again(&ok, d->name);
    log_info(d->node->log, "the destination that had failed takes values again",
             F_TEXT("destination", d->name));
    tell(d, &ok);
}

/* A reason for the administrator, unless the client has a better one. */
static void not_taken(struct destination *d, const char *detail)
{
    d->node->counts.requests_retried++;
    if (strcmp(d->state, "ok") != 0)
        return;
    error_set(&d->why, "ThingWorx did not take the values");
    error_detail(&d->why, "%s", detail);
}

enum { PATIENCE = 3 /* refusals in a row, before it is not asked who is to blame */ };

/* The fleet may want what is missing to be made: then nothing is given up before that was tried. */
static enum lane_verdict make_missing(struct retrying *r, const struct lane *lane, bool missing,
                                      enum lane_verdict verdict)
{
    struct creations *creations = r->destination->creations;
    const struct fleet_config *fleet = flow_fleet(r->destination->node, lane_parcel(lane));
    if (r->answer->class != ANSWER_SUSPECT || fleet == NULL || fleet->create_template == NULL)
        return verdict;
    if (missing) {
        if (r->answer->ready && lane_attempts(lane) > 0)
            creations_thing(creations, fleet, lane, r->now_us);
        return LANE_RETRY;
    }
    bool alone = verdict == LANE_SUSPECT && !lane_row(lane, 1, NULL);
    bool long_refused = r->answer->ready && lane_attempts(lane) >= PATIENCE;
    return (alone || long_refused) && creations_property(creations, fleet, lane, r->now_us)
               ? LANE_UNPROVEN
               : verdict;
}

static void answered_alone(struct retrying *r, struct delivery *delivery)
{
    struct destination *d = r->destination;
    char detail[320];
    (void)snprintf(detail, sizeof detail, "HTTP %d: %s", r->answer->status, r->answer->text);
    const struct lane *lane = delivery->runs[0].lane;
    bool missing = r->answer->class == ANSWER_SUSPECT && r->answer->status == 404 &&
                   answer_names_missing(slice_from(r->answer->text), lane_thing(lane));
    struct delivery_verdict verdict = {verdict_of(r->answer, lane, missing), detail};
    verdict.verdict = make_missing(r, lane, missing, verdict.verdict);
    if (verdict.verdict == LANE_ACCEPTED) {
        creations_needless(d->creations, lane_thing(lane));
        took(d, delivery->rows);
    } else {
        not_taken(d, detail);
    }
    if (verdict.verdict == LANE_SUSPECT && missing) {
        delivery_answer_missing(delivery, d->lanes, detail, r->now_us);
        return;
    }
    delivery_answer(delivery, d->lanes, &verdict,
                    verdict.verdict == LANE_SPLIT ? retry_now : retry_at, r, r->now_us);
}

static void note_bulk(struct destination *d, enum bulk_verdict verdict, const char *why,
                      int64_t now_us)
{
    if (!bulk_mode_answered(&d->bulk, verdict, now_us))
        return;
    if (d->bulk.presence == BULK_PRESENT) {
        log_info(d->node->log, "the bulk service takes the values of many Things at once",
                 F_TEXT("destination", d->name));
        return;
    }
    struct error err;
    news_no_bulk(&err, why);
    log_failure(d->node->log, LOG_INFO, "destination gets requests for single Things", &err,
                LOG_FIELDS(F_TEXT("destination", d->name)));
}

/* The answer of a bulk request that carries no verdict on single rows. */
static void bulk_failed(struct retrying *r, struct delivery *delivery)
{
    struct destination *d = r->destination;
    struct delivery_verdict verdict = {LANE_RETRY, NULL};
    delivery_retry retry = retry_at;
    not_taken(d, r->answer->text);
    if (r->answer->class == ANSWER_SUSPECT || r->answer->class == ANSWER_ACCEPTED) {
        retry = retry_now;
    } else if (r->answer->class == ANSWER_TOO_LARGE) {
        retry = retry_now;
        if (delivery->rows > 1)
            lanes_learn_size(d->lanes, delivery->body.n, false);
        else
            verdict = (struct delivery_verdict){LANE_SPLIT, r->answer->text};
    }
    delivery_answer(delivery, d->lanes, &verdict, retry, r, r->now_us);
}

static void answered_bulk(struct retrying *r, struct delivery *delivery)
{
    struct destination *d = r->destination;
    const struct thingworx_answer *answer = r->answer;
    if (delivery->run_count == 0)
        d->bulk.asking = false;
    if (answer->class == ANSWER_ACCEPTED &&
        bulk_answer_read(&d->bulk_answer, answer->body, delivery->rows)) {
        note_bulk(d, BULK_ANSWERED, NULL, r->now_us);
        lanes_learn_size(d->lanes, delivery->body.n, true);
        took(d, delivery_answer_rows(delivery, d->lanes, &d->bulk_answer, answer->ready, retry_at,
                                     on_accepted, r, r->now_us));
        return;
    }
    if (answer->class == ANSWER_ACCEPTED)
        note_bulk(d, BULK_REFUSED, d->bulk_answer.why, r->now_us);
    else
        note_bulk(d, answer->class == ANSWER_SUSPECT ? BULK_REFUSED : BULK_NO_ANSWER, answer->text,
                  r->now_us);
    bulk_failed(r, delivery);
}

static void on_answered(void *ctx, void *request_ctx, const struct thingworx_answer *answer)
{
    struct destination *d = ctx;
    struct delivery *delivery = request_ctx;
    struct retrying r = {d, answer, clock_now_us()};
    bool failed = answer->class == ANSWER_RETRY || answer->class == ANSWER_THROTTLED;
    d->in_flight--;
    destination_meters_answered(&d->meters, d->node, answer, delivery->rows);
    if (delivery->rows > 0) /* what the question for the service takes says nothing of values */
        concurrency_answered(&d->concurrency, answer->latency_us, failed, r.now_us);
    if (delivery->job != NULL)
        creations_answered(d->creations, delivery->job, answer, r.now_us);
    else if (delivery->bulk)
        answered_bulk(&r, delivery);
    else
        answered_alone(&r, delivery);
    delivery_done(&d->deliveries, delivery);
    wake(d);
}

/* A process that was stopped cancels what it has on the wire before any of it goes on: libcurl may
 * have requests that it has not sent yet. */
static bool is_steady(void *ctx)
{
    const struct destination *d = ctx;
    return !pulse_is_late(&d->node->pulse, clock_now_us());
}

static bool is_wanted(void *ctx, const void *request_ctx)
{
    (void)ctx;
    return delivery_is_wanted(request_ctx);
}

static void on_capacity(void *ctx)
{
    wake(ctx);
}

static void on_state(void *ctx, const char *state, const struct error *why)
{
    struct destination *d = ctx;
    d->state = state;
    concurrency_restart(&d->concurrency);
    struct error ok;
    news_takes_again(&ok, d->name);
    if (why != NULL)
        d->why = *why;
    tell(d, why != NULL ? why : &ok);
}

/* Nothing has been taken for too long. */
static void fail(struct destination *d, int64_t now_us)
{
    struct error err;
    news_failed(&err, d->name, &d->why, now_us - d->outage.since_us);
    log_error(d->node->log, "destination failed", &err, F_TEXT("destination", d->name));
    tell(d, &err);
}

static void on_completed(void *ctx, struct parcel *parcel)
{
    struct destination *d = ctx;
    flow_completed(d->node, parcel, d->meters.latency);
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

/* One whose base URLs cannot be used keeps what it is given until they are put right. */
static void open_client(struct destination *d, const struct destination_config *config)
{
    struct thingworx_config settings;
    struct thingworx_handlers handlers = {.ctx = d,
                                          .answered = on_answered,
                                          .capacity = on_capacity,
                                          .steady = is_steady,
                                          .wanted = is_wanted,
                                          .state = on_state};
    char *key = destination_secrets_key(&d->secrets, d->node, d->name);
    client_config(d, config, key, &settings);
    d->client = thingworx_open(d->node->base, d->node->dns, &settings, handlers);
    secret_free(key);
    destination_secrets_secure(&d->secrets, d->node, d->name, d->client);
}

void destination_free(struct destination *d)
{
    thingworx_close(d->client);
    deliveries_free(&d->deliveries);
    creations_free(d->creations);
    lanes_free(d->lanes);
    event_free(d->pump);
    bulk_answer_free(&d->bulk_answer);
    destination_meters_close(&d->meters, d->node, d->name);
    free(d->name);
    destination_secrets_free(&d->secrets);
    free(d);
}

/* What may change at any time, besides the client's part. */
static void set_limits(struct destination *d, const struct destination_config *config)
{
    unsigned rate = config->max_rows_per_second;
    /* No request may take what others are to send in the seconds to come. */
    d->limits = (struct lane_limits){rate > 0 && rate < config->max_rows ? rate : config->max_rows,
                                     config->max_bytes};
    d->linger_us = config->linger_ms * MS_US;
    d->failed_after_us = config->failed_after_s * SECOND_US;
    destination_secrets_name(&d->secrets, config);
    bulk_mode_want(&d->bulk, config->bulk);
    rate_set(&d->rate, rate);
}

struct destination *destination_open(struct node_parts *node,
                                     const struct destination_config *config)
{
    struct destination *d = xcalloc(1, sizeof *d);
    *d = (struct destination){.node = node,
                              .name = xstrdup(config->name),
                              .restarts = config->restarts,
                              .state = "ok",
                              .pump_at_us = INT64_MAX};
    destination_meters_open(&d->meters, node, d->name);
    set_limits(d, config);
    d->creations = creations_create(node, d->name);
    concurrency_init(&d->concurrency, config->max_in_flight, config->adaptive);
    open_client(d, config);
    d->pump = event_new(node->base, -1, 0, on_pump, d);
    d->lanes = make_lanes(d);
    return d;
}

/* An administrator has mended it: nothing waits for a back-off. */
static void restart(struct destination *d)
{
    log_info(d->node->log, "destination restarted", F_TEXT("destination", d->name));
    (void)outage_end(&d->outage);
    thingworx_restart(d->client);
    (void)lanes_next(d->lanes, INT64_MAX);
}

void destination_change(struct destination *d, const struct destination_config *config)
{
    struct thingworx_config settings;
    struct error err;
    set_limits(d, config);
    lanes_set_limits(d->lanes, &d->limits);
    concurrency_set(&d->concurrency, config->max_in_flight, config->adaptive);
    char *key = destination_secrets_key(&d->secrets, d->node, d->name);
    client_config(d, config, key, &settings);
    if (!thingworx_reconfigure(d->client, &settings, &err))
        log_error(d->node->log, "the destination keeps its old configuration", &err,
                  F_TEXT("destination", d->name));
    secret_free(key);
    destination_secrets_secure(&d->secrets, d->node, d->name, d->client);
    if (d->restarts != config->restarts)
        restart(d);
    d->restarts = config->restarts;
    wake(d);
}

void destination_reload_secret(struct destination *d)
{
    destination_secrets_reload(&d->secrets, d->node, d->name, d->client);
}

void destination_reset(struct destination *d)
{
    thingworx_cancel(d->client);
    lanes_free(d->lanes);
    d->lanes = make_lanes(d);
    d->bulk.asking = false;
    d->in_flight = 0;
    deliveries_cancelled(&d->deliveries);
    creations_cancelled(d->creations);
}

void destination_tick(struct destination *d, int64_t now_us)
{
    creations_tick(d->creations, now_us);
    if (outage_look(&d->outage, lanes_counts(d->lanes).rows > 0, d->failed_after_us, now_us))
        fail(d, now_us);
    if (lanes_counts(d->lanes).parcels > 0)
        wake_for_rows(d); /* a backstop: nothing may wait for ever */
    else if (bulk_mode_ask(&d->bulk, now_us))
        wake(d);
}

bool destination_is_empty(const struct destination *d)
{
    return lanes_counts(d->lanes).parcels == 0 && d->deliveries.busy == NULL;
}

/* ---- rows --------------------------------------------------------------------------------- */

const struct lanes *destination_lanes(const struct destination *d)
{
    return d->lanes;
}

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

void destination_abandon(struct destination *d, const void *owner)
{
    lanes_abandon(d->lanes, owner);
}

size_t destination_drop(struct destination *d, const void *owner, int64_t above_sequence)
{
    return lanes_drop(d->lanes, owner, above_sequence);
}

int64_t destination_touched(const struct destination *d, const void *owner)
{
    return lanes_touched(d->lanes, owner);
}
