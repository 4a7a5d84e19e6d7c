#include "base/clock.h"
#include "base/memory.h"
#include "bin/check.h"
#include "node/secrets.h"
#include "store/configuration.h"
#include "thingworx/trial.h"

#include <stdlib.h>
#include <string.h>

/* Whether the configuration is complete, and its secrets are at hand on this machine. Queues the
 * trials of hubs and destinations that can be made with it. */

enum { SOON_DAYS = 30 };

char *check_secret(struct check *check, const char *subject, const char *name)
{
    struct error err;
    char *secret = secret_read(check->options->secrets, name, &err);
    if (secret == NULL)
        check_found(check, FINDING_ERROR, subject, &err);
    return secret;
}

/* Whether the secret can be read; one that is not named is no fault. */
static bool at_hand(struct check *check, const char *subject, const char *name)
{
    char *secret = name != NULL ? check_secret(check, subject, name) : NULL;
    bool ok = name == NULL || secret != NULL;
    secret_free(secret);
    return ok;
}

static void look_at_certificate(struct check *check, const char *subject, const char *name)
{
    char *pem = name != NULL ? secret_read(check->options->secrets, name, NULL) : NULL;
    struct error what;
    int64_t end_us = pem != NULL ? trial_certificate_end_us(pem) : -1;
    int64_t days = (end_us - clock_wall_us()) / (86400 * SECOND_US);
    if (end_us >= 0 && days < SOON_DAYS) {
        error_set(&what, "our own certificate %s",
                  end_us < clock_wall_us() ? "has expired" : "expires soon");
        error_detail(&what, "The secret %s ends in %lld days.", name, (long long)days);
        error_hint(&what, "Put a new one, with its key, into the secret; nodes notice it.");
        check_found(check, end_us < clock_wall_us() ? FINDING_ERROR : FINDING_WARNING, subject,
                    &what);
    }
    secret_free(pem);
}

static void look_at_destination(struct check *check, size_t i)
{
    const struct destination_config *d = &check->configuration->destinations[i];
    bool used = false;
    char *subject = xasprintf("destination %s", d->name);
    struct error what;
    for (size_t j = 0; j < check->configuration->fleet_count; j++)
        used = used || strcmp(check->configuration->fleets[j].destination, d->name) == 0;
    if (!used) {
        error_set(&what, "no fleet delivers to it");
        error_hint(&what, "holdfast.set_fleet(destination => ...), or drop_destination().");
        check_found(check, FINDING_WARNING, subject, &what);
    }
    bool ready = at_hand(check, subject, d->app_key_secret);
    ready = at_hand(check, subject, d->ca_secret) && ready;
    ready = at_hand(check, subject, d->certificate_secret) && ready;
    look_at_certificate(check, subject, d->certificate_secret);
    for (size_t j = 0; ready && j < d->base_url_count; j++) {
        struct check_url *url = xmalloc(sizeof *url);
        const char *thing = check->options->thing;
        *url = (struct check_url){d, d->base_urls[j], thing != NULL ? thing : check->things[i]};
        check_queue(check, &check_destination, url);
    }
    free(subject);
}

static void look_at_fleet(struct check *check, const struct fleet_config *fleet)
{
    bool fed = false;
    char *subject = xasprintf("fleet %s", fleet->name);
    struct error what;
    for (size_t i = 0; i < check->configuration->hub_count; i++)
        fed = fed || strcmp(check->configuration->hubs[i].fleet, fleet->name) == 0;
    error_set(&what, fed ? "complete" : "no hub feeds it");
    if (!fed)
        error_hint(&what, "holdfast.set_hub(fleet => ...) gives it one.");
    if (configuration_destination(check->configuration, fleet->destination) == NULL) {
        fed = false;
        error_set(&what, "its destination %s does not exist", fleet->destination);
        error_hint(&what, "holdfast.set_destination() makes it.");
    }
    check_found(check, fed ? FINDING_OK : FINDING_WARNING, subject, &what);
    free(subject);
}

static void look_at_hub(struct check *check, const struct hub_config *hub)
{
    char *subject = xasprintf("hub %s", hub->name);
    struct error what;
    bool ready = at_hand(check, subject, hub->connection_secret);
    bool named = hub->ca_secret != NULL;
    char *ca_file = named ? secret_path(check->options->secrets, hub->ca_secret, &what) : NULL;
    if (named && ca_file == NULL) {
        check_found(check, FINDING_ERROR, subject, &what);
        ready = false;
    } else {
        ready = at_hand(check, subject, hub->ca_secret) && ready;
    }
    free(ca_file);
    if (!hub->enabled) {
        error_set(&what, "it is disabled: nobody reads it");
        error_hint(&what, "holdfast.set_hub(enabled => true) has it read.");
        check_found(check, FINDING_WARNING, subject, &what);
    }
    if (ready)
        check_queue(check, &check_hub, hub);
    free(subject);
}

void check_configuration(struct check *check)
{
    const struct configuration *c = check->configuration;
    check_subject(check, "configuration");
    if (c->destination_count == 0 || c->fleet_count == 0 || c->hub_count == 0)
        check_tell(check, FINDING_WARNING,
                   "See docs/configuration.md: set_destination(), set_fleet(), set_hub().",
                   "there is no %s yet",
                   c->destination_count == 0 ? "destination"
                   : c->fleet_count == 0     ? "fleet"
                                             : "hub");
    for (size_t i = 0; i < c->fleet_count; i++)
        look_at_fleet(check, &c->fleets[i]);
    for (size_t i = 0; i < c->hub_count; i++)
        look_at_hub(check, &c->hubs[i]);
    for (size_t i = 0; i < c->destination_count; i++)
        look_at_destination(check, i);
}
