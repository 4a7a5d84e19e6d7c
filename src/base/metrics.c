#include "base/metrics.h"

#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

struct metric {
    struct family *family;
    char *labels;
    double value; /* of a histogram: the sum */
    uint64_t count;
    uint64_t *buckets; /* not cumulative; the last is the one without a bound */
    struct metric *prev;
    struct metric *next;
};

/* All metrics of one name. */
struct family {
    enum kind kind;
    char *name;
    char *help;
    double *bounds;
    size_t n_bounds;
    size_t n_series;
    struct metric *series;
    struct metric *dropped; /* stands for every one beyond the ceiling; is not written */
    struct family *prev;
    struct family *next;
};

struct metrics {
    struct family *families;
    struct metric *dropped_total;
};

struct metrics *metrics_create(void)
{
    struct metrics *metrics = xcalloc(1, sizeof *metrics);
    metrics->dropped_total =
        metric_counter(metrics, "holdfast_metrics_series_dropped_total",
                       "Series that were not made because their name has too many.", NULL);
    return metrics;
}

static void free_metric(struct metric *metric)
{
    free(metric->labels);
    free(metric->buckets);
    free(metric);
}

static void free_family(struct family *family)
{
    struct metric *metric;
    struct metric *next;
    DL_FOREACH_SAFE(family->series, metric, next)
    {
        free_metric(metric);
    }
    if (family->dropped != NULL)
        free_metric(family->dropped);
    free(family->name);
    free(family->help);
    free(family->bounds);
    free(family);
}

void metrics_free(struct metrics *metrics)
{
    struct family *family;
    struct family *next;
    if (metrics == NULL)
        return;
    DL_FOREACH_SAFE(metrics->families, family, next)
    {
        free_family(family);
    }
    free(metrics);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static bool conventional(enum kind kind, const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    if (name[0] < 'a' || name[0] > 'z' || name[strspn(name, allowed)] != '\0')
        return false;
    if (ends_with(name, "_count") || ends_with(name, "_sum") || ends_with(name, "_bucket"))
        return false;
    return (kind == KIND_COUNTER) == ends_with(name, "_total");
}

static void mistake(const char *name, const char *what)
{
    (void)fprintf(stderr, "metric %s: %s\n", name, what);
    abort();
}

static struct family *find_family(struct metrics *metrics, const char *name)
{
    struct family *family;
    DL_FOREACH(metrics->families, family)
    {
        if (strcmp(family->name, name) == 0)
            break;
    }
    return family;
}

static struct family *get_family(struct metrics *metrics, enum kind kind, const char *name,
                                 const char *help)
{
    struct family *family = find_family(metrics, name);
    if (family != NULL) {
        if (family->kind != kind)
            mistake(name, "one name, two kinds");
        return family;
    }
    if (!conventional(kind, name))
        mistake(name, "the name breaks the conventions");
    family = xcalloc(1, sizeof *family);
    family->kind = kind;
    family->name = xstrdup(name);
    family->help = xstrdup(help);
    DL_APPEND(metrics->families, family);
    return family;
}

static struct metric *find_series(const struct family *family, const char *labels)
{
    struct metric *metric;
    DL_FOREACH(family->series, metric)
    {
        if (strcmp(metric->labels, labels) == 0)
            break;
    }
    return metric;
}

static struct metric *new_series(struct family *family, const char *labels)
{
    struct metric *metric = xcalloc(1, sizeof *metric);
    metric->family = family;
    metric->labels = xstrdup(labels);
    if (family->kind == KIND_HISTOGRAM)
        metric->buckets = xcalloc(family->n_bounds + 1, sizeof(uint64_t));
    return metric;
}

static struct metric *get_series(struct metrics *metrics, struct family *family, const char *labels)
{
    if (labels == NULL)
        labels = "";
    struct metric *metric = find_series(family, labels);
    if (metric != NULL)
        return metric;
    if (family->n_series >= METRICS_SERIES_CEILING) {
        metric_add(metrics->dropped_total, 1);
        if (family->dropped == NULL)
            family->dropped = new_series(family, "");
        return family->dropped;
    }
    metric = new_series(family, labels);
    DL_APPEND(family->series, metric);
    family->n_series++;
    return metric;
}

struct metric *metric_counter(struct metrics *metrics, const char *name, const char *help,
                              const char *labels)
{
    if (metrics == NULL)
        return NULL;
    return get_series(metrics, get_family(metrics, KIND_COUNTER, name, help), labels);
}

struct metric *metric_gauge(struct metrics *metrics, const char *name, const char *help,
                            const char *labels)
{
    if (metrics == NULL)
        return NULL;
    return get_series(metrics, get_family(metrics, KIND_GAUGE, name, help), labels);
}

static void set_bounds(struct family *family, const double *bounds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1]))
            mistake(family->name, "the bounds of a histogram must be finite and rise");
    family->bounds = xcalloc(n + 1, sizeof(double));
    for (size_t i = 0; i < n; i++)
        family->bounds[i] = bounds[i];
    family->n_bounds = n;
}

