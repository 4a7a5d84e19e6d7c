#include "admin/labelled_metrics.h"

#include "base/memory.h"
#include "core/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_CEILING = 4096, LABELS_MAX = 3 };

enum family_id {
    PARTITION_LAG_EVENTS,
    PARTITION_LAG_SECONDS,
    PARTITIONS,
    HAND_OVERS_TOTAL,
    DEAD_LETTERS_TOTAL,
    HUB_UP,
    HUB_CONNECTS_TOTAL,
    HUB_FAILURES_TOTAL,
    HUB_THROTTLED_TOTAL,
    DESTINATION_STATE,
    DESTINATION_BULK,
    DESTINATION_VALUES_WAITING,
    DESTINATION_REQUESTS_IN_FLIGHT,
    DESTINATION_REQUESTS_ALLOWED,
    ANSWERS_TOTAL,
    REQUEST_BYTES_TOTAL,
    BREAKER_STATE,
    LOG_LINES_TOTAL,
    BUILD_INFO,
    FAMILIES
};

/* One row per name: its labels, and what it means. */
struct family_row {
    const char *name, *labels[LABELS_MAX], *help;
};

static const struct family_row families[FAMILIES] = {
    {"holdfast_partition_lag_events",
     {"hub", "partition"},
     "Events in the log of the partition and not yet delivered, as far as the hub has told"},
    {"holdfast_partition_lag_seconds",
     {"hub", "partition"},
     "How long the oldest event of the partition that is not delivered waits since the hub took "
     "it"},
    {"holdfast_partitions",
     {"state"},
     "Partitions that this node owns, by the state of their grant"},
    {"holdfast_hand_overs_total",
     {"kind"},
     "Partitions that left this node: planned, stopped (with the node), declined, called_off (it "
     "stayed), lost to another session"},
    {"holdfast_dead_letters_total", {"reason"}, "Events and values stored as dead letters"},
    {"holdfast_hub_up", {"hub"}, "Whether the hub is connected and may be read"},
    {"holdfast_hub_connects_total", {"hub"}, "Connections to the hub that came up"},
    {"holdfast_hub_failures_total",
     {"hub"},
     "Connections to the hub that were lost, and attempts that failed"},
    {"holdfast_hub_throttled_total",
     {"hub"},
     "Readers and connections that the hub ended because it is busy"},
    {"holdfast_destination_state",
     {"destination", "state"},
     "1 for the state that the destination is in: ok, unreachable, paused or failed"},
    {"holdfast_destination_bulk",
     {"destination"},
     "Whether values of many Things go out in one request"},
    {"holdfast_destination_values_waiting",
     {"destination"},
     "Values read and not yet accepted or refused"},
    {"holdfast_destination_requests_in_flight", {"destination"}, "Requests on the wire"},
    {"holdfast_destination_requests_allowed",
     {"destination"},
     "Requests that may be on the wire, as found by watching how long they take"},
    {"holdfast_thingworx_answers_total",
     {"destination", "class"},
     "Requests by the class of what came back"},
    {"holdfast_thingworx_request_bytes_total",
     {"destination"},
     "Bytes of the bodies of requests, without those on the wire"},
    {"holdfast_base_url_breaker_state",
     {"destination", "base_url", "state"},
     "1 for the state of the circuit breaker of the base URL: closed, open or half_open"},
    {"holdfast_log_lines_total", {"level"}, "Lines written to the log"},
    {"holdfast_build_info",
     {"version", "schema"},
     "1; version of the program, and of the database's schema that it brings"},
};

struct labelled_metrics {
    struct metric_family *families[FAMILIES];
    int schema_version;
};

struct labelled_metrics *labelled_metrics_create(struct metrics *registry, int schema_version)
{
    static const char total[] = "_total";
    struct labelled_metrics *m = xcalloc(1, sizeof *m);
    m->schema_version = schema_version;
    for (size_t i = 0; i < FAMILIES; i++) {
        const char *name = families[i].name;
        bool counter = strcmp(name + strlen(name) - (sizeof total - 1), total) == 0;
        m->families[i] = metric_family(registry, counter, name, families[i].help);
    }
    return m;
}

void labelled_metrics_free(struct labelled_metrics *m)
{
    free(m);
}

