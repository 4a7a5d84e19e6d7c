#pragma once
#include "base/error.h"
#include "base/slice.h"
#include "thingworx/update.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* Faults on demand: what the server does to the requests that match. */
enum fault_kind {
    FAULT_STATUS,
    FAULT_LATENCY,
    FAULT_HANG,
    FAULT_LOST_REPLY,
    FAULT_NOT_READY,
    FAULT_STARTING,
    FAULT_CLOSE,
};

struct fault {
    enum fault_kind kind;
    int status;
    int retry_after;  /* seconds for the header, 0 = no header */
    int64_t ms;       /* latency */
    int64_t until_us; /* clock_now_us, 0 = until cleared */
    int64_t left;     /* how many requests it still hits, -1 = no limit */
    bool probes;      /* hits /ready and /health too */
    bool html;
    char *thing; /* the filters; NULL = any */
    char *property;
    char *value;
    char *body;
    struct fault *next;
};

/* What all faults together do to one request. */
struct fault_effect {
    bool close;
    bool hang;
    int64_t hang_until_us; /* 0 = until cleared */
    bool lost_reply;
    bool not_ready;
    int64_t latency_us;
    const struct fault *status; /* the first that answers; lives until the faults change */
};

/* What the filters look at. `update` is NULL before the body was read. */
struct fault_target {
    bool probe; /* /ready or /health */
    struct slice thing;
    const struct update *update;
};

struct faults {
    struct fault *list;
};

/* Adds the fault that a control request describes. */
bool faults_add(struct faults *faults, struct json_object *wish, int64_t now_us, struct error *err);
void faults_clear(struct faults *faults);

/* The faults with and without a "property" filter are asked separately, because the first need
 * the body. Each match counts. Adds to `effect`. */
void faults_apply(struct faults *faults, const struct fault_target *target, bool with_property,
                  int64_t now_us, struct fault_effect *effect);
