#pragma once
#include "hub/hub.h"

/* Makes telemetry of many devices, in turn. The sequence of each device goes on from run to run,
 * and so do the values, which are drawn from a fixed seed. */
struct generator;

struct generator_options {
    int64_t devices;
    const char *prefix; /* device names: prefix and five digits, from 00000 */
    int64_t properties; /* members of a body, the sequence among them */
    int64_t size_min;   /* bytes of a body, evenly spread: filled up with a member "pad" */
    int64_t size_max;   /* 0: bodies are as long as their members */
    double rate;        /* events per second; 0: as fast as possible */
    int64_t events;     /* 0: no end */
    double seconds;     /* 0: no end */
    bool preload;       /* write `events` events before generator_start returns */
};

struct generator *generator_open(struct hub *hub);
void generator_close(struct generator *generator);

/* Starts a run; one that is going on ends. False and err if the options make no sense. */
bool generator_start(struct generator *generator, const struct generator_options *options,
                     struct error *err);
void generator_stop(struct generator *generator);
bool generator_running(const struct generator *generator);
