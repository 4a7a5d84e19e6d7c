#pragma once
#include "world.h"

#include "base/slice.h"

/* The model of the hubs: partitions with logs, epochs, credit, connections that break, hubs that
 * are made anew. Stands where source/eventhubs would be. */

enum { HUBS = 2, HUB_PARTITIONS = 8, HUB_DEVICES = 4 /* of each partition */, HUB_LOGS = 30 };

/* What an event is, known from its place alone. Sequences begin at 1. */
struct hub_event {
    enum { EVENT_VALUES, EVENT_EMPTY, EVENT_UNPARSABLE, EVENT_UNBOUND } kind;
    int device;
    int rows;
    int poison; /* the row that ThingWorx never takes; -1: none */
};
struct hub_event hub_event(const struct world *w, int log, int partition, int64_t sequence);

/* A value says whose it is: every reader that was attached has a number. */
struct hub_value {
    int log, partition, row, reader;
    int64_t sequence;
};
uint64_t hub_encode(const struct hub_value *value);
bool hub_decode(uint64_t number, struct hub_value *value);

struct hubs_model *hubs_model_create(struct world *w, int partitions);
void hubs_model_free(struct hubs_model *h);
int hub_log(const struct hubs_model *h, int hub); /* the present one */
/* What stands in the logs now must be delivered at the end; up to where that is. */
void hubs_fix_due(struct hubs_model *h);
int64_t hub_due(const struct hubs_model *h, int hub, int partition);
int64_t hub_clean_from(const struct world *w, int log, int partition);
int hub_partitions(const struct hubs_model *h);
void hubs_produce(struct hubs_model *h, int hub, int partition, int count);
/* From now on only events that ThingWorx takes. */
void hubs_become_clean(struct hubs_model *h);

/* Faults. */
void hub_drop(struct hubs_model *h, int hub, int node); /* NOWHERE: all connections */
void hub_set_down(struct hubs_model *h, int hub, bool down);
void hub_set_busy(struct hubs_model *h, int hub, int percent);
void hub_set_refusing(struct hubs_model *h, int hub, int node, bool refuses);
void hub_recreate(struct hubs_model *h, int hub);

void hub_offset(int64_t sequence, char *to, size_t size);
void hub_log_name(int hub, int64_t created_ms, char *to, size_t size);
int64_t hub_created_ms(int log);
int hub_log_of(int64_t created_ms);
void hub_thing_of(const char *device, char *to, size_t size); /* "": unbound */
int hub_row_of(struct slice property); /* for dead letters: 0 the whole event, 1 the first value */
