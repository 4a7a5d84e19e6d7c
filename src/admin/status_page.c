#include "admin/status_page.h"

#include "admin/status_assets.h"
#include "admin/status_history.h"
#include "admin/status_html.h"
#include "admin/status_view.h"
#include "admin/status_watch.h"
#include "base/clock.h"
#include "base/memory.h"
#include "node/node.h"

#include <event2/event.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAGMENT_CEILING = 1024 * 1024,
    RENEW_MS = 900,
    FRESH_MS = 4000, /* what is older is no point of the present */
    HASH_SIZE = 32,
    HASH_TEXT = 4 * ((HASH_SIZE + 2) / 3) + 1,
};

struct status_page {
    const struct node *node;
    const char *name;
    struct status_watch *watch;
    struct status_history *history;
    struct event *timer;
    struct buffer fragment;
    int64_t made_us;    /* the fragment; 0: never */
    uint64_t delivered; /* at the last step */
    int64_t delivered_us;
    char *policy;
};

/* ---- what this node knows ----------------------------------------------------------------- */

struct gathering {
    struct view_own *own;
    struct status_history *history; /* NULL: nothing is to be remembered */
};

/* Keeps those furthest behind, in that order. */
static void keep_worst(struct view_own *own, const struct view_partition *p)
{
    size_t at = own->partition_count;
    while (at > 0 && own->partitions[at - 1].lag_ms < p->lag_ms)
        at--;
    if (at == VIEW_ROWS)
        return;
    if (own->partition_count < VIEW_ROWS)
        own->partition_count++;
    memmove(&own->partitions[at + 1], &own->partitions[at],
            (own->partition_count - at - 1) * sizeof own->partitions[0]);
    own->partitions[at] = *p;
}

static void on_partition(void *ctx, const struct grant_view *view)
{
    struct gathering *g = ctx;
    struct view_partition p = {view->hub, view->partition, ownership_state_name(view->state),
                               view->lag_events, view->lag_ms};
    g->own->partitions_total++;
    keep_worst(g->own, &p);
    if (g->history != NULL)
        status_history_put_partition(g->history, p.hub, p.partition, p.lag_ms);
}

static void on_destination(void *ctx, const struct destination_view *view)
{
    struct gathering *g = ctx;
    struct view_own *own = g->own;
    if (own->destinations_total++ < VIEW_ROWS)
        own->destinations[own->destination_count++] =
            (struct view_place){view->name, view->state, strcmp(view->state, "ok") == 0};
}

static void on_hub(void *ctx, const struct hub_view *view)
{
    struct gathering *g = ctx;
    struct view_own *own = g->own;
    if (own->hubs_total++ < VIEW_ROWS)
        own->hubs[own->hub_count++] =
            (struct view_place){view->name, view->up ? "up" : "down", view->up};
}

static void gather(const struct status_page *page, struct view_own *own,
                   struct status_history *history)
{
    *own = (struct view_own){.partition_count = 0};
    struct gathering g = {own, history};
    node_snapshot(page->node, &own->node);
    node_visit(page->node, &(struct node_visitor){.ctx = &g,
                                                  .partition = on_partition,
                                                  .destination = on_destination,
                                                  .hub = on_hub});
}

/* ---- remembering -------------------------------------------------------------------------- */

static void remember_cluster(struct status_page *page, int64_t now_us)
{
    int64_t at_us;
    const struct cluster *c = status_watch_cluster(page->watch, &at_us);
    if (c == NULL || now_us - at_us > FRESH_MS * MS_US)
        return;
    status_history_put(page->history, HISTORY_CLUSTER_LAG_MS, c->lag_ms);
    status_history_put(page->history, HISTORY_CLUSTER_RATE, c->events_per_second);
}

static void on_step(evutil_socket_t fd, short what, void *ctx)
{
    struct status_page *page = ctx;
    struct view_own own;
    int64_t now = clock_now_us(), span = now - page->delivered_us;
    (void)fd;
    (void)what;
    status_history_step(page->history);
    gather(page, &own, page->history);
    const struct node_snapshot *n = &own.node;
    uint64_t delivered = n->counts.events_delivered;
    int64_t lag_ms = own.partitions_total == 0 ? 0 : own.partitions[0].lag_ms;
    status_history_put(page->history, HISTORY_NODE_LAG_MS, lag_ms);
    if (page->delivered_us != 0 && span > 0)
        status_history_put(page->history, HISTORY_NODE_RATE,
                           (int64_t)(delivered - page->delivered) * SECOND_US / span);
    page->delivered = delivered;
    page->delivered_us = now;
    remember_cluster(page, now);
}