/* One value for each label of the family. */
static void put(struct labelled_metrics *m, enum family_id which, double value, ...)
{
    struct buffer labels;
    va_list values;
    buffer_init(&labels, LABELS_CEILING);
    va_start(values, value);
    for (size_t i = 0; i < LABELS_MAX && families[which].labels[i] != NULL; i++)
        (void)metrics_label(&labels, families[which].labels[i],
                            slice_from(va_arg(values, const char *)));
    va_end(values);
    metric_family_set(m->families[which], buffer_text(&labels), value);
    buffer_free(&labels);
}

static void put_partition(void *ctx, const struct grant_view *view)
{
    struct labelled_metrics *m = ctx;
    if (view->lag_events >= 0)
        put(m, PARTITION_LAG_EVENTS, (double)view->lag_events, view->hub, view->partition);
    if (view->lag_ms >= 0)
        put(m, PARTITION_LAG_SECONDS, (double)view->lag_ms / 1e3, view->hub, view->partition);
}

static void put_hub(void *ctx, const struct hub_view *view)
{
    struct labelled_metrics *m = ctx;
    put(m, HUB_UP, view->up ? 1 : 0, view->name);
    put(m, HUB_CONNECTS_TOTAL, (double)view->counts.connects, view->name);
    put(m, HUB_FAILURES_TOTAL, (double)view->counts.failures, view->name);
    put(m, HUB_THROTTLED_TOTAL, (double)view->counts.busy, view->name);
}

static void put_breakers(struct labelled_metrics *m, const struct destination_view *view)
{
    static const char *const names[BREAKER_STATES] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half_open"};
    enum breaker_state state;
    const char *url;
    for (size_t n = 0; (url = thingworx_base_url(view->client, n, &state)) != NULL; n++)
        for (size_t i = 0; i < BREAKER_STATES; i++)
            put(m, BREAKER_STATE, i == state ? 1 : 0, view->name, url, names[i]);
}

static void put_destination(void *ctx, const struct destination_view *view)
{
    static const char *const states[] = {"ok", "unreachable", "paused", "failed"};
    struct labelled_metrics *m = ctx;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        put(m, DESTINATION_STATE, strcmp(states[i], view->state) == 0 ? 1 : 0, view->name,
            states[i]);
    put(m, DESTINATION_BULK, view->bulk ? 1 : 0, view->name);
    put(m, DESTINATION_VALUES_WAITING, (double)view->values_waiting, view->name);
    put(m, DESTINATION_REQUESTS_IN_FLIGHT, view->in_flight, view->name);
    put(m, DESTINATION_REQUESTS_ALLOWED, view->allowed, view->name);
    for (size_t i = 0; i < ANSWER_CLASSES; i++)
        put(m, ANSWERS_TOTAL, (double)view->counts.answers[i], view->name,
            answer_class_name((enum answer_class)i));
    put(m, REQUEST_BYTES_TOTAL, (double)view->counts.body_bytes, view->name);
    put_breakers(m, view);
}

/* States of people's words as one word. */
static void put_states(struct labelled_metrics *m, const struct node_snapshot *snapshot)
{
    for (size_t i = 0; i < OWNERSHIP_ENDED; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s", ownership_state_name((enum ownership_state)i));
        for (char *c = name; *c != '\0'; c++)
            *c = *c == ' ' ? '_' : *c;
        put(m, PARTITIONS, (double)snapshot->in_state[i], name);
    }
}

void labelled_metrics_update(struct labelled_metrics *m, const struct node *node,
                             const struct node_snapshot *snapshot)
{
    struct node_visitor visitor = {
        .ctx = m, .partition = put_partition, .destination = put_destination, .hub = put_hub};
    char schema[16];
    for (size_t i = 0; i < FAMILIES; i++)
        metric_family_begin(m->families[i]);
    node_visit(node, &visitor);
    put_states(m, snapshot);
    for (size_t i = 0; i < HAND_OVERS; i++)
        put(m, HAND_OVERS_TOTAL, (double)snapshot->counts.hand_overs[i], hand_over_names[i]);
    for (size_t i = 0; i < LETTER_REASONS; i++)
        put(m, DEAD_LETTERS_TOTAL, (double)snapshot->counts.letters_by_reason[i],
            letter_reasons[i]);
    for (size_t i = 0; i < LOG_LEVELS; i++)
        put(m, LOG_LINES_TOTAL, (double)snapshot->log_lines[i], log_level_name((enum log_level)i));
    (void)snprintf(schema, sizeof schema, "%d", m->schema_version);
    put(m, BUILD_INFO, 1, HOLDFAST_VERSION, schema);
    for (size_t i = 0; i < FAMILIES; i++)
        metric_family_end(m->families[i]);
}