struct metric *metric_histogram(struct metrics *metrics, const char *name, const char *help,
                                const char *labels, const double *bounds, size_t n)
{
    if (metrics == NULL)
        return NULL;
    struct family *family = get_family(metrics, KIND_HISTOGRAM, name, help);
    if (family->bounds == NULL)
        set_bounds(family, bounds, n);
    else if (family->n_bounds != n || memcmp(family->bounds, bounds, n * sizeof(double)) != 0)
        mistake(name, "one histogram, two sets of bounds");
    return get_series(metrics, family, labels);
}

void metric_remove(struct metrics *metrics, struct metric *metric)
{
    if (metrics == NULL || metric == NULL || metric == metric->family->dropped)
        return;
    struct family *family = metric->family;
    DL_DELETE(family->series, metric);
    family->n_series--;
    free_metric(metric);
}

void metric_add(struct metric *metric, double amount)
{
    if (metric == NULL || (metric->family->kind == KIND_COUNTER && !(amount > 0)))
        return;
    metric->value += amount;
}

void metric_set(struct metric *metric, double value)
{
    if (metric != NULL)
        metric->value = value;
}

void metric_observe(struct metric *metric, double value)
{
    if (metric == NULL || metric->buckets == NULL || isnan(value))
        return;
    const struct family *family = metric->family;
    size_t low = 0;
    size_t high = family->n_bounds;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (value <= family->bounds[middle])
            high = middle;
        else
            low = middle + 1;
    }
    metric->buckets[low]++;
    metric->count++;
    metric->value += value;
}

double metric_value(const struct metric *metric)
{
    if (metric == NULL)
        return 0;
    return metric->family->kind == KIND_HISTOGRAM ? (double)metric->count : metric->value;
}

bool metrics_label(struct buffer *labels, const char *label, struct slice value)
{
    (void)buffer_printf(labels, "%s%s=\"", labels->n > 0 ? "," : "", label);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\n')
            (void)buffer_append(labels, "\\n", 2);
        else if (c == '\\' || c == '"')
            (void)buffer_printf(labels, "\\%c", c);
        else
            (void)buffer_append(labels, &c, 1);
    }
    return buffer_append(labels, "\"", 1);
}

/* The shortest text that reads back as the same number. */
static void put_number(struct buffer *out, double value)
{
    char text[40];
    if (isnan(value)) {
        (void)buffer_append_text(out, "NaN");
        return;
    }
    if (isinf(value)) {
        (void)buffer_append_text(out, value > 0 ? "+Inf" : "-Inf");
        return;
    }
    (void)snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value)
        (void)snprintf(text, sizeof text, "%.17g", value);
    (void)buffer_append_text(out, text);
}

/* name{labels,extra} with the braces only where there is something to put in. */
static void put_name(struct buffer *out, const struct metric *metric, const char *suffix,
                     const char *extra)
{
    bool both = metric->labels[0] != '\0' && extra[0] != '\0';
    bool none = metric->labels[0] == '\0' && extra[0] == '\0';
    (void)buffer_append_text(out, metric->family->name);
    (void)buffer_append_text(out, suffix);
    if (!none)
        (void)buffer_printf(out, "{%s%s%s}", metric->labels, both ? "," : "", extra);
    (void)buffer_append_text(out, " ");
}

static void put_bucket(struct buffer *out, const struct metric *metric, double bound,
                       uint64_t count)
{
    struct buffer le;
    buffer_init(&le, 64);
    (void)buffer_append_text(&le, "le=\"");
    put_number(&le, bound);
    (void)buffer_append_text(&le, "\"");
    put_name(out, metric, "_bucket", buffer_text(&le));
    (void)buffer_printf(out, "%" PRIu64 "\n", count);
    buffer_free(&le);
}

static void put_histogram(struct buffer *out, const struct metric *metric)
{
    const struct family *family = metric->family;
    uint64_t count = 0;
    for (size_t i = 0; i <= family->n_bounds; i++) {
        count += metric->buckets[i];
        put_bucket(out, metric, i < family->n_bounds ? family->bounds[i] : (double)INFINITY, count);
    }
    put_name(out, metric, "_sum", "");
    put_number(out, metric->value);
    (void)buffer_append_text(out, "\n");
    put_name(out, metric, "_count", "");
    (void)buffer_printf(out, "%" PRIu64 "\n", metric->count);
}

static void put_help(struct buffer *out, const struct family *family)
{
    (void)buffer_printf(out, "# HELP %s ", family->name);
    for (const char *p = family->help; *p != '\0'; p++) {
        if (*p == '\n')
            (void)buffer_append(out, "\\n", 2);
        else if (*p == '\\')
            (void)buffer_append(out, "\\\\", 2);
        else
            (void)buffer_append(out, p, 1);
    }
    (void)buffer_printf(out, "\n# TYPE %s %s\n", family->name, kind_names[family->kind]);
}

static void put_family(struct buffer *out, const struct family *family)
{
    const struct metric *metric;
    if (family->series == NULL)
        return;
    put_help(out, family);
    DL_FOREACH(family->series, metric)
    {
        if (family->kind == KIND_HISTOGRAM) {
            put_histogram(out, metric);
        } else {
            put_name(out, metric, "", "");
            put_number(out, metric->value);
            (void)buffer_append_text(out, "\n");
        }
    }
}

bool metrics_write(const struct metrics *metrics, struct buffer *out)
{
    const struct family *family;
    if (metrics == NULL)
        return true;
    DL_FOREACH(metrics->families, family)
    {
        put_family(out, family);
    }
    return !out->overflowed;
}
