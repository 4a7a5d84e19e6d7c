#include "node/instruments.h"

#include "base/buffer.h"
#include "base/clock.h"

#include <stddef.h>

enum { BOUNDS_MAX = 16, LABEL_CEILING = 1024 };

/* One row per histogram: its name, the label that it has, what it means, its buckets. */
struct histogram_row {
    const char *name, *label, *help;
    double bounds[BOUNDS_MAX]; /* ends with the first that is 0 */
};

static const struct histogram_row histograms[INSTRUMENTS] = {
    {"holdfast_event_latency_seconds",
     "destination",
     "From the moment at which the hub took an event to that at which ThingWorx had accepted all "
     "of "
     "its values, by the clocks of the hub and of this node",
     {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}},
    {"holdfast_thingworx_request_duration_seconds",
     "destination",
     "How long a request to ThingWorx took, however it was answered",
     {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}},
    {"holdfast_thingworx_request_values",
     "destination",
     "Values in a request to ThingWorx",
     {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000}},
    {"holdfast_lease_renewal_seconds",
     NULL,
     "Round trip of a ping on the lease connection, which renews the trust in the lease",
     {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}},
    {"holdfast_database_round_trip_seconds",
     NULL,
     "Round trip of a statement on the work connection, from the sending to the whole answer",
     {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15}},
    {"holdfast_checkpoint_batch_partitions",
     NULL,
     "Checkpoints that are saved in one statement",
     {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500}},
};

static size_t count_bounds(const struct histogram_row *row)
{
    size_t n = 0;
    while (n < BOUNDS_MAX && row->bounds[n] > 0)
        n++;
    return n;
}

static void put_labels(const struct histogram_row *row, const char *name, struct buffer *labels)
{
    buffer_init(labels, LABEL_CEILING);
    if (row->label != NULL && name != NULL)
        (void)metrics_label(labels, row->label, slice_from(name));
}

struct metric *instrument(struct metrics *registry, enum instrument which, const char *name)
{
    const struct histogram_row *row = &histograms[which];
    struct buffer labels;
    put_labels(row, name, &labels);
    struct metric *metric = metric_histogram(registry, row->name, row->help, buffer_text(&labels),
                                             row->bounds, count_bounds(row));
    buffer_free(&labels);
    return metric;
}

void instrument_forget(struct metrics *registry, enum instrument which, const char *name)
{
    metric_remove(registry, instrument(registry, which, name));
}

void instrument_span(struct metric *metric, int64_t span_us)
{
    metric_observe(metric, span_us > 0 ? (double)span_us / SECOND_US : 0);
}
