#include "admin/status_view.h"

#include "admin/status_html.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    OLD_MS = 6000,     /* what is older than that is said to be old */
    LAG_TOP_MS = 1000, /* the least that fills a line of lag */
    RATE_TOP = 10,     /* and of events per second */
    LABEL_CEILING = 512,
    NAME_CHARACTERS = 120,
    TEXT_CHARACTERS = 500,
};

/* ---- the verdict -------------------------------------------------------------------------- */

static size_t count_findings(const struct cluster *found, const char *severity)
{
    size_t n = 0;
    for (size_t i = 0; found != NULL && i < found->finding_count; i++)
        n += found->findings[i].severity != NULL &&
             strcmp(found->findings[i].severity, severity) == 0;
    return n;
}

/* Of the nodes that are listed; those with a trouble come first. */
static size_t count_dead(const struct cluster *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->node_count; i++)
        n += c->nodes[i].state != NULL && strcmp(c->nodes[i].state, "died") == 0;
    return n;
}

static void put_verdict(struct buffer *html, const char *class, const char *shape)
{
    (void)buffer_printf(html, "<section class=\"verdict %s\"><h1><i aria-hidden=\"true\">%s</i>",
                        class, shape);
}

/* Ends like a sentence, however the text does. */
static void put_sentence(struct buffer *html, const char *text)
{
    char trimmed[TEXT_CHARACTERS + 1];
    (void)snprintf(trimmed, sizeof trimmed, "%s", text);
    size_t n = strlen(trimmed);
    while (n > 0 && strchr(" \n.", trimmed[n - 1]) != NULL)
        n--;
    trimmed[n] = '\0';
    html_text(html, trimmed);
    (void)buffer_append_text(html, ".");
}

static void put_away(const struct status_view *view, struct buffer *html)
{
    const struct error *why = view->problem;
    put_verdict(html, "bad", "\xe2\x96\xa0");
    (void)buffer_append_text(html, "The database is away</h1><p>");
    if (why->detail[0] != '\0') {
        html_text_cut(html, why->message, TEXT_CHARACTERS);
        (void)buffer_append_text(html, ": ");
    }
    put_sentence(html, why->detail[0] != '\0' ? why->detail : why->message);
    (void)buffer_append_text(html, "</p>");
    if (why->hint[0] != '\0') {
        (void)buffer_append_text(html, "<p class=\"hint\">");
        html_text_cut(html, why->hint, TEXT_CHARACTERS);
        (void)buffer_append_text(html, "</p>");
    }
    (void)buffer_append_text(html, "<p>");
    if (view->cluster != NULL) {
        (void)buffer_append_text(html, "What stands here of the cluster is <b>");
        html_duration(html, view->cluster_ms);
        (void)buffer_append_text(html, "</b> old; what stands here of this node is new.");
    } else {
        (void)buffer_append_text(html, "Only what this node knows by itself is shown.");
    }
    (void)buffer_append_text(html, "</p></section>\n");
}

static void put_summary(const struct cluster *c, struct buffer *html)
{
    (void)buffer_append_text(html, "<p>");
    if (c->leader != NULL) {
        html_text_cut(html, c->leader, NAME_CHARACTERS);
        (void)buffer_append_text(html, " leads ");
        html_count(html, c->nodes_live);
        (void)buffer_append_text(html, c->nodes_live == 1 ? " node" : " nodes");
    } else {
        (void)buffer_append_text(html, "Nobody leads");
    }
    (void)buffer_append_text(html, "; ");
    html_count(html, c->owned);
    (void)buffer_append_text(html, " of ");
    html_count(html, c->partitions_total);
    (void)buffer_append_text(html,
                             c->partitions_total == 1 ? " partition has" : " partitions have");
    (void)buffer_append_text(html, " an owner.</p></section>\n");
}

static void put_number_of(struct buffer *html, size_t count, const char *what)
{
    (void)buffer_printf(html, "%zu %s%s", count, what, count == 1 ? "" : "s");
}

