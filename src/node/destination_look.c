#include "node/destination.h"
#include "node/destination_state.h"
#include "thingworx/client.h"

#include <string.h>

/* What others see of a destination. */

struct destination_view destination_look(const struct destination *d)
{
    return (struct destination_view){.name = d->name,
                                     .state = destination_state(d),
                                     .bulk = bulk_mode_usable(&d->bulk),
                                     .values_waiting = lanes_counts(d->lanes).rows,
                                     .in_flight = d->in_flight,
                                     .allowed = d->outage.failed ? 1 : d->concurrency.limit,
                                     .client = d->client,
                                     .counts = thingworx_count(d->client)};
}

size_t destination_on_the_wire(const struct destination *d)
{
    return lanes_counts(d->lanes).on_the_wire;
}

const char *destination_name(const struct destination *d)
{
    return d->name;
}

const char *destination_state(const struct destination *d)
{
    return d->outage.failed ? "failed" : d->state;
}

const char *destination_reason(const struct destination *d)
{
    return strcmp(destination_state(d), "ok") == 0 ? "" : d->why.message;
}

const char *destination_delivery(const struct destination *d)
{
    return bulk_mode_usable(&d->bulk) ? "bulk" : "per_thing";
}
