#pragma once
#include "base/error.h"
#include "base/random.h"
#include "bin/options.h"
#include "core/deployment.h"

#include <stdbool.h>
#include <stddef.h>

/* `holdfast check` makes trials one after another, each with a deadline. A trial tells what it
 * finds and says when it is done; it may queue others. */

struct event_base;
struct evdns_base;
struct configuration;
struct check;

struct check_trial {
    /* Starts it; what it gives is handed to `end`. The subject that it sets stands in the finding
     * if it does not come to its end in time. */
    void *(*begin)(struct check *check, const void *what);
    /* Frees it, whether it is done or not. Never from inside its own callbacks. */
    void (*end)(void *trial);
};

/* What trials share. */
struct check {
    struct options *options;
    struct event_base *base;
    struct evdns_base *dns;
    struct random random;
    struct configuration *configuration; /* NULL until the database has told it */
    char **things;                       /* of the destinations, in their order; NULL: none bound */
    struct check_run *run;               /* belongs to command_check.c */
};

/* `what` must live until the trial has ended. */
void check_queue(struct check *check, const struct check_trial *trial, const void *what);
void check_subject(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A finding of the present trial. */
void check_found(void *check, enum finding_level level, const char *subject,
                 const struct error *what);
/* The same in short; the subject is the trial's. */
void check_tell(struct check *check, enum finding_level level, const char *hint, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
void check_done(struct check *check);

/* A secret that the configuration names; NULL, and a finding, if it cannot be read here. */
char *check_secret(struct check *check, const char *subject, const char *name);

/* Completeness; queues the trials of hubs and destinations. */
void check_configuration(struct check *check);

/* The first trial; it queues the second. */
extern const struct check_trial check_hosts;
extern const struct check_trial check_database;
extern const struct check_trial check_hub;         /* what: struct hub_config */
extern const struct check_trial check_destination; /* what: struct check_url */

/* One base URL of a destination. */
struct check_url {
    const struct destination_config *destination;
    const char *url, *thing;
};
