#pragma once
#include "core/parcel.h"
#include "source/source.h"

#include <stdint.h>

/* The way of one event: message -> bind -> translate -> lane, and what comes back. */

struct node_parts;
struct metric;
struct fleet_config;
struct grant;
struct destination;
struct waiting_event;

/* A message of a grant, already taken up by its tracker under `ticket`. */
void flow_message(struct node_parts *node, struct grant *grant, uint64_t ticket,
                  const struct source_message *message);
/* An event whose device is now resolved (or known to be unbound), or that waited for a fleet which
 * is gone. The flow owns nothing of it. */
void flow_resolved(struct node_parts *node, const char *fleet, const struct waiting_event *event);
/* The fleet that the parcel belongs to; NULL: nobody waits for it, or there is none any more. */
const struct fleet_config *flow_fleet(const struct node_parts *node, const struct parcel *parcel);
/* From the lanes. `latency`: histogram of how long whole events took. */
void flow_completed(struct node_parts *node, struct parcel *parcel, struct metric *latency);
void flow_refused(struct node_parts *node, struct destination *destination, struct parcel *parcel,
                  uint32_t row, const char *reason, const char *detail);
