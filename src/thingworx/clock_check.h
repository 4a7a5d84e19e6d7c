#pragma once
#include "core/skew.h"

struct log;

/* Compares the Date of an answer (NULL: it has none) with this node's clock now and then, and warns
 * once when they are far apart. */
void clock_check(struct skew *skew, struct log *log, const char *base_url, const char *date,
                 int64_t now_us);