/* ---- showing ------------------------------------------------------------------------------ */

static void make_fragment(struct status_page *page, int64_t now_us)
{
    struct view_own own;
    int64_t at_us;
    const struct cluster *cluster = status_watch_cluster(page->watch, &at_us);
    gather(page, &own, NULL);
    struct status_view view = {.own = &own,
                               .cluster = cluster,
                               .cluster_ms = cluster != NULL ? (now_us - at_us) / MS_US : -1,
                               .findings = status_watch_findings(page->watch),
                               .problem = status_watch_problem(page->watch),
                               .history = page->history,
                               .wall_ms = clock_wall_us() / MS_US};
    buffer_clear(&page->fragment);
    status_view_write(&view, &page->fragment);
    if (page->fragment.overflowed) {
        buffer_clear(&page->fragment);
        (void)buffer_append_text(&page->fragment, "<p>The page has become too long.</p>");
    }
    page->made_us = now_us;
}

static void put_whole(const struct status_page *page, struct buffer *html)
{
    (void)buffer_append_text(
        html, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"robots\" content=\"noindex\">\n<title>");
    html_text(html, page->name);
    (void)buffer_append_text(
        html, " \xc2\xb7 Holdfast</title>\n<link rel=\"icon\" href=\"data:,\">\n"
              "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n<style>");
    (void)buffer_append_text(html, status_page_css);
    (void)buffer_append_text(html,
                             "</style>\n</head>\n<body>\n<header class=\"top\"><b>Holdfast</b>"
                             "<span class=\"where\">seen from ");
    html_text_cut(html, page->name, 80);
    (void)buffer_append_text(html, "</span><span class=\"note\" id=\"note\" role=\"status\"></span>"
                                   "<button id=\"pause\" type=\"button\" hidden>Pause</button>"
                                   "</header>\n<main id=\"live\">\n");
    (void)buffer_append_slice(html, buffer_slice(&page->fragment));
    (void)buffer_append_text(html,
                             "</main>\n<footer><span>Holdfast " HOLDFAST_VERSION
                             "</span><a href=\"/metrics\">Metrics</a><a href=\"/readyz\">Ready"
                             "</a><a href=\"/healthz\">Health</a></footer>\n<script>");
    (void)buffer_append_text(html, status_page_js);
    (void)buffer_append_text(html, "</script>\n</body>\n</html>\n");
}

void status_page_write(struct status_page *page, bool fragment, struct buffer *html)
{
    int64_t now = clock_now_us();
    status_watch_look(page->watch, now);
    if (page->made_us == 0 || now - page->made_us >= RENEW_MS * MS_US)
        make_fragment(page, now);
    if (fragment)
        (void)buffer_append_slice(html, buffer_slice(&page->fragment));
    else
        put_whole(page, html);
}

/* ---- life --------------------------------------------------------------------------------- */

static void hash(const char *text, char out[HASH_TEXT])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    out[0] = '\0';
    if (EVP_Digest(text, strlen(text), digest, &n, EVP_sha256(), NULL) == 1 && n == HASH_SIZE)
        (void)EVP_EncodeBlock((unsigned char *)out, digest, (int)n);
}

static char *make_policy(void)
{
    char style[HASH_TEXT], script[HASH_TEXT];
    hash(status_page_css, style);
    hash(status_page_js, script);
    return xasprintf("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; "
                     "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                     "frame-ancestors 'none'",
                     style, script);
}

struct status_page *status_page_create(struct event_base *base, struct evdns_base *dns,
                                       const char *database, const char *name,
                                       const struct node *node, struct log *log)
{
    struct status_page *page = xcalloc(1, sizeof *page);
    *page = (struct status_page){.node = node,
                                 .name = name,
                                 .watch = status_watch_create(base, dns, database, name, log),
                                 .history = status_history_create(),
                                 .policy = make_policy()};
    buffer_init(&page->fragment, FRAGMENT_CEILING);
    page->timer = event_new(base, -1, EV_PERSIST, on_step, page);
    struct timeval step = {.tv_sec = HISTORY_STEP_MS / 1000};
    event_add(page->timer, &step);
    return page;
}

void status_page_free(struct status_page *page)
{
    if (page == NULL)
        return;
    event_free(page->timer);
    status_watch_free(page->watch);
    status_history_free(page->history);
    buffer_free(&page->fragment);
    free(page->policy);
    free(page);
}

const char *status_page_policy(const struct status_page *page)
{
    return page->policy;
}
