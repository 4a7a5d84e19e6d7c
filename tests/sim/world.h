#pragma once
#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The simulated world: true time, what happens next, and the nodes with their clocks. One step is
 * one happening: a timer of a node that fires, a message that arrives, a statement that the
 * database carries out, a fault that begins or ends.
 *
 * The nodes are the real ones (src/node and all below it) in one process; libevent, libpq, the
 * hub's AMQP and curl are replaced by loop.c, server.c, hub.c and platform.c, and the clock by
 * world.c. Everything is drawn from the seed, so a run can be had again. */

enum { WORLD_NODES = 7, WORLD_BATCH_US = 1000 };

struct checks;
struct hubs_model;
struct node;
struct log;
struct platform;
struct servers;
struct timers;

enum { NOWHERE = -1 }; /* no node: the world itself */

typedef void (*happening)(void *ctx, uint64_t number);

struct entry {
    int64_t at_us;
    uint64_t order;
    int node;
    uint32_t life; /* of the node: what was meant for an earlier one is dropped */
    happening run;
    happening drop; /* instead of run, when nobody is there; may be NULL */
    void *ctx;
    uint64_t number;
};

struct sim_node {
    int index;
    char name[16];
    struct node *node; /* NULL: no process */
    struct log *log;
    uint32_t life;
    bool stopped, leaving;
    int64_t stopped_us, leaves_us;
    int64_t clock_offset_us, clock_ppm;
    struct timers *timers;
    struct entry *backlog; /* what arrived while it was stopped */
    size_t backlog_n, backlog_capacity;
    struct entry *outbox; /* what the present callback sends, until it ends */
    size_t outbox_n, outbox_capacity;
    /* A fault in the middle of a callback: only some of what it sends leaves the process. */
    enum { CUT_NONE, CUT_STOP, CUT_KILL } cut;
    int64_t cut_stop_us;
    int cut_off_hub; /* the network between it and the hub is cut, so many times */
    int cut_off_db[2];
    int slow; /* its messages take so many times longer */
};

struct world {
    uint64_t seed;
    struct random random;
    int64_t now_us;
    int64_t end_us, quiet_us; /* faults end at quiet_us */
    struct entry *heap;
    size_t heap_n, heap_capacity;
    uint64_t order, steps;
    struct sim_node nodes[WORLD_NODES];
    int node_count;
    int running; /* the node whose callback runs, or NOWHERE */
    int ttl_ms;
    struct servers *servers;
    struct hubs_model *hubs;
    struct platform *platform;
    struct checks *checks;
    FILE *trace; /* NULL: none */
    bool failed;
    char failure[512];
};

/* The world that the replaced functions belong to. */
extern struct world *the_world;

void world_init(struct world *w, uint64_t seed, FILE *trace);
void world_free(struct world *w);
/* Runs until the end of time or the first failure. */
void world_run(struct world *w);

/* Something that will happen. For a node: handed to its loop, in which it waits while the process
 * is stopped. */
void world_at(struct world *w, int64_t at_us, int node, happening run, happening drop, void *ctx,
              uint64_t number);
/* Something that the running callback of a node sends: it leaves the process when the callback
 * ends, unless a fault cuts it off before. From anywhere else: at once. */
void world_send(struct world *w, int node, happening run, happening drop, void *ctx,
                uint64_t number);

int64_t world_between(struct world *w, int64_t low, int64_t high);
bool world_chance(struct world *w, int percent);
/* A time for one message of a node to travel. */
int64_t world_latency(struct world *w, int node);

void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An invariant does not hold: the run ends here. */
void world_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Processes. */
void node_begin(struct world *w, int node);          /* a new process */
void node_kill(struct world *w, int node);           /* kill -9 */
void node_pause(struct world *w, int node);          /* SIGSTOP */
void node_continue(struct world *w, int node);       /* SIGCONT */
void node_leave(struct world *w, int node);          /* SIGTERM */
bool node_is_there(const struct world *w, int node); /* a process, frozen or not */
int64_t node_clock(const struct world *w, int node); /* its own */
int64_t node_span(const struct world *w, int node,
                  int64_t span_us); /* of its clock, in true time */

/* loop.c: the timers of a node. */
struct timers *timers_create(void);
void timers_free(struct timers *timers);
/* The heartbeat goes first after a pause, as its priority says. */
void timers_fire_urgent(struct world *w, int node);
