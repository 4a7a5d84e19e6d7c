#include "node/destination_meters.h"

#include "base/clock.h"
#include "node/instruments.h"
#include "thingworx/client.h"

void destination_meters_open(struct destination_meters *meters, const struct node_parts *node,
                             const char *name)
{
    meters->latency = instrument(node->metrics, INSTRUMENT_EVENT_LATENCY, name);
    meters->request = instrument(node->metrics, INSTRUMENT_REQUEST, name);
    meters->values = instrument(node->metrics, INSTRUMENT_REQUEST_VALUES, name);
}

void destination_meters_close(struct destination_meters *meters, const struct node_parts *node,
                              const char *name)
{
    instrument_forget(node->metrics, INSTRUMENT_EVENT_LATENCY, name);
    instrument_forget(node->metrics, INSTRUMENT_REQUEST, name);
    instrument_forget(node->metrics, INSTRUMENT_REQUEST_VALUES, name);
    *meters = (struct destination_meters){.latency = NULL};
}

void destination_meters_sent(const struct destination_meters *meters, uint32_t values)
{
    if (values > 0)
        metric_observe(meters->values, values);
}

void destination_meters_answered(const struct destination_meters *meters, struct node_parts *node,
                                 const struct thingworx_answer *answer, uint32_t values)
{
    instrument_span(meters->request, answer->latency_us);
    node->wall_ms = clock_wall_us() / MS_US;
    if (values == 0 || answer->unknown == 0)
        return;
    node->counts.requests_unknown += answer->unknown;
    node->counts.values_again += (uint64_t)answer->unknown * values;
}
