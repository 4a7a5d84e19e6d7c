#include "store/status_page.h"

#include "base/memory.h"
#include "pg/connection.h"
#include "store/values.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading members ---------------------------------------------------------------------- */

static struct json_object *member(struct json_object *of, const char *name)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(of, name, &value) ? value : NULL;
}

static const char *text_of(struct json_object *of, const char *name)
{
    struct json_object *value = member(of, name);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static int64_t number_of(struct json_object *of, const char *name)
{
    struct json_object *value = member(of, name);
    return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
}

static bool is_true(struct json_object *of, const char *name)
{
    struct json_object *value = member(of, name);
    return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

/* How many rows there are under that name, and where. */
static size_t rows_of(struct json_object *of, const char *name, struct json_object **rows)
{
    *rows = member(of, name);
    size_t n = json_object_is_type(*rows, json_type_array) ? json_object_array_length(*rows) : 0;
    return n < CLUSTER_ROWS ? n : CLUSTER_ROWS;
}

/* ---- the lists ---------------------------------------------------------------------------- */

static void read_nodes(struct cluster *c, struct json_object *from)
{
    struct json_object *rows;
    c->nodes_total = number_of(from, "total");
    c->nodes_live = number_of(from, "live");
    c->versions = number_of(from, "versions");
    c->events_per_second = number_of(from, "events_per_second");
    c->node_count = rows_of(from, "rows", &rows);
    c->nodes = xcalloc(c->node_count + 1, sizeof *c->nodes);
    for (size_t i = 0; i < c->node_count; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        c->nodes[i] =
            (struct cluster_node){.name = text_of(row, "node"),
                                  .state = text_of(row, "state"),
                                  .version = text_of(row, "version"),
                                  .leader = is_true(row, "leader"),
                                  .partitions = number_of(row, "partitions"),
                                  .events_per_second = number_of(row, "events_per_second"),
                                  .in_flight = number_of(row, "in_flight"),
                                  .stall_ms = number_of(row, "stall_ms"),
                                  .rss_kib = number_of(row, "rss_kib"),
                                  .report_ms = number_of(row, "report_ms"),
                                  .since_ms = number_of(row, "since_ms")};
    }
}

static void read_partitions(struct cluster *c, struct json_object *from)
{
    struct json_object *rows;
    c->partitions_total = number_of(from, "total");
    c->owned = number_of(from, "owned");
    c->moving = number_of(from, "moving");
    c->paused = number_of(from, "paused");
    c->held = number_of(from, "held");
    c->without_owner = number_of(from, "without_owner");
    c->lag_events = number_of(from, "lag_events");
    c->lag_ms = number_of(from, "lag_ms");
    c->partition_count = rows_of(from, "rows", &rows);
    c->partitions = xcalloc(c->partition_count + 1, sizeof *c->partitions);
    for (size_t i = 0; i < c->partition_count; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        c->partitions[i] = (struct cluster_partition){.hub = text_of(row, "hub"),
                                                      .partition = text_of(row, "partition"),
                                                      .owner = text_of(row, "owner"),
                                                      .state = text_of(row, "state"),
                                                      .lag_events = number_of(row, "lag_events"),
                                                      .lag_ms = number_of(row, "lag_ms")};
    }
}

static void read_hubs(struct cluster *c, struct json_object *from)
{
    struct json_object *rows;
    c->hubs_total = number_of(from, "total");
    c->hub_count = rows_of(from, "rows", &rows);
    c->hubs = xcalloc(c->hub_count + 1, sizeof *c->hubs);
    for (size_t i = 0; i < c->hub_count; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        c->hubs[i] = (struct cluster_hub){.name = text_of(row, "name"),
                                          .fleet = text_of(row, "fleet"),
                                          .problem = text_of(row, "problem"),
                                          .enabled = is_true(row, "enabled"),
                                          .partitions = number_of(row, "partitions"),
                                          .owned = number_of(row, "owned"),
                                          .up = number_of(row, "up"),
                                          .down = number_of(row, "down")};
    }
}

static void read_destinations(struct cluster *c, struct json_object *from)
{
    struct json_object *rows;
    c->destinations_total = number_of(from, "total");
    c->destination_count = rows_of(from, "rows", &rows);
    c->destinations = xcalloc(c->destination_count + 1, sizeof *c->destinations);
    for (size_t i = 0; i < c->destination_count; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        c->destinations[i] = (struct cluster_destination){.name = text_of(row, "name"),
                                                          .state = text_of(row, "state"),
                                                          .reason = text_of(row, "reason"),
                                                          .delivered = text_of(row, "delivered"),
                                                          .nodes = number_of(row, "nodes"),
                                                          .ok = number_of(row, "ok")};
    }
}

static void read_letters(struct cluster *c, struct json_object *from)
{
    struct json_object *rows;
    c->letters_waiting = number_of(from, "waiting");
    c->more_letters = is_true(from, "more");
    c->reason_count = rows_of(from, "reasons", &rows);
    c->reasons = xcalloc(c->reason_count + 1, sizeof *c->reasons);
    for (size_t i = 0; i < c->reason_count; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        c->reasons[i] = (struct cluster_reason){.reason = text_of(row, "reason"),
                                                .count = number_of(row, "count")};
    }
}

static void read_events(struct cluster *c, struct json_object *from)
{
    struct json_object *rows;
    c->event_count = rows_of(from, "events", &rows);
    c->events = xcalloc(c->event_count + 1, sizeof *c->events);
    for (size_t i = 0; i < c->event_count; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        c->events[i] = (struct cluster_event){.kind = text_of(row, "kind"),
                                              .text = text_of(row, "text"),
                                              .ago_ms = number_of(row, "ago_ms")};
    }
}

static void read_findings(struct cluster *c, struct json_object *from)
{
    struct json_object *rows;
    c->findings_total = number_of(from, "total");
    c->finding_count = rows_of(from, "rows", &rows);
    c->findings = xcalloc(c->finding_count + 1, sizeof *c->findings);
    for (size_t i = 0; i < c->finding_count; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        c->findings[i] = (struct cluster_finding){.severity = text_of(row, "severity"),
                                                  .subject = text_of(row, "subject"),
                                                  .error = text_of(row, "error"),
                                                  .detail = text_of(row, "detail"),
                                                  .hint = text_of(row, "hint")};
    }
}

struct cluster *cluster_parse(const char *json, struct error *err)
{
    struct json_object *root = json != NULL ? json_tokener_parse(json) : NULL;
    if (!json_object_is_type(root, json_type_object)) {
        json_object_put(root);
        error_set(err, "the database's status_page() is not of this build");
        (void)error_hint(err, "Run `holdfast migrate`, or upgrade this node.");
        return NULL;
    }
    struct cluster *c = xcalloc(1, sizeof *c);
    struct json_object *leader = member(root, "leader");
    c->json = root;
    c->leader = text_of(leader, "node");
    c->leader_since_ms = number_of(leader, "since_ms");
    c->incarnation_ms = number_of(root, "incarnation_ms");
    read_nodes(c, member(root, "nodes"));
    read_partitions(c, member(root, "partitions"));
    read_hubs(c, member(root, "hubs"));
    read_destinations(c, member(root, "destinations"));
    read_letters(c, member(root, "letters"));
    read_events(c, root);
    read_findings(c, member(root, "findings"));
    return c;
}

void cluster_free(struct cluster *c)
{
    if (c == NULL)
        return;
    free(c->nodes);
    free(c->partitions);
    free(c->hubs);
    free(c->destinations);
    free(c->reasons);
    free(c->events);
    free(c->findings);
    json_object_put(c->json);
    free(c);
}

/* ---- asking ------------------------------------------------------------------------------- */

struct call {
    store_status_page_fn done;
    void *ctx;
};

static void answer(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    struct error mine;
    free(ctx);
    if (err == NULL) {
        const char *json = PQntuples(result) == 1 ? row_text(result, 0, 0) : NULL;
        struct cluster *cluster = cluster_parse(json, &mine);
        call.done(call.ctx, cluster, cluster == NULL ? &mine : NULL);
        return;
    }
    mine = *err;
    if (strcmp(mine.code, "42883") == 0) /* there is no such function */
        (void)error_hint(&mine, "The database is older than this node: run `holdfast migrate`.");
    call.done(call.ctx, NULL, &mine);
}

void store_status_page(struct pg_connection *pg, bool findings, store_status_page_fn done,
                       void *ctx)
{
    struct call *call = xcalloc(1, sizeof *call);
    char number[NUMBER_TEXT];
    const char *values[] = {number_text(number, CLUSTER_ROWS), findings ? "true" : "false"};
    *call = (struct call){.done = done, .ctx = ctx};
    pg_request(pg, "SELECT holdfast.status_page($1, $2)", 2, values, answer, call);
}
