#pragma once
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* A registry of counters, gauges and histograms, written in Prometheus' text format or as
 * OpenMetrics. No I/O, no locks: one loop owns it.
 *
 * Names follow the conventions: lower case, with the project's prefix and the base unit
 * ("_seconds", "_bytes"); a counter ends with "_total", nothing else does, and no name ends like
 * the series of a histogram. A name that does not is a mistake in the code and ends the process,
 * and so does one name with two kinds. Labels come as a prepared text without braces, see
 * metrics_label; the same name and labels are the same metric.
 *
 * The number of series of one name is bounded (METRICS_SERIES_CEILING). What comes after shares
 * one metric that is never written, and is counted in holdfast_metrics_series_dropped_total.
 *
 * A registry that is NULL gives out metrics that are NULL, and these take everything and do
 * nothing, so that a module can be used without metrics. */
struct metrics;
struct metric;
struct metric_family;

enum { METRICS_SERIES_CEILING = 2000 };

struct metrics *metrics_create(void);
/* Releases the registry and every metric that it gave out. */
void metrics_free(struct metrics *metrics);

/* Find or make a metric. `help` and `labels` are copied; `labels` may be NULL. The metric
 * belongs to the registry and lives until metric_remove or metrics_free. */
struct metric *metric_counter(struct metrics *metrics, const char *name, const char *help,
                              const char *labels);
struct metric *metric_gauge(struct metrics *metrics, const char *name, const char *help,
                            const char *labels);
/* `bounds`: the n upper bounds of the buckets, rising, without the infinite one; copied. All
 * histograms of one name must have the same. */
struct metric *metric_histogram(struct metrics *metrics, const char *name, const char *help,
                                const char *labels, const double *bounds, size_t n);

/* Forgets a metric whose labels mean nothing any more (a partition that moved away). */
void metric_remove(struct metrics *metrics, struct metric *metric);

/* All series of one counter or gauge, for those whose labels come and go: a round of
 * metric_family_begin, metric_family_set for each that there is now, and metric_family_end, which
 * forgets those that were not set. */
struct metric_family *metric_family(struct metrics *metrics, bool counter, const char *name,
                                    const char *help);
void metric_family_begin(struct metric_family *family);
void metric_family_set(struct metric_family *family, const char *labels, double value);
void metric_family_end(struct metric_family *family);

/* Adds to a counter or gauge. A counter ignores what is not positive. */
void metric_add(struct metric *metric, double amount);
/* Sets a gauge; also a counter whose count is kept elsewhere and never falls. */
void metric_set(struct metric *metric, double value);
/* Sorts one observation into a histogram. NaN is ignored. */
void metric_observe(struct metric *metric, double value);
/* The value of a counter or gauge; the number of observations of a histogram. */
double metric_value(const struct metric *metric);

/* Appends label="value" with the value escaped, and a comma first if `labels` is not empty. */
bool metrics_label(struct buffer *labels, const char *label, struct slice value);

/* Prometheus' text format 0.0.4, or OpenMetrics 1.0, which also tells units. */
enum metrics_format { METRICS_TEXT, METRICS_OPENMETRICS };

/* Appends everything. False if the buffer's ceiling was reached. */
bool metrics_write(const struct metrics *metrics, enum metrics_format format, struct buffer *out);
