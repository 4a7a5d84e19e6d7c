#include "thingworx/trial.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "core/answer.h"
#include "core/bulk_body.h"
#include "core/update_body.h"
#include "thingworx/base_url.h"
#include "thingworx/http.h"
#include "thingworx/path.h"
#include "thingworx/request_headers.h"
#include "thingworx/resolve.h"
#include "thingworx/security.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BODY_BYTES = 4096, URL_BYTES = 8192 };

struct thingworx_trial {
    struct evdns_base *dns;
    struct http *http;
    struct base_url url;
    struct security security;
    struct http_headers *probe_headers, *headers;
    struct http_route *route;
    struct resolve *resolve;
    struct buffer body;
    char *thing;
    int timeout_ms;
    enum trial_step step;
    trial_fn told;
    void *ctx;
};

static void ask(struct thingworx_trial *t);

static void finish_unreached(struct thingworx_trial *t, const char *message, const char *detail)
{
    struct trial_answer answer = {.step = t->step, .certificate_end_us = -1};
    error_set(&answer.why, "%s", message);
    error_detail(&answer.why, "%s", detail);
    error_hint(&answer.why, "Check the base URL, the network, the certificate authorities of the "
                            "destination (ca_secret), and whether ThingWorx runs.");
    t->told(t->ctx, &answer);
    t->told(t->ctx, NULL);
}

static void on_answer(void *ctx, const struct http_result *result)
{
    struct thingworx_trial *t = ctx;
    char text[200];
    answer_text(result->text, text, sizeof text);
    if (result->outcome != HTTP_ANSWERED) {
        finish_unreached(t, "it cannot be reached", text);
        return;
    }
    struct trial_answer answer = {.step = t->step,
                                  .reached = true,
                                  .status = result->status,
                                  .html = result->html,
                                  .certificate_end_us = -1};
    (void)snprintf(answer.text, sizeof answer.text, "%s", text);
    int64_t date_us = result->date != NULL ? http_date_us(result->date) : -1;
    answer.has_date = date_us >= 0;
    answer.skew_us = answer.has_date ? date_us - clock_wall_us() : 0;
    if (result->certificate_end != NULL)
        answer.certificate_end_us = http_date_us(result->certificate_end);
    t->told(t->ctx, &answer);
    t->step++;
    if (t->step == TRIAL_UPDATE && t->thing == NULL)
        t->step++;
    if (t->step < TRIAL_STEPS)
        ask(t);
    else
        t->told(t->ctx, NULL);
}

/* The address and the body of the next request. */
static void write_request(struct thingworx_trial *t, struct buffer *url)
{
    (void)buffer_append_text(url, t->url.text);
    buffer_clear(&t->body);
    if (t->step == TRIAL_REACH) {
        (void)buffer_append_text(url, "/ready");
        return;
    }
    bool bulk = t->step == TRIAL_BULK;
    (void)buffer_append_text(url, "/Things/");
    path_append(url, slice_from(bulk ? BULK_THING : t->thing));
    (void)buffer_append_text(url,
                             bulk ? "/Services/" BULK_SERVICE : "/Services/UpdatePropertyValues");
    if (bulk) {
        bulk_body_begin(&t->body);
        bulk_body_end(&t->body);
    } else {
        update_body_begin(&t->body);
        update_body_end(&t->body);
    }
}

static void ask(struct thingworx_trial *t)
{
    struct buffer url;
    buffer_init(&url, URL_BYTES);
    write_request(t, &url);
    struct http_request request = {.url = buffer_text(&url),
                                   .post = t->step != TRIAL_REACH,
                                   .body = buffer_slice(&t->body),
                                   .headers =
                                       t->step == TRIAL_REACH ? t->probe_headers : t->headers,
                                   .route = t->route,
                                   .connect_timeout_ms = t->timeout_ms,
                                   .timeout_ms = t->timeout_ms,
                                   .certificate = t->step == TRIAL_REACH,
                                   .done = on_answer,
                                   .ctx = t};
    http_send(t->http, &request);
    buffer_free(&url);
}

static void on_resolved(void *ctx, const char *addresses, const struct error *err)
{
    struct thingworx_trial *t = ctx;
    const struct base_url *hop = t->security.proxy.text != NULL ? &t->security.proxy : &t->url;
    t->resolve = NULL;
    if (err != NULL) {
        finish_unreached(t, err->message, err->detail);
        return;
    }
    t->route = http_route_create(hop->host, hop->port, addresses);
    ask(t);
}

struct thingworx_trial *thingworx_trial_start(const struct trial_config *config, trial_fn told,
                                              void *ctx, struct error *err)
{
    struct thingworx_trial *t = xcalloc(1, sizeof *t);
    bool changed;
    t->told = told;
    t->ctx = ctx;
    t->timeout_ms = config->timeout_ms;
    t->thing = config->thing != NULL ? xstrdup(config->thing) : NULL;
    t->dns = config->dns;
    t->http = http_open(config->base, 1, NULL, NULL);
    t->probe_headers = request_headers_probe(config->node);
    t->headers = request_headers_create(config->node, config->app_key);
    buffer_init(&t->body, BODY_BYTES);
    if (!base_url_parse(config->base_url, &t->url, err) ||
        !security_set(&t->security, t->http, config->security, &changed, err)) {
        thingworx_trial_free(t);
        return NULL;
    }
    const struct base_url *hop = t->security.proxy.text != NULL ? &t->security.proxy : &t->url;
    if (hop->numeric)
        ask(t);
    else
        t->resolve = resolve_start(t->dns, hop->host, on_resolved, t);
    return t;
}

void thingworx_trial_free(struct thingworx_trial *trial)
{
    if (trial == NULL)
        return;
    if (trial->resolve != NULL)
        resolve_cancel(trial->resolve);
    http_close(trial->http);
    http_headers_release(trial->probe_headers);
    http_headers_release(trial->headers);
    http_route_release(trial->route);
    security_free(&trial->security);
    base_url_free(&trial->url);
    buffer_free(&trial->body);
    free(trial->thing);
    free(trial);
}

int64_t trial_certificate_end_us(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *found = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    struct tm end;
    int64_t end_us = -1;
    if (found != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(found), &end) == 1)
        end_us = (int64_t)timegm(&end) * SECOND_US;
    X509_free(found);
    BIO_free(bio);
    ERR_clear_error();
    return end_us;
}