static void put_state_of_cluster(const struct status_view *view, struct buffer *html)
{
    const struct cluster *c = view->cluster;
    size_t errors = count_findings(view->findings, "error");
    size_t warnings = count_findings(view->findings, "warning");
    size_t died = count_dead(c);
    if (view->findings == NULL) {
        put_verdict(html, "quiet", "\xe2\x97\x8b");
        (void)buffer_append_text(html, "Looking \xe2\x80\xa6</h1>");
    } else if (errors + warnings == 0 && died > 0) {
        /* Others have taken over, so nothing is amiss; but somebody should know. */
        put_verdict(html, "warn", "\xe2\x96\xb2");
        put_number_of(html, died, "node");
        (void)buffer_append_text(html, died == 1 ? " has died</h1>" : " have died</h1>");
    } else if (errors + warnings == 0) {
        put_verdict(html, "good", "\xe2\x97\x8f");
        (void)buffer_append_text(html, "All is well</h1>");
    } else {
        put_verdict(html, errors > 0 ? "bad" : "warn",
                    errors > 0 ? "\xe2\x96\xa0" : "\xe2\x96\xb2");
        if (errors > 0)
            put_number_of(html, errors, "error");
        if (errors > 0 && warnings > 0)
            (void)buffer_append_text(html, " and ");
        if (warnings > 0)
            put_number_of(html, warnings, "warning");
        (void)buffer_append_text(html, "</h1>");
    }
    if (view->cluster_ms > OLD_MS) {
        (void)buffer_append_text(html, "<p>What the database said is <b>");
        html_duration(html, view->cluster_ms);
        (void)buffer_append_text(html, "</b> old.</p>");
    }
    put_summary(c, html);
}

static void put_head(const struct status_view *view, struct buffer *html)
{
    if (view->problem != NULL) {
        put_away(view, html);
    } else if (view->cluster == NULL) {
        put_verdict(html, "quiet", "\xe2\x97\x8b");
        (void)buffer_append_text(html, "Asking the database \xe2\x80\xa6</h1><p>What this node "
                                       "knows by itself is shown.</p></section>\n");
    } else {
        put_state_of_cluster(view, html);
    }
}

/* ---- the figures -------------------------------------------------------------------------- */

static void open_tile(struct buffer *html, const char *name)
{
    (void)buffer_printf(html, "<div><dt>%s</dt><dd>", name);
}

static void next_line(struct buffer *html)
{
    (void)buffer_append_text(html, "</dd><dd class=\"sub\">");
}

static void close_tile(struct buffer *html)
{
    (void)buffer_append_text(html, "</dd></div>\n");
}

static void put_partitions_note(const struct cluster *c, struct buffer *html)
{
    const struct {
        int64_t count;
        const char *what;
    } notes[] = {{c->without_owner, "without owner"},
                 {c->held, "held back"},
                 {c->paused, "paused"},
                 {c->moving, "moving"}};
    bool any = false;
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if (notes[i].count <= 0)
            continue;
        (void)buffer_append_text(html, any ? ", " : "");
        html_count(html, notes[i].count);
        (void)buffer_printf(html, " %s", notes[i].what);
        any = true;
    }
    if (!any)
        (void)buffer_append_text(html, "all owned");
}

static void put_tiles(const struct cluster *c, struct buffer *html)
{
    (void)buffer_append_text(html, "<dl class=\"tiles\">\n");
    open_tile(html, "Leader");
    html_text_cut(html, c->leader, NAME_CHARACTERS);
    next_line(html);
    (void)buffer_append_text(html, c->leader != NULL ? "for " : "nobody leads");
    if (c->leader != NULL)
        html_age(html, c->leader_since_ms);
    close_tile(html);
    open_tile(html, "Nodes");
    html_count(html, c->nodes_live);
    next_line(html);
    if (c->versions > 1)
        (void)buffer_printf(html, "of %" PRId64 " versions", c->versions);
    else if (c->nodes_total > c->nodes_live)
        (void)buffer_printf(html, "%" PRId64 " gone this hour", c->nodes_total - c->nodes_live);
    else
        (void)buffer_append_text(html, "live");
    close_tile(html);
    open_tile(html, "Partitions");
    html_count(html, c->partitions_total);
    next_line(html);
    put_partitions_note(c, html);
    close_tile(html);
    open_tile(html, "Furthest behind");
    html_duration(html, c->lag_ms);
    next_line(html);
    html_count(html, c->lag_events);
    (void)buffer_append_text(html, c->lag_events == 1 ? " event in all" : " events in all");
    close_tile(html);
    open_tile(html, "Delivered");
    html_count(html, c->events_per_second);
    next_line(html);
    (void)buffer_append_text(html, "events a second");
    close_tile(html);
    open_tile(html, "Dead letters");
    html_count(html, c->letters_waiting);
    (void)buffer_append_text(html, c->more_letters ? "+" : "");
    next_line(html);
    (void)buffer_append_text(html, c->letters_waiting > 0 ? "wait for you" : "none waits");
    close_tile(html);
    (void)buffer_append_text(html, "</dl>\n");
}

