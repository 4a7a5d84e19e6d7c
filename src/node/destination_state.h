#pragma once
#include "base/error.h"
#include "core/bulk_answer.h"
#include "core/bulk_mode.h"
#include "core/concurrency.h"
#include "core/lane.h"
#include "core/outage.h"
#include "core/rate.h"
#include "node/delivery.h"
#include "node/destination_meters.h"
#include "node/destination_secrets.h"

/* Private to destination.c and destination_look.c. */

struct creations;

struct destination {
    struct node_parts *node;
    char *name;
    struct destination_secrets secrets;
    struct thingworx *client;
    struct lanes *lanes;
    struct lane_limits limits;
    struct deliveries deliveries;
    struct creations *creations;
    struct bulk_mode bulk;
    struct bulk_answer bulk_answer; /* scratch */
    struct concurrency concurrency;
    struct rate rate;
    unsigned in_flight; /* requests */
    struct event *pump;
    int64_t pump_at_us; /* what its timer is set to; INT64_MAX: not set */
    int64_t linger_us;  /* how long the first row of a Thing waits for others */
    const char *state;  /* the client's */
    struct error why;   /* of a state that is not ok */
    struct outage outage;
    int64_t failed_after_us, restarts;
    struct destination_meters meters;
};
