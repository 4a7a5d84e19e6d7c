#pragma once
#include "core/ownership.h"

#include <stddef.h>
#include <stdint.h>

/* What of a grant is shown. */

struct grant;

struct grant_view {
    const char *hub, *partition;
    enum ownership_state state;
    int64_t lag_events, lag_ms; /* see core/lag.h; -1: not known */
    size_t bytes_in_flight;
};

/* `now_ms`: wall clock. The texts are the grant's. */
struct grant_view grant_look(const struct grant *grant, int64_t now_ms);
