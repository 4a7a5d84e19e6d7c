#include "thingworx/client.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/vault.h"
#include "core/hash.h"
#include "core/pause.h"
#include "core/refusals.h"
#include "core/skew.h"
#include "thingworx/clock_check.h"
#include "thingworx/endpoints.h"
#include "thingworx/http.h"
#include "thingworx/path.h"
#include "thingworx/request_headers.h"
#include "thingworx/security.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define MAX_IN_FLIGHT 16
#define REQUEST_TIMEOUT_MS 30000
#define CONNECT_TIMEOUT_MS 5000
#define PROBE_INTERVAL_MS 10000
#define SETTLE_MS 2000
#define HOLD_MAX_US (60 * SECOND_US)
#define TEXT_BYTES 512

struct request {
    struct thingworx *tw;
    struct request *prev, *next; /* in busy or idle */
    struct endpoint *endpoint;
    struct buffer path; /* /Things/<thing>/Services/<service>, encoded */
    struct slice body;
    void *ctx;
    uint64_t thing;
    int64_t refused_since_us, started_us;
    uint64_t generation; /* of the endpoint's evidence */
    /* The evidence spoke against the Thing when this was sent: since the refusal of this batch,
     * and since its last refusal of whatever rows, which was with known_status. */
    bool refutable, refutable_again;
    int known_status;
    bool many;      /* Things in one request */
    bool trial;     /* of a paused destination */
    bool probation; /* of a breaker that is half open */
    unsigned moves;
};

struct thingworx {
    struct event_base *base;
    struct thingworx_handlers handlers;
    struct endpoints endpoints;
    struct http *http;
    struct http_headers *headers;
    struct security security;
    struct event timer;
    struct random *random;
    struct log *log;
    char *name, *node, *app_key;
    struct request *busy, *idle;
    struct buffer url; /* scratch */
    struct pause pause;
    struct refusals refusals;
    struct skew skew;
    struct error why; /* of `state` */
    const char *state;
    unsigned max_in_flight;
    int request_timeout_ms;
    int64_t settle_us;
    struct thingworx_counters counters;
};

static const char STATE_OK[] = "ok", STATE_PAUSED[] = "paused", STATE_UNREACHABLE[] = "unreachable";

bool thingworx_ready_to_send(const struct thingworx *tw, int64_t now_us)
{
    return tw->counters.in_flight < tw->max_in_flight && pause_allows(&tw->pause, now_us) &&
           endpoints_pick(&tw->endpoints, now_us) != NULL;
}

/* ---- state ---- */

static const char *present_state(const struct thingworx *tw)
{
    if (tw->pause.paused)
        return STATE_PAUSED;
    return endpoints_working(&tw->endpoints) > 0 ? STATE_OK : STATE_UNREACHABLE;
}

static void update_state(struct thingworx *tw)
{
    const char *state = present_state(tw);
    if (state == tw->state)
        return;
    tw->state = state;
    const struct error *why = NULL;
    if (state == STATE_PAUSED)
        why = &tw->why;
    else if (state == STATE_UNREACHABLE)
        why = tw->endpoints.count > 0 ? &tw->endpoints.list[0]->fault : &tw->why;
    if (why == NULL)
        log_info(tw->log, "destination works", F_TEXT("destination", tw->name));
    else if (state == STATE_PAUSED)
        log_error(tw->log, "destination paused, its data is kept", why,
                  F_TEXT("destination", tw->name));
    else
        log_error(tw->log, "destination cannot be reached, its data is kept", why,
                  F_TEXT("destination", tw->name));
    if (tw->handlers.state != NULL)
        tw->handlers.state(tw->handlers.ctx, state, why);
}

/* ---- requests ---- */

static struct request *request_create(struct thingworx *tw)
{
    struct request *r = tw->idle;
    if (r != NULL) {
        DL_DELETE(tw->idle, r);
    } else {
        r = xcalloc(1, sizeof(*r));
        r->tw = tw;
        buffer_init(&r->path, SIZE_MAX / 2); /* as long as the name that the caller holds */
    }
    DL_APPEND(tw->busy, r);
    return r;
}

static void request_free(struct request *r)
{
    buffer_free(&r->path);
    free(r);
}

static void on_done(void *ctx, const struct http_result *result);