/* ---- the lines ---------------------------------------------------------------------------- */

static void put_amount(struct buffer *html, bool times, int64_t value)
{
    if (times)
        html_duration(html, value);
    else
        html_count(html, value);
}

static void put_row(const struct status_view *view, struct buffer *html, const char *who,
                    enum history_series series, bool times)
{
    int64_t points[HISTORY_POINTS], highest = -1, now = -1;
    struct buffer label;
    status_history_get(view->history, series, points);
    for (size_t i = 0; i < HISTORY_POINTS; i++) {
        highest = points[i] > highest ? points[i] : highest;
        now = points[i] >= 0 ? points[i] : now;
    }
    buffer_init(&label, LABEL_CEILING);
    (void)buffer_printf(&label, "%s: now ", who);
    put_amount(&label, times, now);
    (void)buffer_append_text(&label, ", peak ");
    put_amount(&label, times, highest);
    (void)buffer_printf(html, "<div class=\"row\"><span class=\"who\">%s</span>", who);
    html_spark(html, points, HISTORY_POINTS, times ? LAG_TOP_MS : RATE_TOP, buffer_text(&label),
               false);
    (void)buffer_append_text(html, "<span class=\"now\">");
    put_amount(html, times, now);
    (void)buffer_append_text(html, "</span><span class=\"peak\">peak ");
    put_amount(html, times, highest);
    (void)buffer_append_text(html, "</span></div>\n");
    buffer_free(&label);
}

static void put_lines(const struct status_view *view, struct buffer *html)
{
    (void)buffer_append_text(html, "<div class=\"pair lines\"><section><h2>Lag <small>last 10 "
                                   "minutes</small></h2>");
    put_row(view, html, "this node", HISTORY_NODE_LAG_MS, true);
    put_row(view, html, "cluster", HISTORY_CLUSTER_LAG_MS, true);
    (void)buffer_append_text(html, "</section><section><h2>Delivered <small>events a second, last "
                                   "10 minutes</small></h2>");
    put_row(view, html, "this node", HISTORY_NODE_RATE, false);
    put_row(view, html, "cluster", HISTORY_CLUSTER_RATE, false);
    (void)buffer_append_text(html, "</section></div>\n");
}

/* ---- findings and events ------------------------------------------------------------------ */

static void put_finding(const struct cluster_finding *f, struct buffer *html)
{
    bool bad = f->severity != NULL && strcmp(f->severity, "error") == 0;
    bool notice = f->severity != NULL && strcmp(f->severity, "notice") == 0;
    (void)buffer_printf(html, "<li class=\"%s\"><p class=\"what\">",
                        bad      ? "bad"
                        : notice ? "quiet"
                                 : "warn");
    html_state(html, bad ? MOOD_BAD : notice ? MOOD_QUIET : MOOD_DOUBTFUL, f->severity);
    (void)buffer_append_text(html, "<b>");
    html_text_cut(html, f->subject, TEXT_CHARACTERS);
    (void)buffer_append_text(html, "</b></p><p>");
    html_text_cut(html, f->error, TEXT_CHARACTERS);
    (void)buffer_append_text(html, ". ");
    html_text_cut(html, f->detail, TEXT_CHARACTERS);
    (void)buffer_append_text(html, "</p><p class=\"hint\">");
    html_text_cut(html, f->hint, TEXT_CHARACTERS);
    (void)buffer_append_text(html, "</p></li>\n");
}

static void put_findings(const struct cluster *found, struct buffer *html)
{
    if (found == NULL || found->finding_count == 0)
        return;
    status_view_heading(html, "Findings", found->finding_count, found->findings_total,
                        ", the worst first");
    (void)buffer_append_text(html, "<ol class=\"findings\">\n");
    for (size_t i = 0; i < found->finding_count; i++)
        put_finding(&found->findings[i], html);
    (void)buffer_append_text(html, "</ol></section>\n");
}

