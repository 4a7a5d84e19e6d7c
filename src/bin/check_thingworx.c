#include "base/clock.h"
#include "base/here.h"
#include "base/memory.h"
#include "bin/check.h"
#include "core/answer.h"
#include "core/bulk_body.h"
#include "core/skew.h"
#include "node/secrets.h"
#include "store/configuration.h"
#include "thingworx/base_url.h"
#include "thingworx/client.h"
#include "thingworx/trial.h"

#include <stdlib.h>
#include <string.h>

/* One base URL of a destination: what its answers to empty requests mean. */

enum { SOON_DAYS = 30 };

struct destination_trial {
    struct check *check;
    struct check_url *what;
    struct thingworx_trial *trial;
    bool over;
};

static void tell_rule(struct check *check, enum finding_level level,
                      const struct trial_answer *answer, const char *what)
{
    const struct answer_rule *rule = answer_rule(answer->status, false, answer->html);
    check_tell(check, level, rule->hint, "%s: %s (HTTP %d %s)", what, rule->meaning, answer->status,
               answer->text);
}

static void tell_certificate(struct check *check, int64_t end_us)
{
    int64_t days = (end_us - clock_wall_us()) / (86400 * SECOND_US);
    if (end_us >= 0 && days < SOON_DAYS)
        check_tell(check, FINDING_WARNING, "Renew it: nodes refuse it from then on.",
                   "its certificate ends in %lld days", (long long)days);
}

static void tell_reach(struct check *check, const struct trial_answer *answer)
{
    if (answer_classify(answer->status, false, answer->html) == ANSWER_ACCEPTED)
        check_tell(check, FINDING_OK, NULL, "it is ready");
    else
        check_tell(check, FINDING_ERROR,
                   "Wait until ThingWorx has started; see whether the base URL ends in /Thingworx, "
                   "and which platform the load balancer asks.",
                   "it does not say that it is ready: HTTP %d %s", answer->status, answer->text);
    tell_certificate(check, answer->certificate_end_us);
    int64_t skew_us = answer->skew_us < 0 ? -answer->skew_us : answer->skew_us;
    if (answer->has_date && skew_us > SKEW_ALARM_US)
        check_tell(check, FINDING_WARNING,
                   "Let a time service set both clocks: certificates and keys expire by a clock, "
                   "and times of values are compared with ThingWorx's own.",
                   "its clock is %lld s %s ours", (long long)(skew_us / SECOND_US),
                   answer->skew_us < 0 ? "behind" : "ahead of");
}

static void tell_bulk(struct check *check, const struct check_url *what,
                      const struct trial_answer *answer)
{
    bool wanted = what->destination->bulk;
    enum answer_class class = answer_classify(answer->status, false, answer->html);
    if (class == ANSWER_ACCEPTED)
        check_tell(check, FINDING_OK, NULL,
                   "the application key is accepted; the bulk service " BULK_THING " is there");
    else if (answer->status == 404)
        check_tell(check, FINDING_OK,
                   wanted ? "Import thingworx/holdfast-bulk.xml to need far fewer requests." : NULL,
                   "the application key is accepted; the bulk service is not there, so each Thing "
                   "gets requests of its own");
    else if (answer->status == 403)
        check_tell(check, wanted ? FINDING_WARNING : FINDING_OK,
                   "Give the key's user Visibility and Service Execute on " BULK_THING
                   " to need far fewer requests.",
                   "the application key is accepted, but may not use the bulk service");
    else
        tell_rule(check, FINDING_ERROR, answer, "a request with the application key");
}

static void tell_update(struct check *check, const struct check_url *what,
                        const struct trial_answer *answer)
{
    enum answer_class class = answer_classify(answer->status, false, answer->html);
    if (class == ANSWER_ACCEPTED)
        check_tell(check, FINDING_OK, NULL, "Thing %s may be written to", what->thing);
    else if (answer->status == 404)
        check_tell(check, FINDING_WARNING,
                   "Create the Thing, or bind its devices to another; its events become dead "
                   "letters.",
                   "Thing %s, to which devices are bound, does not exist", what->thing);
    else
        tell_rule(check, FINDING_ERROR, answer, what->thing);
}

static void on_told(void *ctx, const struct trial_answer *answer)
{
    struct destination_trial *t = ctx;
    if (t->over)
        return;
    if (answer == NULL) {
        if (t->what->thing == NULL)
            check_tell(t->check, FINDING_OK, "Give --thing NAME to have one tried.",
                       "whether Things may be written to was not tried: none is bound yet");
        t->over = true;
        check_done(t->check);
    } else if (!answer->reached) {
        t->what->thing = ""; /* nothing was tried of it, and that is not the reason */
        check_found(t->check, FINDING_ERROR, NULL, &answer->why);
    } else if (answer->step == TRIAL_REACH) {
        tell_reach(t->check, answer);
    } else if (answer->step == TRIAL_BULK) {
        tell_bulk(t->check, t->what, answer);
    } else {
        tell_update(t->check, t->what, answer);
    }
}

/* What is on the way to another machine in plain text is anybody's. */
static void tell_plain(struct check *check, const char *text)
{
    struct base_url url;
    if (base_url_parse(text, &url, NULL) && strncmp(url.text, "http://", strlen("http://")) == 0 &&
        !host_is_here(url.host, strlen(url.host)))
        check_tell(check, FINDING_WARNING, "Give ThingWorx a certificate, and a base URL of https.",
                   "it is reached without TLS: the application key and all values can be read and "
                   "changed on the way");
    base_url_free(&url);
}

static void *begin_destination(struct check *check, const void *what)
{
    struct destination_trial *t = xcalloc(1, sizeof *t);
    struct error err;
    t->check = check;
    t->what = (struct check_url *)(uintptr_t)what; /* ours from here on */
    const struct destination_config *d = t->what->destination;
    check_subject(check, "destination %s at %s", d->name, t->what->url);
    tell_plain(check, t->what->url);
    const char *folder = check->options->secrets;
    char *key = secret_read_app_key(folder, d->app_key_secret, NULL);
    char *ca = d->ca_secret != NULL ? secret_read(folder, d->ca_secret, NULL) : NULL;
    char *certificate =
        d->certificate_secret != NULL ? secret_read(folder, d->certificate_secret, NULL) : NULL;
    struct thingworx_security security = {ca, certificate, d->proxy};
    struct trial_config config = {.base = check->base,
                                  .dns = check->dns,
                                  .base_url = t->what->url,
                                  .app_key = key,
                                  .node = "check",
                                  .thing = t->what->thing,
                                  .security = &security,
                                  .timeout_ms = (int)check->options->timeout_s * 1000 / 3};
    t->trial = thingworx_trial_start(&config, on_told, t, &err);
    if (t->trial == NULL && !t->over) {
        check_found(check, FINDING_ERROR, NULL, &err);
        check_done(check);
    }
    secret_free(key);
    secret_free(ca);
    secret_free(certificate);
    return t;
}

static void end_destination(void *trial)
{
    struct destination_trial *t = trial;
    t->over = true;
    thingworx_trial_free(t->trial);
    free(t->what);
    free(t);
}

const struct check_trial check_destination = {begin_destination, end_destination};
