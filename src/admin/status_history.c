#include "admin/status_history.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A ring: the point of step n stands at n % HISTORY_POINTS. -1: a gap. */
struct series {
    int64_t points[HISTORY_POINTS];
};

struct partition {
    char *key; /* hub, a line feed (which no name has), partition */
    struct series lag;
    uint64_t put_at; /* the step of its last point */
    UT_hash_handle hh;
};

struct status_history {
    struct series series[HISTORY_SERIES];
    struct partition *partitions;
    uint64_t step; /* the present one */
};

static void clear(struct series *s)
{
    for (size_t i = 0; i < HISTORY_POINTS; i++)
        s->points[i] = -1;
}

static void read_ring(const struct series *s, uint64_t step, int64_t points[HISTORY_POINTS])
{
    for (size_t i = 0; i < HISTORY_POINTS; i++)
        points[i] = s->points[(step + 1 + i) % HISTORY_POINTS];
}

struct status_history *status_history_create(void)
{
    struct status_history *h = xcalloc(1, sizeof *h);
    for (size_t i = 0; i < HISTORY_SERIES; i++)
        clear(&h->series[i]);
    return h;
}

static void forget(struct status_history *h, struct partition *p)
{
    HASH_DEL(h->partitions, p);
    free(p->key);
    free(p);
}

void status_history_free(struct status_history *h)
{
    if (h == NULL)
        return;
    struct partition *p, *next;
    HASH_ITER(hh, h->partitions, p, next)
    {
        forget(h, p);
    }
    free(h);
}

void status_history_step(struct status_history *h)
{
    struct partition *p, *next;
    h->step++;
    for (size_t i = 0; i < HISTORY_SERIES; i++)
        h->series[i].points[h->step % HISTORY_POINTS] = -1;
    HASH_ITER(hh, h->partitions, p, next)
    {
        p->lag.points[h->step % HISTORY_POINTS] = -1;
        if (h->step - p->put_at >= HISTORY_POINTS)
            forget(h, p);
    }
}

void status_history_put(struct status_history *h, enum history_series series, int64_t value)
{
    h->series[series].points[h->step % HISTORY_POINTS] = value < 0 ? -1 : value;
}

static struct partition *find(const struct status_history *h, const char *key)
{
    struct partition *p;
    HASH_FIND_STR(h->partitions, key, p);
    return p;
}

static char *key_of(const char *hub, const char *partition)
{
    return xasprintf("%s\n%s", hub, partition);
}

void status_history_put_partition(struct status_history *h, const char *hub, const char *partition,
                                  int64_t lag_ms)
{
    char *key = key_of(hub, partition);
    struct partition *p = find(h, key);
    if (lag_ms < 0 || (p == NULL && HASH_COUNT(h->partitions) >= HISTORY_PARTITIONS_CEILING)) {
        free(key);
        return;
    }
    if (p == NULL) {
        p = xcalloc(1, sizeof *p);
        p->key = key;
        clear(&p->lag);
        HASH_ADD_KEYPTR(hh, h->partitions, p->key, strlen(p->key), p);
    } else {
        free(key);
    }
    p->lag.points[h->step % HISTORY_POINTS] = lag_ms;
    p->put_at = h->step;
}

void status_history_get(const struct status_history *h, enum history_series series,
                        int64_t points[HISTORY_POINTS])
{
    read_ring(&h->series[series], h->step, points);
}

bool status_history_get_partition(const struct status_history *h, const char *hub,
                                  const char *partition, int64_t points[HISTORY_POINTS])
{
    char *key = key_of(hub, partition);
    const struct partition *p = find(h, key);
    free(key);
    if (p != NULL)
        read_ring(&p->lag, h->step, points);
    return p != NULL;
}
