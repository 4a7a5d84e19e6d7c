#pragma once
#include "bin/page.h"

/* The text form of what store_overview gives: the cluster on one page. Of many partitions only
 * those are shown that are not well, or furthest behind. False if `json` is no such object. */
bool status_text(struct page *page, const char *json);

/* Whether it says that the cluster is healthy. */
bool status_is_healthy(const char *json);
