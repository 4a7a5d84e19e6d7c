#pragma once
#include "base/error.h"

#include <stdint.h>

/* What an administrator is told of a destination, in the log and in the database's events. */

void news_takes_again(struct error *news, const char *destination);
/* Nothing has been taken for so long; `why` is the last known reason. */
void news_failed(struct error *news, const char *destination, const struct error *why,
                 int64_t outage_us);
/* The bulk service does not answer as it should. */
void news_no_bulk(struct error *news, const char *why);
