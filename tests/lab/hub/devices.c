#include "hub/devices.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

struct devices {
    struct device *by_name;
    int partitions;
};

static uint64_t hash(struct slice key)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a, then mixed */
    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * UINT64_C(1099511628211);
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

int devices_partition(struct slice key, int n)
{
    return (int)(hash(key) % (uint64_t)n);
}

struct devices *devices_open(int partitions)
{
    struct devices *devices = xcalloc(1, sizeof *devices);
    devices->partitions = partitions;
    return devices;
}

void devices_close(struct devices *devices)
{
    if (devices == NULL)
        return;
    struct device *device;
    struct device *next;
    HASH_ITER(hh, devices->by_name, device, next)
    {
        HASH_DEL(devices->by_name, device);
        free(device->name);
        free(device);
    }
    free(devices);
}

struct device *devices_get(struct devices *devices, struct slice name)
{
    struct device *device;
    HASH_FIND(hh, devices->by_name, name.p, name.n, device);
    if (device != NULL)
        return device;
    device = xcalloc(1, sizeof *device);
    device->name = xstrndup(name.p, name.n);
    device->name_n = name.n;
    device->partition = devices_partition(name, devices->partitions);
    /* Real ones are .NET ticks of the identity's creation: 18 digits. */
    (void)snprintf(device->generation, sizeof device->generation, "6376%014llu",
                   (unsigned long long)(hash(name) % UINT64_C(100000000000000)));
    HASH_ADD_KEYPTR(hh, devices->by_name, device->name, device->name_n, device);
    return device;
}
