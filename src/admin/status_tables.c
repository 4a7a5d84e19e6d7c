#include "admin/status_html.h"
#include "admin/status_view.h"

#include <inttypes.h>
#include <string.h>

/* The tables of the status page. Columns of the class "wide" are left out on a narrow screen. */

enum {
    SILENT_MS = 20000,     /* a node that has not reported for so long */
    LAG_TOP_MS = 1000,     /* the least that fills a line of lag */
    NAME_CHARACTERS = 120, /* of a name */
    TEXT_CHARACTERS = 300, /* of a reason */
};

static bool is(const char *text, const char *word)
{
    return text != NULL && strcmp(text, word) == 0;
}

void status_view_heading(struct buffer *html, const char *title, size_t shown, int64_t total,
                         const char *which)
{
    (void)buffer_printf(html, "<section><h2>%s", title);
    if (total > (int64_t)shown) {
        (void)buffer_printf(html, " <small>%zu of ", shown);
        html_count(html, total);
        (void)buffer_printf(html, "%s</small>", which);
    } else if (shown > 1) {
        (void)buffer_printf(html, " <small>%zu</small>", shown);
    }
    (void)buffer_append_text(html, "</h2>");
}

static void put_nothing(struct buffer *html, const char *text)
{
    (void)buffer_printf(html, "<p class=\"none\">%s</p></section>\n", text);
}

/* ---- nodes -------------------------------------------------------------------------------- */

static void put_node_state(struct buffer *html, const struct cluster_node *node)
{
    if (is(node->state, "live") && node->report_ms > SILENT_MS)
        html_state(html, MOOD_DOUBTFUL, "silent");
    else if (is(node->state, "live"))
        html_state(html, MOOD_GOOD, "live");
    else if (is(node->state, "died"))
        html_state(html, MOOD_BAD, "died");
    else
        html_state(html, MOOD_QUIET, node->state);
}

static void put_share(struct buffer *html, int64_t part, int64_t most)
{
    int64_t width = most > 0 && part > 0 ? (part * 100 + most - 1) / most : 0;
    (void)buffer_printf(html,
                        "<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" "
                        "aria-hidden=\"true\"><rect class=\"rail\" width=\"100\" height=\"8\"/>"
                        "<rect class=\"fill\" width=\"%" PRId64 "\" height=\"8\"/></svg>",
                        width);
}

static void put_node(struct buffer *html, const struct cluster_node *node, int64_t most,
                     const char *own)
{
    (void)buffer_append_text(html, "<tr><th scope=\"row\"><span class=\"name\">");
    html_text_cut(html, node->name, NAME_CHARACTERS);
    (void)buffer_append_text(html, "</span>");
    if (node->leader)
        (void)buffer_append_text(html, " <b class=\"tag\">leads</b>");
    if (is(node->name, own))
        (void)buffer_append_text(html, " <b class=\"tag plain\">this node</b>");
    (void)buffer_append_text(html, "</th><td>");
    put_node_state(html, node);
    (void)buffer_append_text(html, "</td><td class=\"n\">");
    html_count(html, node->partitions);
    (void)buffer_append_text(html, "</td><td class=\"wide share\">");
    put_share(html, node->partitions, most);
    (void)buffer_append_text(html, "</td><td class=\"n\">");
    html_count(html, node->events_per_second);
    (void)buffer_append_text(html, "</td><td class=\"n wide\">");
    html_count(html, node->in_flight);
    (void)buffer_append_text(html, "</td><td class=\"n wide\">");
    html_duration(html, node->stall_ms);
    (void)buffer_append_text(html, "</td><td class=\"n wide\">");
    html_size(html, node->rss_kib);
    (void)buffer_append_text(html, "</td><td class=\"n wide\">");
    html_age(html, node->since_ms);
    (void)buffer_append_text(html, "</td></tr>\n");
}

