#include "store/configuration.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The configuration comes from a database that may be of another build. Whatever is accepted must
 * be whole: the node reads every member without asking again. */

static void check(bool holds)
{
    if (!holds)
        abort();
}

static size_t check_whole(const struct configuration *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->destination_count; i++) {
        const struct destination_config *d = &c->destinations[i];
        n += strlen(d->name) + strlen(d->app_key_secret);
        for (size_t u = 0; u < d->base_url_count; u++)
            n += strlen(d->base_urls[u]);
        check(d->max_in_flight > 0 && d->request_timeout_ms > 0 && d->linger_ms >= 0);
        check(d->max_rows > 0 && d->max_bytes > 0);
        check(configuration_destination(c, d->name) != NULL);
    }
    for (size_t i = 0; i < c->fleet_count; i++) {
        n += strlen(c->fleets[i].destination);
        check(configuration_fleet(c, c->fleets[i].name) != NULL);
    }
    for (size_t i = 0; i < c->hub_count; i++) {
        const struct hub_config *h = &c->hubs[i];
        n += strlen(h->name) + strlen(h->fleet);
        n += strlen(h->connection_secret) + strlen(h->consumer_group);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *json = malloc(size + 1);
    memcpy(json, data, size);
    json[size] = '\0';
    struct error err = {0};
    struct configuration *c = configuration_parse(json, &err);
    if (c != NULL)
        check(check_whole(c) <= size);
    else
        check(err.message[0] != '\0' && err.hint[0] != '\0');
    configuration_free(c);
    free(json);
    return 0;
}
