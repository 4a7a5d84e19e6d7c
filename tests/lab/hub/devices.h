#pragma once
#include "base/slice.h"

#include <stdint.h>
#include <uthash.h>

/* The devices that ever sent: the sequence of each goes on over generator runs and restarts. */
struct device {
    char *name;
    size_t name_n;
    int64_t sequence; /* of its last event; counts from 1 */
    int partition;
    char generation[20]; /* of its identity, as an IoT Hub shows it */
    UT_hash_handle hh;
};

struct devices;

struct devices *devices_open(int partitions);
void devices_close(struct devices *devices);

/* The device of this name, made when it is new. Lives as long as `devices`. */
struct device *devices_get(struct devices *devices, struct slice name);

/* Which of n partitions a key belongs to: always the same. */
int devices_partition(struct slice key, int n);
