#pragma once
#include "base/metrics.h"
#include "node/node.h"

/* What a node shows of itself to Prometheus. */
struct node_metrics;

/* Registers the node's metrics. `schema_version`: of this build. Free with node_metrics_free,
 * before the registry. */
struct node_metrics *node_metrics_create(struct metrics *registry, int schema_version);
void node_metrics_free(struct node_metrics *m);
/* Takes the figures of the node into the registry; call it before each scrape. */
void node_metrics_update(struct node_metrics *m, const struct node *node);
