#pragma once
#include "node/parts.h"

/* What is measured of a destination, as histograms with its name. */

struct metric;
struct thingworx_answer;

struct destination_meters {
    struct metric *latency, *request, *values; /* NULL without metrics */
};

void destination_meters_open(struct destination_meters *meters, const struct node_parts *node,
                             const char *name);
/* The destination goes, and its series with it. */
void destination_meters_close(struct destination_meters *meters, const struct node_parts *node,
                              const char *name);
/* A request with so many values went out; 0: it was a question. */
void destination_meters_sent(const struct destination_meters *meters, uint32_t values);
void destination_meters_answered(const struct destination_meters *meters, struct node_parts *node,
                                 const struct thingworx_answer *answer, uint32_t values);