void status_view_nodes(const struct status_view *view, struct buffer *html)
{
    const struct cluster *c = view->cluster;
    int64_t most = 0;
    status_view_heading(html, "Nodes", c->node_count, c->nodes_total, ", those with trouble first");
    if (c->node_count == 0) {
        put_nothing(html, "No node has joined.");
        return;
    }
    for (size_t i = 0; i < c->node_count; i++)
        most = c->nodes[i].partitions > most ? c->nodes[i].partitions : most;
    (void)buffer_append_text(
        html,
        "<table class=\"nodes\"><thead><tr><th scope=\"col\">Node</th><th scope=\"col\">State</th>"
        "<th scope=\"col\" class=\"n\">Partitions</th>"
        "<th scope=\"col\" class=\"wide\"><span class=\"sr\">Share</span></th>"
        "<th scope=\"col\" class=\"n\">Events/s</th>"
        "<th scope=\"col\" class=\"n wide\">In flight</th>"
        "<th scope=\"col\" class=\"n wide\">Stall</th>"
        "<th scope=\"col\" class=\"n wide\">Memory</th>"
        "<th scope=\"col\" class=\"n wide\">Since</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < c->node_count; i++)
        put_node(html, &c->nodes[i], most, view->own->node.name);
    (void)buffer_append_text(html, "</tbody></table></section>\n");
}

/* ---- partitions --------------------------------------------------------------------------- */

static void put_partition_state(struct buffer *html, const char *state)
{
    if (is(state, "owned"))
        return;
    (void)buffer_append_text(html, " ");
    if (is(state, "free"))
        html_state(html, MOOD_BAD, "no owner");
    else if (is(state, "held"))
        html_state(html, MOOD_DOUBTFUL, "held back");
    else
        html_state(html, MOOD_QUIET, is(state, "releasing") ? "moving" : state);
}

static void put_partition_head(struct buffer *html, const char *third)
{
    (void)buffer_printf(
        html,
        "<table class=\"partitions\"><thead><tr><th "
        "scope=\"col\">Partition</th><th scope=\"col\">%s</th>"
        "<th scope=\"col\" class=\"wide\">Last 10 minutes, where read from here</th>"
        "<th scope=\"col\" class=\"n\">Behind</th>"
        "<th scope=\"col\" class=\"n\">Events</th></tr></thead><tbody>\n",
        third);
}

static void put_partition_name(struct buffer *html, const char *hub, const char *partition)
{
    (void)buffer_append_text(html, "<tr><th scope=\"row\"><span class=\"name\">");
    html_text_cut(html, hub, NAME_CHARACTERS);
    (void)buffer_append_text(html, "<span class=\"of\">/</span>");
    html_text_cut(html, partition, NAME_CHARACTERS);
    (void)buffer_append_text(html, "</span></th><td>");
}

static void put_lag(struct buffer *html, const struct status_history *history, const char *hub,
                    const char *partition, int64_t lag_events, int64_t lag_ms)
{
    int64_t points[HISTORY_POINTS];
    (void)buffer_append_text(html, "</td><td class=\"wide line\">");
    if (hub != NULL && partition != NULL &&
        status_history_get_partition(history, hub, partition, points))
        html_spark(html, points, HISTORY_POINTS, LAG_TOP_MS, "lag of the last ten minutes", true);
    (void)buffer_append_text(html, "</td><td class=\"n\">");
    html_duration(html, lag_ms);
    (void)buffer_append_text(html, "</td><td class=\"n\">");
    html_count(html, lag_events);
    (void)buffer_append_text(html, "</td></tr>\n");
}

static void put_own_partitions(const struct status_view *view, struct buffer *html)
{
    const struct view_own *own = view->own;
    status_view_heading(html, "Partitions of this node", own->partition_count,
                        (int64_t)own->partitions_total, ", those furthest behind");
    if (own->partition_count == 0) {
        put_nothing(html, "This node owns none.");
        return;
    }
    put_partition_head(html, "State");
    for (size_t i = 0; i < own->partition_count; i++) {
        const struct view_partition *p = &own->partitions[i];
        put_partition_name(html, p->hub, p->partition);
        html_state(html, is(p->state, "reading") ? MOOD_GOOD : MOOD_QUIET, p->state);
        put_lag(html, view->history, p->hub, p->partition, p->lag_events, p->lag_ms);
    }
    (void)buffer_append_text(html, "</tbody></table></section>\n");
}

void status_view_partitions(const struct status_view *view, struct buffer *html)
{
    const struct cluster *c = view->cluster;
    if (c == NULL) {
        put_own_partitions(view, html);
        return;
    }
    status_view_heading(html, "Partitions", c->partition_count, c->partitions_total,
                        ", the worst first");
    if (c->partition_count == 0) {
        put_nothing(html, "No hub has told of its partitions yet.");
        return;
    }
    put_partition_head(html, "Owner");
    for (size_t i = 0; i < c->partition_count; i++) {
        const struct cluster_partition *p = &c->partitions[i];
        put_partition_name(html, p->hub, p->partition);
        if (p->owner != NULL)
            html_text_cut(html, p->owner, NAME_CHARACTERS);
        put_partition_state(html, p->state);
        put_lag(html, view->history, p->hub, p->partition, p->lag_events, p->lag_ms);
    }
    (void)buffer_append_text(html, "</tbody></table></section>\n");
}

/* ---- hubs and destinations ---------------------------------------------------------------- */

static void put_place_head(struct buffer *html, const char *what, const char *number)
{
    (void)buffer_printf(html,
                        "<table class=\"places\"><thead><tr><th scope=\"col\">%s</th>"
                        "<th scope=\"col\">State</th><th scope=\"col\" class=\"n\">%s</th></tr>"
                        "</thead><tbody>\n",
                        what, number);
}

static void put_place_name(struct buffer *html, const char *name, const char *note)
{
    (void)buffer_append_text(html, "<tr><th scope=\"row\"><span class=\"name\">");
    html_text_cut(html, name, NAME_CHARACTERS);
    (void)buffer_append_text(html, "</span>");
    if (note != NULL) {
        (void)buffer_append_text(html, "<span class=\"note\">");
        html_text_cut(html, note, TEXT_CHARACTERS);
        (void)buffer_append_text(html, "</span>");
    }
    (void)buffer_append_text(html, "</th><td>");
}

static void put_ratio(struct buffer *html, int64_t part, int64_t whole)
{
    (void)buffer_append_text(html, "</td><td class=\"n\">");
    html_count(html, part);
    if (part != whole) {
        (void)buffer_append_text(html, " of ");
        html_count(html, whole);
    }
    (void)buffer_append_text(html, "</td></tr>\n");
}

static void put_destinations(const struct cluster *c, struct buffer *html)
{
    status_view_heading(html, "Destinations", c->destination_count, c->destinations_total, "");
    if (c->destination_count == 0) {
        put_nothing(html, "None is configured.");
        return;
    }
    put_place_head(html, "ThingWorx", "Nodes that reach it");
    for (size_t i = 0; i < c->destination_count; i++) {
        const struct cluster_destination *d = &c->destinations[i];
        put_place_name(html, d->name, d->reason);
        html_state(html,
                   is(d->state, "ok")       ? MOOD_GOOD
                   : is(d->state, "failed") ? MOOD_BAD
                   : is(d->state, "unused") ? MOOD_QUIET
                                            : MOOD_DOUBTFUL,
                   d->state);
        put_ratio(html, d->ok, d->nodes);
    }
    (void)buffer_append_text(html, "</tbody></table></section>\n");
}

static void put_hubs(const struct cluster *c, struct buffer *html)
{
    status_view_heading(html, "Hubs", c->hub_count, c->hubs_total, "");
    if (c->hub_count == 0) {
        put_nothing(html, "None is configured.");
        return;
    }
    put_place_head(html, "Hub", "Partitions read");
    for (size_t i = 0; i < c->hub_count; i++) {
        const struct cluster_hub *h = &c->hubs[i];
        put_place_name(html, h->name, h->problem);
        if (!h->enabled)
            html_state(html, MOOD_QUIET, "disabled");
        else if (h->down > 0)
            html_state(html, h->up > 0 ? MOOD_DOUBTFUL : MOOD_BAD,
                       h->up > 0 ? "down for some" : "down");
        else
            html_state(html, h->up > 0 ? MOOD_GOOD : MOOD_QUIET, h->up > 0 ? "up" : "not seen");
        put_ratio(html, h->owned, h->partitions);
    }
    (void)buffer_append_text(html, "</tbody></table></section>\n");
}

static void put_own_places(struct buffer *html, const char *title, const struct view_place *places,
                           size_t count, size_t total)
{
    status_view_heading(html, title, count, (int64_t)total, "");
    if (count == 0) {
        put_nothing(html, "None is configured.");
        return;
    }
    (void)buffer_append_text(html,
                             "<table class=\"places\"><thead><tr><th scope=\"col\">Name</th>"
                             "<th scope=\"col\">As this node sees it</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < count; i++) {
        put_place_name(html, places[i].name, NULL);
        html_state(html, places[i].good ? MOOD_GOOD : MOOD_DOUBTFUL, places[i].state);
        (void)buffer_append_text(html, "</td></tr>\n");
    }
    (void)buffer_append_text(html, "</tbody></table></section>\n");
}

void status_view_places(const struct status_view *view, struct buffer *html)
{
    const struct view_own *own = view->own;
    (void)buffer_append_text(html, "<div class=\"pair\">");
    if (view->cluster != NULL) {
        put_destinations(view->cluster, html);
        put_hubs(view->cluster, html);
    } else {
        put_own_places(html, "Destinations", own->destinations, own->destination_count,
                       own->destinations_total);
        put_own_places(html, "Hubs", own->hubs, own->hub_count, own->hubs_total);
    }
    (void)buffer_append_text(html, "</div>\n");
}

void status_view_letters(const struct status_view *view, struct buffer *html)
{
    const struct cluster *c = view->cluster;
    if (c->letters_waiting <= 0)
        return;
    status_view_heading(html, "Dead letters", c->reason_count, (int64_t)c->reason_count, "");
    (void)buffer_append_text(html,
                             "<table class=\"places\"><thead><tr><th scope=\"col\">Reason</th>"
                             "<th scope=\"col\" class=\"n\">Waiting</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < c->reason_count; i++) {
        (void)buffer_append_text(html, "<tr><th scope=\"row\"><span class=\"name\">");
        html_text_cut(html, c->reasons[i].reason, NAME_CHARACTERS);
        (void)buffer_append_text(html, "</span></th><td class=\"n\">");
        html_count(html, c->reasons[i].count);
        (void)buffer_append_text(html, "</td></tr>\n");
    }
    (void)buffer_append_text(html, "</tbody></table>");
    if (c->more_letters)
        (void)buffer_append_text(html, "<p class=\"none\">Counted up to ten thousand; there are "
                                       "more.</p>");
    (void)buffer_append_text(html, "</section>\n");
}
