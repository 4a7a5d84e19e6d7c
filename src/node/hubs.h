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
/* Reports the partitions of all hubs, as the leader must. */
void hubs_report(struct hubs *h);

/* NULL when this node has no such hub. Valid until the next configure. */
struct hub *hubs_find(struct hubs *h, const char *name);
const char *hub_name(const struct hub *hub);
const char *hub_fleet(const struct hub *hub);
bool hub_is_up(const struct hub *hub);
bool hub_fences(const struct hub *hub);
/* Opens a reader for the grant; the grant hears of it through grants.h. */
struct source_reader *hub_read(struct hub *hub, const char *partition, int64_t token,
                               struct slice after_offset, uint32_t credit, struct grant *grant);
void hubs_describe(const struct hubs *h, struct buffer *json);