static void send_request(struct request *r, struct endpoint *e, int64_t now_us)
{
    struct thingworx *tw = r->tw;
    r->endpoint = e;
    r->started_us = now_us;
    r->generation = e->evidence.generation;
    const struct refusal *known = refusals_find(&tw->refusals, r->thing, now_us);
    r->refutable =
        r->refused_since_us > 0 && evidence_refuted(&e->evidence, r->thing, r->refused_since_us);
    r->refutable_again = known != NULL && evidence_refuted(&e->evidence, r->thing, known->last_us);
    r->known_status = known != NULL ? known->status : 0;
    r->probation = e->breaker.state == BREAKER_HALF_OPEN;
    e->probation += r->probation;
    e->in_flight++;
    endpoints_step(&tw->endpoints, e);
    buffer_clear(&tw->url);
    buffer_append_text(&tw->url, e->url.text);
    buffer_append_slice(&tw->url, buffer_slice(&r->path));
    int connect_ms =
        tw->request_timeout_ms < CONNECT_TIMEOUT_MS ? tw->request_timeout_ms : CONNECT_TIMEOUT_MS;
    http_send(tw->http, &(struct http_request){.url = buffer_text(&tw->url),
                                               .post = true,
                                               .body = r->body,
                                               .headers = tw->headers,
                                               .route = e->route,
                                               .connect_timeout_ms = connect_ms,
                                               .timeout_ms = tw->request_timeout_ms,
                                               .text_max = r->many ? THINGWORX_BULK_ANSWER_MAX : 0,
                                               .done = on_done,
                                               .ctx = r});
}

static bool post(struct thingworx *tw, struct slice thing, struct slice service,
                 const struct request *what, int64_t now_us)
{
    if (!thingworx_ready_to_send(tw, now_us))
        return false;
    struct request *r = request_create(tw);
    r->body = what->body;
    r->ctx = what->ctx;
    r->many = what->many;
    r->thing = hash_bytes(thing);
    r->refused_since_us = what->refused_since_us;
    r->moves = 0;
    r->trial = pause_begin(&tw->pause);
    buffer_clear(&r->path);
    buffer_append_text(&r->path, thing.n > 0 ? "/Things/" : "/Resources/EntityServices");
    path_append(&r->path, thing);
    buffer_append_text(&r->path, "/Services/");
    path_append(&r->path, service);
    tw->counters.in_flight++;
    send_request(r, endpoints_pick(&tw->endpoints, now_us), now_us);
    return true;
}

bool thingworx_post(struct thingworx *tw, struct slice thing, struct slice service,
                    struct slice body, int64_t refused_since_us, void *request_ctx, int64_t now_us)
{
    struct request what = {.body = body, .ctx = request_ctx, .refused_since_us = refused_since_us};
    return post(tw, thing, service, &what, now_us);
}

bool thingworx_post_bulk(struct thingworx *tw, struct slice thing, struct slice service,
                         struct slice body, void *request_ctx, int64_t now_us)
{
    return post(tw, thing, service,
                &(struct request){.body = body, .ctx = request_ctx, .many = true}, now_us);
}

/* ---- answers ---- */

static void explain(const struct request *r, const struct http_result *result,
                    const struct answer_rule *rule, const char *text, struct error *why)
{
    if (security_explain(result, r->endpoint->url.text, why))
        return;
    error_set(why, "%s", rule->meaning);
    if (result->outcome == HTTP_ANSWERED)
        error_detail(why, "%s: HTTP %d %.300s", r->endpoint->url.text, result->status, text);
    else
        error_detail(why, "%s: %.300s", r->endpoint->url.text, text);
    error_hint(why, "%s", rule->hint);
}

/* Whether a refusal is the fault of what was sent: see evidence.h. */
static bool is_confirmed(const struct request *r, int status, int64_t now_us)
{
    const struct thingworx *tw = r->tw;
    const struct evidence *e = &r->endpoint->evidence;
    if (!r->refutable && !(r->refutable_again && r->known_status == status))
        return false;
    if (!e->ready || e->generation != r->generation)
        return false;
    if (status != 404)
        return true;
    const struct refusal *known = refusals_find(&tw->refusals, r->thing, now_us);
    int64_t since_us = r->refused_since_us > 0 ? r->refused_since_us : now_us;
    if (known != NULL && known->status == status && known->first_us < since_us)
        since_us = known->first_us;
    return now_us - since_us >= tw->settle_us;
}

/* A 403 may be the right to one Thing, a 406 one odd value. */
static bool may_concern_one_thing(int status)
{
    return status == 403 || status == 406;
}

