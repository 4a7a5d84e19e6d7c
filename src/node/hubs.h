#pragma once
#include "base/slice.h"
#include "source/source.h"

#include <stdbool.h>
#include <stdint.h>

/* The hubs that this node keeps a warm connection to. */

struct node_parts;
struct configuration;
struct hubs;
struct hub;
struct grant;
struct buffer;

struct hubs *hubs_create(struct node_parts *node);
void hubs_free(struct hubs *h);
/* Opens, closes and re-opens connections as the configuration says. */
void hubs_configure(struct hubs *h, const struct configuration *configuration);
/* Reads the connection secrets anew: a hub whose secret was missing or has changed is opened. */
void hubs_reload_secrets(struct hubs *h);
/* This node leads from now on: it reports what the hubs say of themselves, and looks at them more
 * often. What it heard before says nothing: a hub may have been made anew since. */
void hubs_lead(struct hubs *h);
/* Reports the partitions of all hubs, as the leader must. */
void hubs_report(struct hubs *h);
/* Looks at the hubs again when it is time to. */
void hubs_tick(struct hubs *h, int64_t now_us);

/* NULL when this node has no such hub. Valid until the next configure. */
struct hub *hubs_find(struct hubs *h, const char *name);
const char *hub_name(const struct hub *hub);
const char *hub_fleet(const struct hub *hub);
bool hub_is_up(const struct hub *hub);
/* Why it is down; "" if that is not known. */
const char *hub_problem(const struct hub *hub);
bool hub_fences(const struct hub *hub);
/* Whether the hub's log, by metadata read since `since_us`, is the one called `log` (NULL: any).
 * If not, either the leader's report begins a new generation, with new grants; or this node, which
 * perhaps has read nothing there, is the last to hear of it: so it looks again, now and then. */
bool hub_has_log(struct hub *hub, const char *log, int64_t since_us);
/* Reads the metadata again. */
void hub_refresh(struct hub *hub);
/* Opens a reader for the grant; the grant hears of it through grants.h. */
struct hub_start {
    struct slice after_offset; /* empty: nothing was delivered of this log */
    int64_t time_ms;           /* then begin at this time; 0: at the start; -1: by policy */
    int generation;            /* above 1: the log is a new one */
    bool abandoned;            /* the offset did not exist in the log */
};
struct source_reader *hub_read(struct hub *hub, const char *partition, int64_t token,
                               const struct hub_start *start, uint32_t credit, struct grant *grant);
/* Whether a checkpoint whose offset does not exist stops its partition. */
bool hub_stops_at_invalid_offset(const struct hub *hub);
/* Each of them, for whoever shows it. */
struct hub_view {
    const char *name;
    bool up;
    struct source_counters counts;
};
typedef void (*hubs_each_fn)(void *ctx, const struct hub_view *view);
void hubs_each(const struct hubs *h, hubs_each_fn each, void *ctx);
void hubs_describe(const struct hubs *h, struct buffer *json);
