#include "thingworx/endpoint.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/answer.h"
#include "core/retry.h"
#include "thingworx/http.h"
#include "thingworx/resolve.h"
#include "thingworx/security.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_TIMEOUT_MS 5000
#define PROBE_SOONEST_US (1 * SECOND_US) /* between two probes that suspicion asks for */
#define RESOLVE_EVERY_US (60 * SECOND_US)
#define RESOLVE_RETRY_US (2 * SECOND_US)

/* What is connected to. */
static const struct base_url *next_hop(const struct endpoint *e)
{
    return e->shared->proxy != NULL ? e->shared->proxy : &e->url;
}

struct endpoint *endpoint_create(const struct endpoint_shared *shared, struct base_url url,
                                 unsigned index, int64_t now_us)
{
    struct endpoint *e = xcalloc(1, sizeof(*e));
    e->shared = shared;
    e->url = url;
    e->index = index;
    e->ready_url = xasprintf("%s/ready", url.text);
    e->resolve_at_us = next_hop(e)->numeric ? INT64_MAX : now_us;
    e->probe_at_us = now_us;
    breaker_init(&e->breaker, now_us);
    evidence_init(&e->evidence);
    return e;
}

void endpoint_free(struct endpoint *e)
{
    if (e->resolving != NULL)
        resolve_cancel(e->resolving);
    http_route_release(e->route);
    base_url_free(&e->url);
    free(e->addresses);
    free(e->ready_url);
    free(e);
}

static void breaker_event(struct endpoint *e, enum breaker_event event, const struct error *why,
                          int64_t now_us)
{
    const struct endpoint_shared *s = e->shared;
    enum breaker_state before = e->breaker.state;
    if (why != NULL)
        e->fault = *why;
    if (!breaker_note(&e->breaker, event, now_us, s->random))
        return;
    if (e->breaker.state == BREAKER_CLOSED)
        log_info(s->log, "base URL in use again", F_TEXT("destination", s->destination),
                 F_TEXT("base_url", e->url.text));
    else if (before == BREAKER_CLOSED)
        log_failure(
            s->log, LOG_WARNING, "base URL left, probing it", &e->fault,
            LOG_FIELDS(F_TEXT("destination", s->destination), F_TEXT("base_url", e->url.text)));
}

static void probe_again(struct endpoint *e, int64_t now_us)
{
    int64_t every = e->shared->probe_interval_us;
    /* a tenth of jitter, so that many nodes do not ask at the same moment */
    e->probe_at_us =
        now_us + every - (int64_t)random_below(e->shared->random, (uint64_t)every / 10);
}

static void explain_probe(const struct endpoint *e, const struct http_result *result,
                          struct error *why)
{
    bool answered = result->outcome == HTTP_ANSWERED;
    char text[128];
    answer_text(result->text, text, sizeof(text));
    error_set(why,
              answered ? "ThingWorx does not say that it is ready" : "ThingWorx does not answer");
    if (answered)
        error_detail(why, "%s: HTTP %d %s", e->ready_url, result->status, text);
    else
        error_detail(why, "%s: %s", e->ready_url, text);
    error_hint(why, "check that ThingWorx runs and takes traffic; it is asked again by itself");
}

static void on_probed(void *ctx, const struct http_result *result)
{
    struct endpoint *e = ctx;
    int64_t now_us = clock_now_us();
    e->probing = false;
    probe_again(e, now_us);
    bool answered = result->outcome == HTTP_ANSWERED;
    bool ready =
        answered && answer_classify(result->status, false, result->html) == ANSWER_ACCEPTED;
    e->shunned = answered && !ready;
    /* a failure since the probe was sent outweighs its answer */
    bool stale = ready && e->evidence.generation != e->probe_generation;
    if (!stale)
        evidence_probe(&e->evidence, ready);
    if (ready) {
        breaker_event(e, BREAKER_PROBE_OK, NULL, now_us);
        return;
    }
    struct error why = {0};
    if (!security_explain(result, e->ready_url, &why))
        explain_probe(e, result, &why);
    enum breaker_event event = answered ? BREAKER_PROBE_REFUSED : BREAKER_PROBE_DEAD;
    if (result->outcome == HTTP_UNREACHABLE && e->breaker.state == BREAKER_CLOSED)
        event = BREAKER_DEAD;
    breaker_event(e, event, &why, now_us);
}