static void tell_endpoint(const struct request *r, const struct thingworx_answer *answer,
                          const struct error *why, bool reached, int64_t now_us)
{
    struct endpoint *e = r->endpoint;
    switch (answer->class) {
    case ANSWER_ACCEPTED:
        if (!r->many) {
            evidence_accepted(&e->evidence, r->thing, r->started_us);
            refusals_accepted(&r->tw->refusals, r->thing);
        }
        endpoint_note(e, ENDPOINT_WORKS, NULL, now_us);
        break;
    case ANSWER_SUSPECT:
        endpoint_note(e, answer->refusal_confirmed ? ENDPOINT_WORKS : ENDPOINT_SUSPECT, why,
                      now_us);
        break;
    case ANSWER_THROTTLED:
        if (answer->retry_after_us > 0)
            endpoint_hold(e, now_us + (answer->retry_after_us < HOLD_MAX_US ? answer->retry_after_us
                                                                            : HOLD_MAX_US));
        endpoint_note(e, ENDPOINT_WORKS, NULL, now_us);
        break;
    case ANSWER_CONFIGURATION:
        if (!may_concern_one_thing(answer->status))
            evidence_forget(&e->evidence);
        endpoint_note(e, ENDPOINT_WORKS, NULL, now_us);
        break;
    case ANSWER_TOO_LARGE:
        endpoint_note(e, ENDPOINT_WORKS, NULL, now_us);
        break;
    case ANSWER_RETRY:
    case ANSWER_CLASSES:
        endpoint_note(e, reached ? ENDPOINT_FAILS : ENDPOINT_NOBODY, why, now_us);
        break;
    }
}

static void tell_pause(struct request *r, const struct thingworx_answer *answer,
                       const struct error *why, int64_t now_us)
{
    struct thingworx *tw = r->tw;
    switch (answer->class) {
    case ANSWER_ACCEPTED:
    case ANSWER_TOO_LARGE:
    case ANSWER_SUSPECT:
        pause_passed(&tw->pause, r->trial, r->started_us);
        break;
    case ANSWER_CONFIGURATION:
        if (pause_fault(&tw->pause, !may_concern_one_thing(answer->status), r->trial, r->started_us,
                        now_us, tw->random))
            tw->why = *why;
        break;
    case ANSWER_RETRY:
    case ANSWER_THROTTLED:
    case ANSWER_CLASSES:
        pause_unknown(&tw->pause, r->trial, now_us, tw->random);
        break;
    }
}

/* Nothing was sent, so another base URL may have it at once. */
static bool move(struct request *r, const struct error *why, int64_t now_us)
{
    struct thingworx *tw = r->tw;
    endpoint_note(r->endpoint, ENDPOINT_NOBODY, why, now_us);
    struct endpoint *other = endpoints_pick(&tw->endpoints, now_us);
    if (other == NULL || ++r->moves >= tw->endpoints.count ||
        (tw->handlers.wanted != NULL && !tw->handlers.wanted(tw->handlers.ctx, r->ctx)))
        return false;
    tw->counters.moved++;
    send_request(r, other, now_us);
    return true;
}

void thingworx_accepted(struct thingworx *tw, const struct thingworx_answer *answer,
                        struct slice thing)
{
    uint64_t hash = hash_bytes(thing);
    if (answer->endpoint < tw->endpoints.count)
        evidence_accepted(&tw->endpoints.list[answer->endpoint]->evidence, hash,
                          answer->started_us);
    refusals_accepted(&tw->refusals, hash);
}

static void count(struct thingworx *tw, const struct request *r,
                  const struct thingworx_answer *answer)
{
    struct thingworx_counters *c = &tw->counters;
    c->requests++;
    c->answers[answer->class]++;
    c->confirmed += answer->refusal_confirmed;
    c->body_bytes += r->body.n;
    c->latency_us += (uint64_t)answer->latency_us;
}

