#pragma once
#include "base/log.h"
#include "base/slice.h"
#include "thingworx/fault.h"
#include "thingworx/ledger.h"
#include "thingworx/ledger_file.h"
#include "thingworx/model.h"
#include "thingworx/update.h"

#include <event2/event.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdint.h>

struct held;

struct counters {
    uint64_t requests;
    uint64_t bytes;
    uint64_t accepted_values;
    uint64_t refused[600]; /* by status */
    unsigned in_flight;
    unsigned max_in_flight;
    unsigned max_in_flight_per_thing;
    unsigned hanging; /* of those in flight */
};

/* All that the lab's ThingWorx knows. One loop, no threads. */
struct server {
    struct event_base *base;
    struct log *log;
    char *app_key; /* NULL = any key will do */
    struct model model;
    struct ledger *ledger;
    struct ledger_file *file; /* NULL: the ledger is forgotten at the end */
    struct faults faults;
    struct counters counters;
    struct update update; /* of the request at hand, reused */
    bool bulk;            /* the bulk service is installed */
    bool may_not_create;  /* the key's user may not invoke CreateThing */
    bool rows_before;     /* a refused row leaves the rows before it applied */
    struct held *held;    /* requests that are answered later, or never */
};