static void send_probe(struct endpoint *e, int64_t now_us)
{
    e->probing = true;
    e->probe_sent_us = now_us;
    e->probe_generation = e->evidence.generation;
    http_send(e->shared->http, &(struct http_request){.url = e->ready_url,
                                                      .headers = e->shared->probe_headers,
                                                      .route = e->route,
                                                      .connect_timeout_ms = PROBE_TIMEOUT_MS,
                                                      .timeout_ms = PROBE_TIMEOUT_MS,
                                                      .done = on_probed,
                                                      .ctx = e});
}

static void on_resolved(void *ctx, const char *addresses, const struct error *err)
{
    struct endpoint *e = ctx;
    int64_t now_us = clock_now_us();
    e->resolving = NULL;
    if (err != NULL) {
        e->resolve_at_us = now_us + RESOLVE_RETRY_US;
        /* addresses that were known before stay good until connecting to them fails */
        if (e->route == NULL)
            breaker_event(e, BREAKER_DEAD, err, now_us);
    } else {
        e->resolve_at_us = now_us + RESOLVE_EVERY_US;
        if (e->addresses == NULL || strcmp(addresses, e->addresses) != 0) {
            free(e->addresses);
            e->addresses = xstrdup(addresses);
            http_route_release(e->route);
            e->route = http_route_create(next_hop(e)->host, next_hop(e)->port, addresses);
        }
    }
    e->shared->changed(e->shared->ctx);
}

static bool has_route(const struct endpoint *e)
{
    return next_hop(e)->numeric || e->route != NULL;
}

static int64_t probe_due_us(const struct endpoint *e)
{
    if (e->probing || !has_route(e))
        return INT64_MAX;
    if (e->breaker.state == BREAKER_OPEN && e->breaker.probe_at_us < e->probe_at_us)
        return e->breaker.probe_at_us;
    return e->probe_at_us;
}

void endpoint_turn(struct endpoint *e, int64_t now_us)
{
    if (e->index == UINT_MAX)
        return;
    if (e->resolving == NULL && now_us >= e->resolve_at_us) {
        e->resolve_at_us = INT64_MAX;
        e->resolving = resolve_start(e->shared->dns, next_hop(e)->host, on_resolved, e);
    }
    if (now_us >= probe_due_us(e))
        send_probe(e, now_us);
}

int64_t endpoint_due_us(const struct endpoint *e, int64_t now_us)
{
    int64_t due = probe_due_us(e);
    if (e->resolve_at_us < due)
        due = e->resolve_at_us;
    if (e->held_until_us > now_us && e->held_until_us < due)
        due = e->held_until_us;
    return due;
}

bool endpoint_usable(const struct endpoint *e, int64_t now_us)
{
    return has_route(e) && now_us >= e->held_until_us && breaker_allows(&e->breaker, e->probation);
}

bool endpoint_busy(const struct endpoint *e)
{
    return e->probing || e->in_flight > 0;
}

void endpoint_cancelled(struct endpoint *e)
{
    e->probing = false;
    e->in_flight = e->probation = 0;
}

void endpoint_note(struct endpoint *e, enum endpoint_news news, const struct error *why,
                   int64_t now_us)
{
    switch (news) {
    case ENDPOINT_WORKS:
        breaker_event(e, BREAKER_SUCCESS, NULL, now_us);
        break;
    case ENDPOINT_SUSPECT:
        breaker_event(e, e->evidence.ready ? BREAKER_SUCCESS : BREAKER_FAILURE, why, now_us);
        /* is it still ready? The verdict depends on it */
        if (!e->probing && e->probe_at_us > e->probe_sent_us + PROBE_SOONEST_US)
            e->probe_at_us = e->probe_sent_us + PROBE_SOONEST_US;
        break;
    case ENDPOINT_FAILS:
    case ENDPOINT_NOBODY:
        evidence_forget(&e->evidence);
        breaker_event(e, news == ENDPOINT_FAILS ? BREAKER_FAILURE : BREAKER_DEAD, why, now_us);
        break;
    }
}

void endpoint_hold(struct endpoint *e, int64_t until_us)
{
    if (until_us > e->held_until_us)
        e->held_until_us = until_us;
}
