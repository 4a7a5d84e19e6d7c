#include "base/metrics.h"

#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

struct metric {
    struct metric_family *family;
    char *labels;
    double value; /* of a histogram: the sum */
    uint64_t count;
    uint64_t *buckets; /* not cumulative; the last is the one without a bound */
    bool stale;        /* not set since metric_family_begin */
    UT_hash_handle hh; /* by labels; keeps the order in which they came */
};

/* All metrics of one name. */
struct metric_family {
    enum kind kind;
    char *name;
    char *help;
    double *bounds;
    size_t n_bounds;
    size_t n_series;
    struct metric *series;
    struct metric *dropped; /* stands for every one beyond the ceiling; is not written */
    struct metrics *owner;
    struct metric_family *prev;
    struct metric_family *next;
};

struct metrics {
    struct metric_family *families;
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

static void free_family(struct metric_family *family)
{
    struct metric *metric;
    struct metric *next;
    HASH_ITER(hh, family->series, metric, next)
    {
        HASH_DEL(family->series, metric);
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
    struct metric_family *family;
    struct metric_family *next;
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

static struct metric_family *find_family(struct metrics *metrics, const char *name)
{
    struct metric_family *family;
    DL_FOREACH(metrics->families, family)
    {
        if (strcmp(family->name, name) == 0)
            break;
    }
    return family;
}

static struct metric_family *get_family(struct metrics *metrics, enum kind kind, const char *name,
                                        const char *help)
{
    struct metric_family *family = find_family(metrics, name);
    if (family != NULL) {
        if (family->kind != kind)
            mistake(name, "one name, two kinds");
        return family;
    }
    if (!conventional(kind, name))
        mistake(name, "the name breaks the conventions");
    family = xcalloc(1, sizeof *family);
    family->kind = kind;
    family->owner = metrics;
    family->name = xstrdup(name);
    family->help = xstrdup(help);
    DL_APPEND(metrics->families, family);
    return family;
}

static struct metric *new_series(struct metric_family *family, const char *labels)
{
    struct metric *metric = xcalloc(1, sizeof *metric);
    metric->family = family;
    metric->labels = xstrdup(labels);
    if (family->kind == KIND_HISTOGRAM)
        metric->buckets = xcalloc(family->n_bounds + 1, sizeof(uint64_t));
    return metric;
}

static struct metric *get_series(struct metric_family *family, const char *labels)
{
    struct metric *metric;
    if (labels == NULL)
        labels = "";
    HASH_FIND_STR(family->series, labels, metric);
    if (metric != NULL)
        return metric;
    if (family->n_series >= METRICS_SERIES_CEILING) {
        metric_add(family->owner->dropped_total, 1);
        if (family->dropped == NULL)
            family->dropped = new_series(family, "");
        return family->dropped;
    }
    metric = new_series(family, labels);
    HASH_ADD_KEYPTR(hh, family->series, metric->labels, strlen(metric->labels), metric);
    family->n_series++;
    return metric;
}

struct metric *metric_counter(struct metrics *metrics, const char *name, const char *help,
                              const char *labels)
{
    if (metrics == NULL)
        return NULL;
    return get_series(get_family(metrics, KIND_COUNTER, name, help), labels);
}

struct metric *metric_gauge(struct metrics *metrics, const char *name, const char *help,
                            const char *labels)
{
    if (metrics == NULL)
        return NULL;
    return get_series(get_family(metrics, KIND_GAUGE, name, help), labels);
}

static void set_bounds(struct metric_family *family, const double *bounds, size_t n)
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
    struct metric_family *family = get_family(metrics, KIND_HISTOGRAM, name, help);
    if (family->bounds == NULL)
        set_bounds(family, bounds, n);
    else if (family->n_bounds != n || memcmp(family->bounds, bounds, n * sizeof(double)) != 0)
        mistake(name, "one histogram, two sets of bounds");
    return get_series(family, labels);
}

void metric_remove(struct metrics *metrics, struct metric *metric)
{
    if (metrics == NULL || metric == NULL || metric == metric->family->dropped)
        return;
    struct metric_family *family = metric->family;
    HASH_DEL(family->series, metric);
    family->n_series--;
    free_metric(metric);
}

struct metric_family *metric_family(struct metrics *metrics, bool counter, const char *name,
                                    const char *help)
{
    return metrics != NULL ? get_family(metrics, counter ? KIND_COUNTER : KIND_GAUGE, name, help)
                           : NULL;
}

void metric_family_begin(struct metric_family *family)
{
    struct metric *metric;
    struct metric *next;
    if (family == NULL)
        return;
    HASH_ITER(hh, family->series, metric, next)
    {
        metric->stale = true;
    }
}

void metric_family_set(struct metric_family *family, const char *labels, double value)
{
    if (family == NULL)
        return;
    struct metric *metric = get_series(family, labels);
    metric->value = value;
    metric->stale = false;
}

void metric_family_end(struct metric_family *family)
{
    struct metric *metric;
    struct metric *next;
    if (family == NULL)
        return;
    HASH_ITER(hh, family->series, metric, next)
    {
        if (metric->stale)
            metric_remove(family->owner, metric);
    }
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
    const struct metric_family *family = metric->family;
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

/* OpenMetrics wants bounds to look like floating-point numbers. */
static void put_bucket(struct buffer *out, const struct metric *metric, double bound,
                       uint64_t count, enum metrics_format format)
{
    struct buffer le;
    buffer_init(&le, 64);
    (void)buffer_append_text(&le, "le=\"");
    put_number(&le, bound);
    if (format == METRICS_OPENMETRICS && strpbrk(buffer_text(&le) + 4, ".eI") == NULL)
        (void)buffer_append_text(&le, ".0");
    (void)buffer_append_text(&le, "\"");
    put_name(out, metric, "_bucket", buffer_text(&le));
    (void)buffer_printf(out, "%" PRIu64 "\n", count);
    buffer_free(&le);
}

static void put_histogram(struct buffer *out, const struct metric *metric,
                          enum metrics_format format)
{
    const struct metric_family *family = metric->family;
    uint64_t count = 0;
    for (size_t i = 0; i <= family->n_bounds; i++) {
        count += metric->buckets[i];
        put_bucket(out, metric, i < family->n_bounds ? family->bounds[i] : (double)INFINITY, count,
                   format);
    }
    put_name(out, metric, "_sum", "");
    put_number(out, metric->value);
    (void)buffer_append_text(out, "\n");
    put_name(out, metric, "_count", "");
    (void)buffer_printf(out, "%" PRIu64 "\n", metric->count);
}

/* The name without "_total", as OpenMetrics calls the family of a counter. */
static struct slice base_name(const struct metric_family *family)
{
    struct slice name = slice_from(family->name);
    if (family->kind == KIND_COUNTER)
        name.n -= sizeof "_total" - 1;
    return name;
}

/* The base unit that the name ends with; NULL: it counts things. */
static const char *unit_of(struct slice name)
{
    static const char *const units[] = {"seconds", "bytes"};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t n = strlen(units[i]);
        if (name.n > n && name.p[name.n - n - 1] == '_' &&
            memcmp(name.p + name.n - n, units[i], n) == 0)
            return units[i];
    }
    return NULL;
}

static void put_help(struct buffer *out, const struct metric_family *family,
                     enum metrics_format format)
{
    bool open = format == METRICS_OPENMETRICS;
    struct slice name = open ? base_name(family) : slice_from(family->name);
    const char *unit = open ? unit_of(name) : NULL;
    (void)buffer_printf(out, "# HELP %.*s ", (int)name.n, name.p);
    for (const char *p = family->help; *p != '\0'; p++) {
        if (*p == '\n')
            (void)buffer_append(out, "\\n", 2);
        else if (*p == '\\')
            (void)buffer_append(out, "\\\\", 2);
        else if (*p == '"' && open)
            (void)buffer_append(out, "\\\"", 2);
        else
            (void)buffer_append(out, p, 1);
    }
    (void)buffer_printf(out, "\n# TYPE %.*s %s\n", (int)name.n, name.p, kind_names[family->kind]);
    if (unit != NULL)
        (void)buffer_printf(out, "# UNIT %.*s %s\n", (int)name.n, name.p, unit);
}

static void put_family(struct buffer *out, const struct metric_family *family,
                       enum metrics_format format)
{
    if (family->series == NULL)
        return;
    put_help(out, family, format);
    for (const struct metric *metric = family->series; metric != NULL; metric = metric->hh.next) {
        if (family->kind == KIND_HISTOGRAM) {
            put_histogram(out, metric, format);
        } else {
            put_name(out, metric, "", "");
            put_number(out, metric->value);
            (void)buffer_append_text(out, "\n");
        }
    }
}

bool metrics_write(const struct metrics *metrics, enum metrics_format format, struct buffer *out)
{
    const struct metric_family *family;
    DL_FOREACH(metrics != NULL ? metrics->families : NULL, family)
    {
        put_family(out, family, format);
    }
    if (format == METRICS_OPENMETRICS)
        (void)buffer_append_text(out, "# EOF\n");
    return !out->overflowed;
}
