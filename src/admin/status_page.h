#pragma once
#include "base/buffer.h"

#include <stdbool.h>

/* The status page of a node: what it knows by itself, and what the database says of the cluster
 * while somebody looks. Made at most once a second, however many look. */

struct event_base;
struct evdns_base;
struct log;
struct node;
struct status_page;

/* All is borrowed. Remembers a few figures every five seconds from now on. */
struct status_page *status_page_create(struct event_base *base, struct evdns_base *dns,
                                       const char *database, const char *name,
                                       const struct node *node, struct log *log);
void status_page_free(struct status_page *page);

/* Appends the page, or only what its script replaces. */
void status_page_write(struct status_page *page, bool fragment, struct buffer *html);
/* The page's Content-Security-Policy: its own style and script by their hashes, and nothing else.
 */
const char *status_page_policy(const struct status_page *page);
