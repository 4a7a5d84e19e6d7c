#include "bin/status_text.h"

#include <inttypes.h>
#include <json_object.h>
#include <json_tokener.h>
#include <linkhash.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { INDENT = 14, CELL = 200, PARTITIONS_SHOWN = 24 };

/* ---- reading the object ------------------------------------------------------------------- */

static struct json_object *member(const struct json_object *of, const char *name)
{
    struct json_object *found = NULL;
    (void)json_object_object_get_ex(of, name, &found);
    return found;
}

/* "" for null. */
static const char *text_of(const struct json_object *of, const char *name)
{
    struct json_object *found = member(of, name);
    return found != NULL ? json_object_get_string(found) : "";
}

static int64_t number_of(const struct json_object *of, const char *name)
{
    return json_object_get_int64(member(of, name));
}

static bool is_true(const struct json_object *of, const char *name)
{
    return json_object_get_boolean(member(of, name));
}

static size_t count_of(const struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* Seconds as people say them. */
static void age(char *to, size_t size, double seconds)
{
    if (seconds < 10)
        (void)snprintf(to, size, "%.1f s", seconds > 0 ? seconds : 0.0);
    else if (seconds < 120)
        (void)snprintf(to, size, "%.0f s", seconds);
    else if (seconds < 7200)
        (void)snprintf(to, size, "%.0f min", seconds / 60);
    else if (seconds < 172800)
        (void)snprintf(to, size, "%.0f h", seconds / 3600);
    else
        (void)snprintf(to, size, "%.0f days", seconds / 86400);
}

static void put_age(struct page_table *table, enum colour colour, const struct json_object *of,
                    const char *name)
{
    char text[32] = "";
    struct json_object *found = member(of, name);
    if (found != NULL)
        age(text, sizeof text, json_object_get_double(found));
    page_table_cell(table, colour, text);
}

static void put_text(struct page_table *table, enum colour colour, const struct json_object *of,
                     const char *name)
{
    page_table_cell(table, colour, text_of(of, name));
}

static void head(struct page *page, const char *title)
{
    page_end(page);
    page_put(page, STRONG, title);
    page_end(page);
}

static enum colour colour_of(const char *state)
{
    static const struct {
        const char *state;
        enum colour colour;
    } known[] = {{"live", GOOD},          {"owned", PLAIN},      {"ok", GOOD},
                 {"healthy", GOOD},       {"failed", BAD},       {"died", BAD},
                 {"free", BAD},           {"error", BAD},        {"degraded", BAD},
                 {"unreachable", BAD},    {"paused", DOUBTFUL},  {"pausing", DOUBTFUL},
                 {"warning", DOUBTFUL},   {"drained", DOUBTFUL}, {"reserved", DOUBTFUL},
                 {"releasing", DOUBTFUL}, {"left", FAINT},       {"notice", FAINT},
                 {"unused", FAINT},       {"replaced", FAINT},   {"restart", FAINT}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].state, state) == 0)
            return known[i].colour;
    return PLAIN;
}

/* ---- the parts of the page ---------------------------------------------------------------- */

static void put_reasons(struct page *page, const struct json_object *root)
{
    struct json_object *reasons = member(root, "reasons");
    struct buffer text;
    buffer_init(&text, 4096);
    for (size_t i = 0; i < count_of(reasons); i++)
        (void)buffer_printf(&text, "%s%s", i > 0 ? "; " : "",
                            json_object_get_string(json_object_array_get_idx(reasons, i)));
    if (text.n > 0)
        page_words(page, PLAIN, "", INDENT, buffer_text(&text));
    buffer_free(&text);
}

