#pragma once
#include "hub.h"

#include "source/source_kind.h"

/* Private to hub.c, hub_events.c and source.c. */

struct model_source;

enum { RETRY_US = 20000, STOP_US = 3000000, OPENED = 0 };

/* One reader, seen from both ends; lives until both have let go and nothing is on its way. */
struct model_reader {
    struct source_reader base;   /* first */
    struct model_source *source; /* NULL: the client has let go */
    int references;
    int hub, node, partition, number, log;
    uint32_t life;
    void *ctx;
    int64_t token, place, arrival_us; /* place: of the next event */
    struct source_position position;
    char offset[24];
    uint32_t credit;
    bool attached, stopping, held;
    int64_t *fifo; /* on its way: a sequence, OPENED, or -1 - enum source_end */
    size_t fifo_n, fifo_capacity;
    struct model_reader *next_reader, *prev_reader; /* attached, at the hub */
    struct model_reader *next, *prev;               /* of the source */
};

struct model_source {
    struct source base; /* first */
    struct source_handlers handlers;
    void *ctx;
    int hub, node;
    uint32_t life;
    uint64_t connection;
    int64_t asked_us; /* for metadata, by the node's clock */
    bool up;
    unsigned attempts;
    struct model_reader *readers;
    struct model_source *next, *prev;
};

struct hub {
    int log;
    bool down;
    int busy;
    bool refuses[WORLD_NODES];
    int64_t tail[HUB_PARTITIONS];
    int64_t due[HUB_PARTITIONS]; /* must be delivered at the end */
    struct model_reader *attached[HUB_PARTITIONS];
    struct model_source *sources;
};

struct hubs_model {
    struct world *world;
    struct hub hubs[HUBS];
    int partitions, logs, readers;
    uint64_t connections;
    int64_t clean_from[HUB_LOGS][HUB_PARTITIONS];
};

/* hub.c */
void reader_unref(struct model_reader *r);
void reader_drop(void *ctx, uint64_t number);
void reader_ended(struct model_reader *r, enum source_end end);
void reader_trigger(struct model_reader *r, int64_t at_us);
void reader_send(struct model_reader *r, int64_t item);
void reader_detach(struct model_reader *r);
void reader_on_attach(void *ctx, uint64_t connection);
void reader_on_credit(void *ctx, uint64_t more);
void reader_on_detach(void *ctx, uint64_t number);

/* source.c: the hub ends a connection. */
void source_hang_up(struct model_source *source);