static void put_events(const struct status_view *view, struct buffer *html)
{
    const struct cluster *c = view->cluster;
    status_view_heading(html, "Recent events", 0, 0, "");
    if (c->event_count == 0) {
        (void)buffer_append_text(html, "<p class=\"none\">Nothing has happened.</p></section>\n");
        return;
    }
    (void)buffer_append_text(html, "<table class=\"events\"><thead class=\"sr\"><tr><th "
                                   "scope=\"col\">Ago</th><th scope=\"col\">What</th></tr></thead>"
                                   "<tbody>\n");
    for (size_t i = 0; i < c->event_count; i++) {
        int64_t ago = c->events[i].ago_ms;
        (void)buffer_append_text(html, "<tr><td class=\"n ago\">");
        html_age(html, ago < 0 ? 0 : ago + view->cluster_ms);
        (void)buffer_append_text(html, "</td><td>");
        html_text_cut(html, c->events[i].text, TEXT_CHARACTERS);
        (void)buffer_append_text(html, "</td></tr>\n");
    }
    (void)buffer_append_text(html, "</tbody></table></section>\n");
}

/* ---- this node ---------------------------------------------------------------------------- */

static void open_fact(struct buffer *html, const char *name)
{
    (void)buffer_printf(html, "<div><dt>%s</dt><dd>", name);
}

static void put_counted(struct buffer *html, const char *name, int64_t count, const char *what)
{
    open_fact(html, name);
    html_count(html, count);
    (void)buffer_printf(html, "%s", what);
    close_tile(html);
}

static void put_node(const struct node_snapshot *n, struct buffer *html)
{
    (void)buffer_append_text(html, "<section><h2>This node <small>");
    html_text_cut(html, n->name, NAME_CHARACTERS);
    (void)buffer_append_text(html, "</small></h2><dl class=\"facts\">\n");
    open_fact(html, "Session");
    html_state(html, n->trusted ? MOOD_GOOD : MOOD_DOUBTFUL, n->session_state);
    close_tile(html);
    open_fact(html, "Lease trusted for");
    html_duration(html, n->trusted ? n->remaining_trust_us / MS_US : -1);
    close_tile(html);
    open_fact(html, "Round trip of its ping");
    html_duration(html, n->ping_us > 0 ? n->ping_us / MS_US : -1);
    close_tile(html);
    open_fact(html, "Longest stall");
    html_duration(html, n->stall_max_us / MS_US);
    close_tile(html);
    put_counted(html, "Partitions", (int64_t)n->partitions, "");
    put_counted(html, "In flight", (int64_t)n->in_flight, " events");
    put_counted(html, "On the wire", (int64_t)n->on_the_wire, " requests");
    put_counted(html, "Delivered since the start", (int64_t)n->counts.events_delivered, " events");
    put_counted(html, "Wait for a Thing", (int64_t)n->events_waiting, " events");
    put_counted(html, "Wait for the database", (int64_t)n->letters_waiting, " dead letters");
    (void)buffer_append_text(html, "</dl></section>\n");
}

static void put_time(const struct status_view *view, struct buffer *html)
{
    char text[32];
    time_t seconds = (time_t)(view->wall_ms / 1000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL || strftime(text, sizeof text, "%H:%M:%S", &utc) == 0)
        return;
    (void)buffer_printf(html, "<p class=\"time\">As of %s UTC</p>\n", text);
}

void status_view_write(const struct status_view *view, struct buffer *html)
{
    const struct cluster *c = view->cluster;
    /* Until the database has answered, the script asks again soon. */
    (void)buffer_printf(html, "<div id=\"fragment\" data-again=\"%d\">\n",
                        c == NULL && view->problem == NULL ? 400 : 2000);
    put_head(view, html);
    if (c != NULL)
        put_tiles(c, html);
    put_findings(view->findings, html);
    put_lines(view, html);
    if (c != NULL)
        status_view_nodes(view, html);
    status_view_places(view, html);
    if (c != NULL)
        status_view_letters(view, html);
    status_view_partitions(view, html);
    if (c != NULL)
        put_events(view, html);
    put_node(&view->own->node, html);
    put_time(view, html);
    (void)buffer_append_text(html, "</div>\n");
}