static void on_done(void *ctx, const struct http_result *result)
{
    struct request *r = ctx;
    struct thingworx *tw = r->tw;
    int64_t now_us = clock_now_us();
    bool answered = result->outcome == HTTP_ANSWERED;
    bool reached = result->outcome != HTTP_UNREACHABLE;
    const struct answer_rule *rule = answer_rule(result->status, !answered, result->html);
    char text[TEXT_BYTES];
    answer_text(result->text, text, sizeof(text));
    struct error why = {0};
    if (rule->class != ANSWER_ACCEPTED)
        explain(r, result, rule, text, &why);
    clock_check(&tw->skew, tw->log, r->endpoint->url.text, result->date, now_us);
    r->endpoint->in_flight--;
    r->endpoint->probation -= r->probation;
    if (!reached && move(r, &why, now_us))
        return;
    struct thingworx_answer answer = {
        .class = rule->class,
        .status = result->status,
        .retry_after_us = result->retry_after_us,
        .endpoint = r->endpoint->index,
        .text = text,
        .body = r->many ? result->text : (struct slice){NULL, 0},
        .ready = r->endpoint->evidence.ready && r->endpoint->evidence.generation == r->generation,
        .unknown = result->repeats + (result->outcome == HTTP_FAILED || result->status == 502 ||
                                      result->status == 504),
        .started_us = r->started_us,
        .latency_us = now_us - r->started_us};
    bool one_thing = rule->class == ANSWER_CONFIGURATION && may_concern_one_thing(result->status);
    if (!r->many && (rule->class == ANSWER_SUSPECT || one_thing)) {
        answer.refusal_confirmed = is_confirmed(r, result->status, now_us);
        answer.refusal_proven = answer.refusal_confirmed && r->refutable;
        refusals_note(&tw->refusals, r->thing, result->status, now_us);
    }
    if (one_thing && (answer.refusal_confirmed || r->many)) /* the service may not be invoked */
        answer.class = ANSWER_SUSPECT;
    tell_endpoint(r, &answer, &why, reached, now_us);
    tell_pause(r, &answer, &why, now_us);
    tw->counters.in_flight--;
    count(tw, r, &answer);
    tw->handlers.answered(tw->handlers.ctx, r->ctx, &answer);
    DL_DELETE(tw->busy, r);
    DL_PREPEND(tw->idle, r);
}

/* ---- the turn: everything that is not an answer ---- */

static void schedule(struct thingworx *tw, int64_t now_us)
{
    int64_t due = endpoints_due_us(&tw->endpoints, now_us);
    const struct pause *p = &tw->pause;
    if (p->paused && !p->trial && p->trial_at_us > now_us && p->trial_at_us < due)
        due = p->trial_at_us;
    if (due == INT64_MAX) {
        event_del(&tw->timer);
        return;
    }
    /* rounded up, so that it is due when the timer says so */
    int64_t wait = due > now_us ? due - now_us + MS_US : 0;
    event_add(&tw->timer, &(struct timeval){wait / SECOND_US, wait % SECOND_US});
}

static void turn(struct thingworx *tw)
{
    int64_t now_us = clock_now_us();
    endpoints_turn(&tw->endpoints, now_us);
    update_state(tw);
    if (tw->handlers.capacity != NULL && thingworx_ready_to_send(tw, now_us))
        tw->handlers.capacity(tw->handlers.ctx);
    schedule(tw, now_us);
}

static void on_drained(void *ctx)
{
    turn(ctx);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    turn(ctx);
}

/* Soon, from the loop: callers of our functions are never called back from inside them. */
static void turn_soon(void *ctx)
{
    struct thingworx *tw = ctx;
    event_add(&tw->timer, &(struct timeval){0, 0});
}

/* ---- configuration ---- */

static void make_headers(struct thingworx *tw)
{
    http_headers_release(tw->headers);
    tw->headers = request_headers_create(tw->node, tw->app_key);
    if (tw->endpoints.shared.probe_headers == NULL)
        tw->endpoints.shared.probe_headers = request_headers_probe(tw->node);
}

static void set_limits(struct thingworx *tw, const struct thingworx_config *config)
{
    tw->max_in_flight = config->max_in_flight ? config->max_in_flight : MAX_IN_FLIGHT;
    tw->request_timeout_ms =
        config->request_timeout_ms ? config->request_timeout_ms : REQUEST_TIMEOUT_MS;
    int probe_ms = config->probe_interval_ms ? config->probe_interval_ms : PROBE_INTERVAL_MS;
    tw->endpoints.shared.probe_interval_us = probe_ms * MS_US;
    int settle_ms = config->settle_ms ? config->settle_ms : SETTLE_MS;
    tw->settle_us = settle_ms < 0 ? 0 : settle_ms * MS_US;
    /* room for the connections of the probes too */
    http_set_max_connections(tw->http, tw->max_in_flight + (unsigned)config->base_url_count);
}

