#pragma once
#include "base/error.h"
#include "core/primary.h"

#include <stdbool.h>
#include <stdint.h>

/* Looks at all hosts of the connection string, each on a short connection of its own, and says
 * which of them to work with (core/primary decides). With one host there is nothing to look at. */

struct event_base;
struct evdns_base;
struct log;
struct pg_host;
struct survey;

struct survey_config {
    struct event_base *base;
    struct evdns_base *dns;
    struct log *log;
    const char *database, *node; /* borrowed */
};

struct survey_handlers {
    void *ctx;
    /* The host to work with; `place` is NULL when it was not asked, being the only one. */
    void (*found)(void *ctx, const struct pg_host *host, const struct primary_place *place);
    void (*none)(void *ctx, const struct error *why);
};

struct survey *survey_create(const struct survey_config *config, struct survey_handlers handlers);
void survey_free(struct survey *survey);

/* Looks; one of the handlers follows, from the loop or at once. Does nothing while it looks. A
 * patient look waits for every host that may still answer; else the first that can be used gives
 * the others a little time only. */
void survey_look(struct survey *survey, bool patient);
void survey_cancel(struct survey *survey);
bool survey_has_choice(const struct survey *survey); /* more than one host */

/* What is known of the database: the highest timeline on which this node has been, or that a host
 * has shown. */
const struct primary_place *survey_known(const struct survey *survey);
void survey_saw(struct survey *survey, const struct primary_place *place);
