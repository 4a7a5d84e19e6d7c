"""Mutations of what a node shows of itself."""

from mutation.mutation import Mutation

OBSERVE = [
    Mutation("lag-stands-still", "the lag grows while nothing new is read",
             "src/core/lag.c",
             "    if (known->oldest_ms >= 0)\n", "    if (known->oldest_ms < -1)\n",
             ("unit", "test_lag")),
    Mutation("series-without-ceiling", "the number of series of a name is bounded",
             "src/base/metrics.c",
             "    if (family->n_series >= METRICS_SERIES_CEILING) {",
             "    if (family->n_series >= 100 * METRICS_SERIES_CEILING) {",
             ("unit", "test_labelled_metrics")),
    Mutation("series-for-ever", "what has gone is shown no more",
             "src/base/metrics.c",
             "        if (metric->stale)\n", "        if (metric->stale && family == NULL)\n",
             ("unit", "test_labelled_metrics")),
    Mutation("promise-not-told", "what a promise hangs on is told each time",
             "src/base/log.c",
             "    if (event == NULL || event->kind == LOG_EACH || log->least",
             "    if (event == NULL || log->least",
             ("unit", "test_log_repeats")),
    Mutation("repeats-lost", "how often something happened without a line is told",
             "src/base/log_repeats.c",
             "    if (same)\n        *untold = slot->untold;\n", "",
             ("unit", "test_log_repeats")),
    Mutation("loss-not-counted", "a partition that is lost is counted as lost",
             "src/node/grant.c",
             "        counts[HAND_OVER_LOST]++;\n", "",
             ("system", "test_metrics", "what_is_lost")),
]
