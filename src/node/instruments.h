#pragma once
#include "base/metrics.h"

#include <stdint.h>

/* The histograms of a node: what is measured where it happens, not read off at a scrape. */
enum instrument {
    INSTRUMENT_EVENT_LATENCY,  /* {destination} */
    INSTRUMENT_REQUEST,        /* {destination} */
    INSTRUMENT_REQUEST_VALUES, /* {destination} */
    INSTRUMENT_LEASE_RENEWAL,
    INSTRUMENT_ROUND_TRIP,
    INSTRUMENT_CHECKPOINT_BATCH,
    INSTRUMENTS
};

/* Finds or makes it; `name` is the value of its label, NULL if it has none. Everything is NULL
 * without a registry, and does nothing. */
struct metric *instrument(struct metrics *registry, enum instrument which, const char *name);
/* The same destination or whatever has gone: its series are forgotten. */
void instrument_forget(struct metrics *registry, enum instrument which, const char *name);
/* Observes a span of time. */
void instrument_span(struct metric *metric, int64_t span_us);
