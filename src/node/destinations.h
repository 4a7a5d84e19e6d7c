#pragma once
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

/* The ThingWorx clusters that this node writes to (destination.h), as they are configured. */

struct node_parts;
struct configuration;
struct destinations;
struct destination;
struct buffer;
struct destination_view;

struct destinations *destinations_create(struct node_parts *node);
void destinations_free(struct destinations *d);

/* Makes the destinations what the configuration says; reads app keys anew. */
void destinations_configure(struct destinations *d, const struct configuration *configuration);
/* Reads the app keys again, so that a replaced secret takes effect. */
void destinations_reload_secrets(struct destinations *d);

/* NULL when there is none of that name. Valid until the next configure. */
struct destination *destinations_find(struct destinations *d, const char *name);

/* The three below reach the lanes of every destination. */
void destinations_abandon(struct destinations *d, const void *owner);
size_t destinations_drop(struct destinations *d, const void *owner, int64_t above_sequence);
int64_t destinations_touched(const struct destinations *d, const void *owner);

/* Cancels every request on the wire and forgets every row: after waking up from a gap. */
void destinations_reset(struct destinations *d);
void destinations_tick(struct destinations *d, int64_t now_us);

/* JSON text for the node's report: {"name":"ok",...}. */
void destinations_describe(const struct destinations *d, struct buffer *json);
/* The same of why they are not "ok". */
void destinations_describe_reasons(const struct destinations *d, struct buffer *json);
/* The same of how rows go out: {"name":"bulk",...}. */
void destinations_describe_delivery(const struct destinations *d, struct buffer *json);
/* Each of them, for whoever shows it. */
typedef void (*destinations_each_fn)(void *ctx, const struct destination_view *view);
void destinations_each(const struct destinations *d, destinations_each_fn each, void *ctx);
size_t destinations_on_the_wire(const struct destinations *d);
