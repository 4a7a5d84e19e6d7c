#pragma once
#include "base/error.h"

#include <stdint.h>

/* What the database says of the cluster, for the status page: asked while somebody looks, on a
 * connection of its own, so that no lease, grant or checkpoint waits behind it; at most once a
 * second, however many look, and never for more than a tenth of the time. */

struct cluster;
struct event_base;
struct evdns_base;
struct log;
struct status_watch;

/* `database` and `node` are borrowed. Connects to nothing yet. */
struct status_watch *status_watch_create(struct event_base *base, struct evdns_base *dns,
                                         const char *database, const char *node, struct log *log);
void status_watch_free(struct status_watch *w);

/* Somebody looks now: for the next seconds the answers are kept fresh. */
void status_watch_look(struct status_watch *w, int64_t now_us);

/* The last answer (NULL: there was none yet), and when it came. Valid until the loop goes on. */
const struct cluster *status_watch_cluster(const struct status_watch *w, int64_t *at_us);
/* The last findings that were asked for, or NULL; the cluster above may be a later one without. */
const struct cluster *status_watch_findings(const struct status_watch *w);
/* Why there is no fresh answer, or NULL. */
const struct error *status_watch_problem(const struct status_watch *w);