struct thingworx *thingworx_open(struct event_base *base, struct evdns_base *dns,
                                 const struct thingworx_config *config,
                                 struct thingworx_handlers handlers)
{
    struct thingworx *tw = xcalloc(1, sizeof(*tw));
    tw->base = base;
    tw->handlers = handlers;
    tw->random = config->random;
    tw->log = config->log;
    tw->state = STATE_OK;
    tw->name = xstrdup(config->name);
    tw->node = xstrdup(config->node);
    tw->app_key = request_headers_replace_key(NULL, config->app_key);
    event_assign(&tw->timer, base, -1, 0, on_timer, tw);
    buffer_init(&tw->url, SIZE_MAX / 2);
    pause_init(&tw->pause);
    tw->endpoints.shared = (struct endpoint_shared){.destination = tw->name,
                                                    .dns = dns,
                                                    .random = tw->random,
                                                    .log = tw->log,
                                                    .changed = turn_soon,
                                                    .ctx = tw};
    tw->http = tw->endpoints.shared.http = http_open(base, MAX_IN_FLIGHT, on_drained, tw);
    http_set_gate(tw->http, handlers.steady, handlers.ctx);
    make_headers(tw);
    set_limits(tw, config);
    struct base_url *urls =
        endpoints_read(&tw->endpoints, config->base_urls, config->base_url_count, &tw->why);
    if (urls != NULL)
        endpoints_set(&tw->endpoints, urls, config->base_url_count, clock_now_us());
    turn_soon(tw);
    return tw;
}

void thingworx_set_app_key(struct thingworx *tw, const char *app_key)
{
    tw->app_key = request_headers_replace_key(tw->app_key, app_key);
    make_headers(tw);
    pause_mended(&tw->pause, clock_now_us());
    turn_soon(tw);
}

bool thingworx_set_security(struct thingworx *tw, const struct thingworx_security *security,
                            struct error *err)
{
    bool changed;
    bool ok = security_set(&tw->security, tw->http, security, &changed, err);
    const struct base_url *proxy = &tw->security.proxy;
    tw->endpoints.shared.proxy = proxy->text != NULL ? proxy : NULL;
    if (changed)
        endpoints_anew(&tw->endpoints, clock_now_us());
    turn_soon(tw);
    return ok;
}

void thingworx_restart(struct thingworx *tw)
{
    pause_mended(&tw->pause, clock_now_us());
    endpoints_anew(&tw->endpoints, clock_now_us());
    turn_soon(tw);
}

bool thingworx_reconfigure(struct thingworx *tw, const struct thingworx_config *config,
                           struct error *err)
{
    struct base_url *urls =
        endpoints_read(&tw->endpoints, config->base_urls, config->base_url_count, err);
    if (urls == NULL)
        return false;
    set_limits(tw, config);
    endpoints_set(&tw->endpoints, urls, config->base_url_count, clock_now_us());
    if (config->app_key != NULL && strcmp(config->app_key, tw->app_key) != 0)
        thingworx_set_app_key(tw, config->app_key);
    turn_soon(tw);
    return true;
}

struct thingworx_counters thingworx_count(const struct thingworx *tw)
{
    struct thingworx_counters counters = tw->counters;
    counters.connections = http_counters(tw->http).connections;
    counters.usable = endpoints_working(&tw->endpoints);
    return counters;
}

const char *thingworx_base_url(const struct thingworx *tw, size_t number, enum breaker_state *state)
{
    if (number >= tw->endpoints.count)
        return NULL;
    *state = tw->endpoints.list[number]->breaker.state;
    return tw->endpoints.list[number]->url.text;
}

const char *thingworx_state(const struct thingworx *tw)
{
    return tw->state;
}

void thingworx_cancel(struct thingworx *tw)
{
    http_cancel(tw->http);
    struct request *r, *next;
    DL_FOREACH_SAFE(tw->busy, r, next)
    {
        pause_unknown(&tw->pause, r->trial, clock_now_us(), tw->random);
        DL_DELETE(tw->busy, r);
        DL_PREPEND(tw->idle, r);
    }
    tw->counters.in_flight = 0;
    endpoints_cancelled(&tw->endpoints);
    turn_soon(tw);
}

void thingworx_close(struct thingworx *tw)
{
    if (tw == NULL)
        return;
    if (tw->http != NULL)
        thingworx_cancel(tw);
    struct request *r, *next;
    DL_FOREACH_SAFE(tw->idle, r, next)
    {
        DL_DELETE(tw->idle, r);
        request_free(r);
    }
    endpoints_free(&tw->endpoints);
    http_headers_release(tw->headers);
    http_headers_release(tw->endpoints.shared.probe_headers);
    http_close(tw->http);
    security_free(&tw->security);
    event_del(&tw->timer);
    buffer_free(&tw->url);
    free(tw->name);
    free(tw->node);
    vault_free(tw->app_key);
    free(tw);
}
