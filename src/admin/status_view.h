#pragma once
#include "admin/status_history.h"
#include "base/buffer.h"
#include "base/error.h"
#include "node/node.h"
#include "store/status_page.h"

#include <stddef.h>
#include <stdint.h>

/* The inside of the status page, from what is known. Pure. Its size is bounded: lists hold
 * VIEW_ROWS rows at most and say of how many. */

enum { VIEW_ROWS = CLUSTER_ROWS };

/* What this node knows by itself. The texts are borrowed. */
struct view_partition {
    const char *hub, *partition, *state;
    int64_t lag_events, lag_ms;
};
struct view_place { /* a hub or a destination, as seen from here */
    const char *name, *state;
    bool good;
};
struct view_own {
    struct node_snapshot node;
    struct view_partition partitions[VIEW_ROWS]; /* those furthest behind */
    struct view_place hubs[VIEW_ROWS], destinations[VIEW_ROWS];
    size_t partition_count, partitions_total, hub_count, hubs_total, destination_count,
        destinations_total;
};

struct status_view {
    const struct view_own *own;
    const struct cluster *cluster;  /* NULL: the database has not answered yet */
    int64_t cluster_ms;             /* how old that is */
    const struct cluster *findings; /* NULL: not asked for yet */
    const struct error *problem;    /* why the cluster is old or missing; or NULL */
    const struct status_history *history;
    int64_t wall_ms; /* since 1970 */
};

/* Appends the fragment that the page's script replaces: HTML. */
void status_view_write(const struct status_view *view, struct buffer *html);

/* ---- parts of it, for status_view.c only -------------------------------------------------- */

void status_view_nodes(const struct status_view *view, struct buffer *html);
void status_view_partitions(const struct status_view *view, struct buffer *html);
void status_view_places(const struct status_view *view, struct buffer *html);
void status_view_letters(const struct status_view *view, struct buffer *html);
/* The beginning of a section with its heading: "shown of total" is said when not all are shown. */
void status_view_heading(struct buffer *html, const char *title, size_t shown, int64_t total,
                         const char *which);