static void put_summary(struct page *page, const struct json_object *root)
{
    char text[512], since[32];
    const char *state = text_of(root, "state");
    struct json_object *database = member(root, "database"), *leader = member(root, "leader");
    struct json_object *cluster = member(root, "cluster");
    page_put(page, STRONG, "holdfast      ");
    page_put(page, colour_of(state), state);
    (void)snprintf(text, sizeof text, " at %s", text_of(root, "at"));
    page_put(page, FAINT, text);
    page_end(page);
    put_reasons(page, root);

    const char *address = text_of(database, "address");
    (void)snprintf(text, sizeof text,
                   "%s on %s%s%s, PostgreSQL %.*s, %s, schema %" PRId64 " (%.12s), up since %.19sZ",
                   text_of(database, "name"), address[0] != '\0' ? address : "a unix socket",
                   address[0] != '\0' ? ":" : "", text_of(database, "port"),
                   (int)strcspn(text_of(database, "server_version"), " "),
                   text_of(database, "server_version"),
                   is_true(database, "in_recovery") ? "in recovery" : "primary",
                   number_of(database, "schema_version"), text_of(database, "schema_digest"),
                   text_of(database, "started_at"));
    page_words(page, FAINT, "database", INDENT, text);

    if (leader != NULL) {
        age(since, sizeof since, json_object_get_double(member(leader, "seconds")));
        (void)snprintf(text, sizeof text, "%s for %s, term %s", text_of(leader, "node"), since,
                       text_of(leader, "token"));
    }
    page_words(page, FAINT, "leader", INDENT, leader != NULL ? text : "nobody");

    int n = snprintf(text, sizeof text,
                     "%" PRId64 " nodes live; %" PRId64 " of %" PRId64
                     " partitions owned; %.0f events/s; lag %" PRId64 " events",
                     number_of(cluster, "live_nodes"), number_of(cluster, "owned"),
                     number_of(cluster, "partitions"),
                     json_object_get_double(member(cluster, "events_per_second")),
                     number_of(cluster, "lag_events"));
    static const char *const others[] = {"releasing", "without_owner", "reserved", "paused",
                                         "held"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (number_of(cluster, others[i]) > 0)
            n += snprintf(text + n, sizeof text - (size_t)n, "; %" PRId64 " %s",
                          number_of(cluster, others[i]), i == 1 ? "without an owner" : others[i]);
    page_words(page, FAINT, "cluster", INDENT, text);
}

static void put_nodes(struct page *page, const struct json_object *root)
{
    static const struct page_column columns[] = {
        {"node", false, true},  {"state", false, false},  {"session", true, false},
        {"parts", true, false}, {"quota", true, false},   {"events/s", true, false},
        {"trust", false, true}, {"version", false, true}, {"where", false, true},
        {"report", true, false}};
    struct json_object *nodes = member(root, "nodes");
    char text[CELL];
    head(page, "nodes");
    struct page_table *table = page_table_open(columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count_of(nodes); i++) {
        struct json_object *node = json_object_array_get_idx(nodes, i);
        const char *state = text_of(node, "state"), *trust = text_of(node, "trust");
        bool live = trust[0] != '\0';
        (void)snprintf(text, sizeof text, "%s%s", text_of(node, "node"),
                       is_true(node, "leader") ? " *" : "");
        page_table_cell(table, live ? PLAIN : FAINT, text);
        page_table_cell(table, colour_of(state), state);
        put_text(table, PLAIN, node, "session");
        page_table_cell(table, PLAIN, live ? text_of(node, "partitions") : "");
        page_table_cell(table, PLAIN, live ? text_of(node, "quota") : "");
        (void)snprintf(text, sizeof text, "%.0f",
                       json_object_get_double(member(node, "events_per_second")));
        page_table_cell(table, PLAIN, live ? text : "");
        page_table_cell(table, strcmp(trust, "ok") == 0 ? GOOD : BAD, trust);
        put_text(table, PLAIN, node, "version");
        put_text(table, PLAIN, node, "where");
        if (live)
            put_age(table, PLAIN, node, "report_age");
        else
            page_table_cell(table, PLAIN, "");
    }
    page_table_close(table, page);
    if (number_of(root, "nodes_gone") > 0) {
        (void)snprintf(text, sizeof text, "and %" PRId64 " that ended more than a day ago",
                       number_of(root, "nodes_gone"));
        page_words(page, FAINT, text, 0, "");
    }
}

/* Well and up to date, so that among many it may be left out. */
static bool is_quiet(const struct json_object *partition)
{
    return strcmp(text_of(partition, "state"), "owned") == 0 &&
           member(partition, "behind_since") == NULL && text_of(partition, "pinned_to")[0] == '\0';
}

static void put_partition(struct page_table *table, const struct json_object *partition)
{
    char text[CELL];
    const char *state = text_of(partition, "state"), *note = text_of(partition, "pause_reason");
    (void)snprintf(text, sizeof text, "%s/%s", text_of(partition, "hub"),
                   text_of(partition, "partition"));
    page_table_cell(table, PLAIN, text);
    put_text(table, PLAIN, partition, "owner");
    page_table_cell(table, colour_of(state), state);
    page_table_cell(table, member(partition, "behind_since") != NULL ? BAD : PLAIN,
                    text_of(partition, "lag_events"));
    put_age(table, PLAIN, partition, "lag_seconds");
    put_age(table, PLAIN, partition, "checkpoint_age");
    text[0] = '\0';
    if (note[0] != '\0')
        (void)snprintf(text, sizeof text, "%s", note);
    else if (text_of(partition, "next_owner")[0] != '\0')
        (void)snprintf(text, sizeof text, "goes to %s: %s", text_of(partition, "next_owner"),
                       text_of(partition, "move_reason"));
    else if (text_of(partition, "pinned_to")[0] != '\0')
        (void)snprintf(text, sizeof text, "pinned to %s", text_of(partition, "pinned_to"));
    else if (!is_true(partition, "hub_enabled"))
        (void)snprintf(text, sizeof text, "the hub is disabled");
    page_table_cell(table, PLAIN, text);
}

static void put_partitions(struct page *page, const struct json_object *root)
{
    static const struct page_column columns[] = {{"partition", false, true}, {"owner", false, true},
                                                 {"state", false, false},    {"lag", true, false},
                                                 {"lag time", true, false},  {"saved", true, false},
                                                 {"note", false, true}};
    struct json_object *partitions = member(root, "partitions");
    size_t count = count_of(partitions), shown = 0;
    head(page, "partitions");
    struct page_table *table = page_table_open(columns, sizeof columns / sizeof columns[0]);
    /* First what is not well; what is well only as long as there is room. */
    for (int quiet = 0; quiet <= 1; quiet++)
        for (size_t i = 0; i < count && shown < PARTITIONS_SHOWN; i++) {
            struct json_object *partition = json_object_array_get_idx(partitions, i);
            if (is_quiet(partition) != (quiet == 1) && count > PARTITIONS_SHOWN)
                continue;
            if (count <= PARTITIONS_SHOWN && quiet == 1)
                break;
            put_partition(table, partition);
            shown++;
        }
    page_table_close(table, page);
    if (shown < count) {
        char text[CELL];
        (void)snprintf(text, sizeof text, "and %zu more (--json has all of them)", count - shown);
        page_words(page, FAINT, text, 0, "");
    }
}

static void put_hubs(struct page *page, const struct json_object *root)
{
    static const struct page_column columns[] = {
        {"hub", false, true},     {"fleet", false, true}, {"enabled", false, false},
        {"parts", true, false},   {"owned", true, false}, {"nodes up", true, false},
        {"problems", false, true}};
    struct json_object *hubs = member(root, "hubs");
    head(page, "hubs");
    struct page_table *table = page_table_open(columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count_of(hubs); i++) {
        struct json_object *hub = json_object_array_get_idx(hubs, i);
        bool owned = number_of(hub, "partitions") == number_of(hub, "partitions_owned");
        put_text(table, PLAIN, hub, "name");
        put_text(table, PLAIN, hub, "fleet");
        page_table_cell(table, is_true(hub, "enabled") ? PLAIN : DOUBTFUL,
                        is_true(hub, "enabled") ? "yes" : "no");
        put_text(table, PLAIN, hub, "partitions");
        put_text(table, owned ? PLAIN : BAD, hub, "partitions_owned");
        put_text(table, PLAIN, hub, "nodes_up");
        put_text(table, BAD, hub, "problems");
    }
    page_table_close(table, page);
}

static void put_destinations(struct page *page, const struct json_object *root)
{
    static const struct page_column columns[] = {{"destination", false, true},
                                                 {"state", false, false},
                                                 {"way", false, false},
                                                 {"base URLs", false, true},
                                                 {"reason", false, true}};
    struct json_object *destinations = member(root, "destinations");
    head(page, "destinations");
    struct page_table *table = page_table_open(columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count_of(destinations); i++) {
        struct json_object *destination = json_object_array_get_idx(destinations, i);
        struct json_object *urls = member(destination, "base_urls");
        struct buffer text;
        buffer_init(&text, 4096);
        for (size_t j = 0; j < count_of(urls); j++)
            (void)buffer_printf(&text, "%s%s", j > 0 ? " " : "",
                                json_object_get_string(json_object_array_get_idx(urls, j)));
        put_text(table, PLAIN, destination, "name");
        put_text(table, colour_of(text_of(destination, "state")), destination, "state");
        put_text(table, PLAIN, destination, "delivered");
        page_table_cell(table, PLAIN, buffer_text(&text));
        put_text(table, BAD, destination, "reason");
        buffer_free(&text);
    }
    page_table_close(table, page);
}

static void put_letters(struct page *page, const struct json_object *root)
{
    struct json_object *letters = member(root, "dead_letters");
    struct buffer text;
    page_end(page);
    buffer_init(&text, 4096);
    (void)buffer_printf(&text, "%s kept, %s to be delivered again, %s dropped",
                        text_of(letters, "kept"), text_of(letters, "requested"),
                        text_of(letters, "dropped"));
    struct json_object *reasons = member(letters, "by_reason");
    if (json_object_is_type(reasons, json_type_object)) {
        json_object_object_foreach(reasons, reason, count)
        {
            (void)buffer_printf(&text, "; %s: %s", reason, json_object_get_string(count));
        }
    }
    page_words(page, STRONG, "dead letters", INDENT, buffer_text(&text));
    buffer_free(&text);
}

static void put_requests(struct page *page, const struct json_object *root)
{
    struct json_object *requests = member(root, "requests");
    char text[4 * CELL];
    if (count_of(requests) == 0)
        return;
    head(page, "requests of administrators");
    for (size_t i = 0; i < count_of(requests); i++) {
        struct json_object *request = json_object_array_get_idx(requests, i);
        (void)snprintf(text, sizeof text, "%s: %s%s%.19s", text_of(request, "subject"),
                       text_of(request, "detail"),
                       text_of(request, "since")[0] != '\0' ? ", since " : "",
                       text_of(request, "since"));
        page_words(page, DOUBTFUL, text_of(request, "kind"), INDENT, text);
    }
}

static void put_events(struct page *page, const struct json_object *root)
{
    struct json_object *events = member(root, "events");
    char text[4 * CELL], label[32];
    head(page, "events, the newest first");
    for (size_t i = 0; i < count_of(events); i++) {
        struct json_object *event = json_object_array_get_idx(events, i);
        const char *node = text_of(event, "node"), *subject = text_of(event, "subject");
        (void)snprintf(label, sizeof label, "%.8sZ", text_of(event, "at") + 11);
        (void)snprintf(text, sizeof text, "%s%s%s%s%s", node,
                       node[0] != '\0' && subject[0] != '\0' ? ", " : "", subject,
                       node[0] != '\0' || subject[0] != '\0' ? ": " : "",
                       text_of(event, "message"));
        page_words(page, FAINT, label, INDENT, text);
    }
}

static void put_findings(struct page *page, const struct json_object *root)
{
    struct json_object *findings = member(root, "findings");
    char text[4 * CELL];
    if (count_of(findings) == 0)
        return;
    head(page, "findings of diagnose()");
    for (size_t i = 0; i < count_of(findings); i++) {
        struct json_object *finding = json_object_array_get_idx(findings, i);
        const char *severity = text_of(finding, "severity");
        (void)snprintf(text, sizeof text, "%s: %s", text_of(finding, "subject"),
                       text_of(finding, "error"));
        page_words(page, colour_of(severity), severity, INDENT, text);
        page_words(page, FAINT, "  why", INDENT, text_of(finding, "detail"));
        page_words(page, FAINT, "  do", INDENT, text_of(finding, "hint"));
    }
}

bool status_text(struct page *page, const char *json)
{
    struct json_object *root = json_tokener_parse(json);
    bool ok = json_object_is_type(root, json_type_object);
    if (ok) {
        put_summary(page, root);
        put_findings(page, root); /* what is wrong comes first: the end may not fit on the screen */
        put_nodes(page, root);
        put_partitions(page, root);
        put_hubs(page, root);
        put_destinations(page, root);
        put_letters(page, root);
        put_requests(page, root);
        put_events(page, root);
    }
    json_object_put(root);
    return ok;
}

bool status_is_healthy(const char *json)
{
    struct json_object *root = json_tokener_parse(json);
    bool healthy = strcmp(text_of(root, "state"), "healthy") == 0;
    json_object_put(root);
    return healthy;
}
