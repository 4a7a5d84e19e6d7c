#pragma once
#include "base/metrics.h"
#include "node/node.h"

/* The metrics with labels that are read off the node at a scrape: by partition, hub, destination,
 * base URL, and by kinds of things. */
struct labelled_metrics;

struct labelled_metrics *labelled_metrics_create(struct metrics *registry, int schema_version);
void labelled_metrics_free(struct labelled_metrics *m);
void labelled_metrics_update(struct labelled_metrics *m, const struct node *node,
                             const struct node_snapshot *snapshot);
