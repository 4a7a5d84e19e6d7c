#pragma once
#include "world.h"

/* The model of ThingWorx: two base URLs that accept, refuse, hang, lose replies. Stands where
 * thingworx/http would be, so that breaker, evidence, pause and bisecting are the real ones. */

enum { PLATFORM_URLS = 2 };

enum platform_state {
    PLATFORM_OK,
    PLATFORM_UNAVAILABLE,   /* 503 to everything */
    PLATFORM_STARTING,      /* 404 to everything, not ready */
    PLATFORM_NOTHING_FOUND, /* 404 to everything but ready */
    PLATFORM_BROKEN,        /* 500 to everything, but says ready */
    PLATFORM_FORBIDS,       /* 401 */
    PLATFORM_THROTTLES,     /* 429 with Retry-After */
    PLATFORM_LOSES_REPLIES, /* takes the values, and the answer is lost */
    PLATFORM_HANGS,         /* no answer; what was sent may be taken much later */
    PLATFORM_SLOW,
    PLATFORM_GONE, /* nobody there */
    PLATFORM_STATES
};
const char *platform_state_name(enum platform_state state);

struct platform *platform_create(struct world *w, int max_rows);
void platform_free(struct platform *p);
void platform_set(struct platform *p, int url, enum platform_state state);
