#include "hub_state.h"

#include <stdlib.h>

/* What stands in the logs. */

/* Of each partition. The others never send what is refused: a node that writes to no other Thing
 * than those would find no proof that ThingWorx works, and would wait for it. */
enum { POISONED_DEVICES = 2 };

static uint64_t mix(uint64_t x)
{
    struct random r = {x};
    return random_next(&r);
}

int64_t hub_clean_from(const struct world *w, int log, int partition)
{
    return w->hubs->clean_from[log][partition];
}

struct hub_event hub_event(const struct world *w, int log, int partition, int64_t sequence)
{
    uint64_t x =
        mix(w->seed ^ (uint64_t)log << 40 ^ (uint64_t)partition << 32 ^ (uint64_t)sequence);
    unsigned kind = (unsigned)(x % 1000);
    struct hub_event event = {.kind = EVENT_VALUES,
                              .device = partition * HUB_DEVICES + (int)((x >> 20) % HUB_DEVICES),
                              .rows = 1 + (int)((x >> 30) % 3),
                              .poison = -1};
    if (sequence >= w->hubs->clean_from[log][partition])
        return event;
    /* In some runs much becomes a dead letter. */
    if (w->seed % 4 == 0 && kind >= 900)
        kind = 10 + kind % 20;
    if (kind < 10)
        event.kind = EVENT_EMPTY;
    else if (kind < 20)
        event.kind = EVENT_UNPARSABLE;
    else if (kind < 30)
        event.kind = EVENT_UNBOUND;
    else if (kind < 40 && event.device % HUB_DEVICES < POISONED_DEVICES)
        event.poison = (int)((x >> 40) % (unsigned)event.rows);
    if (event.kind != EVENT_VALUES)
        event.rows = 0;
    return event;
}

uint64_t hub_encode(const struct hub_value *v)
{
    return UINT64_C(1) << 50 | (uint64_t)v->log << 45 | (uint64_t)v->partition << 42 |
           (uint64_t)v->sequence << 22 | (uint64_t)v->row << 20 | (uint64_t)v->reader;
}

bool hub_decode(uint64_t n, struct hub_value *v)
{
    *v = (struct hub_value){.log = (int)(n >> 45 & 31),
                            .partition = (int)(n >> 42 & 7),
                            .sequence = (int64_t)(n >> 22 & 0xfffff),
                            .row = (int)(n >> 20 & 3),
                            .reader = (int)(n & 0xfffff)};
    return n >> 50 == 1;
}

void hub_offset(int64_t sequence, char *to, size_t size)
{
    (void)snprintf(to, size, "%lld", (long long)sequence * 100);
}

int64_t hub_created_ms(int log)
{
    return 1000 + log;
}

int hub_log_of(int64_t created_ms)
{
    return (int)(created_ms - 1000);
}

void hub_log_name(int hub, int64_t created_ms, char *to, size_t size)
{
    (void)snprintf(to, size, "ep-h%d@%lld", hub, (long long)created_ms);
}

void hub_thing_of(const char *device, char *to, size_t size)
{
    (void)snprintf(to, size, device[0] == 'd' ? "T%s" : "", device);
}

int hub_row_of(struct slice property)
{
    return property.n == 0 ? 0 : property.p[1] - '0' + 1;
}
