#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Tries one base URL for `holdfast check`, by the requests that nodes send, but empty: whether it
 * is ready, whether the application key is accepted, whether the bulk service is there, and whether
 * a Thing may be written to. Nothing is written. */

struct event_base;
struct evdns_base;
struct thingworx_security;
struct thingworx_trial;

enum trial_step {
    TRIAL_REACH,  /* GET <base URL>/ready, without a key */
    TRIAL_BULK,   /* the bulk service with no rows: tells about the key too */
    TRIAL_UPDATE, /* UpdatePropertyValues with no rows */
    TRIAL_STEPS
};

struct trial_config {
    struct event_base *base;
    struct evdns_base *dns;
    const char *base_url, *app_key; /* copied */
    const char *node;               /* for User-Agent */
    const char *thing;              /* to write to; NULL: TRIAL_UPDATE is left out */
    const struct thingworx_security *security;
    int timeout_ms; /* of each request */
};

struct trial_answer {
    enum trial_step step;
    bool reached;               /* it answered; else `why` says why not */
    int status;                 /* of the answer */
    bool html;                  /* a page for people came */
    char text[200];             /* what it said: one line */
    bool has_date;              /* then: how far its clock is ahead of ours */
    int64_t skew_us;            /* negative: behind */
    int64_t certificate_end_us; /* since 1970; -1: plain HTTP, or not known */
    struct error why;
};

/* Called from the loop once for each step that was made, and at the end with NULL. After a step
 * that does not reach it, the others are left out. */
typedef void (*trial_fn)(void *ctx, const struct trial_answer *answer);

/* NULL with `err` if the base URL or the security cannot be used. */
struct thingworx_trial *thingworx_trial_start(const struct trial_config *config, trial_fn told,
                                              void *ctx, struct error *err);
/* Not from a callback. NULL is fine. */
void thingworx_trial_free(struct thingworx_trial *trial);

/* When a certificate of ours (PEM) ends, in microseconds since 1970; -1 if there is none. */
int64_t trial_certificate_end_us(const char *pem);
