#include "source/eventhubs/pauses.h"

#include "base/memory.h"
#include "base/random.h"
#include "source/eventhubs/limits.h"

#include <stdlib.h>
#include <uthash.h>

struct pause {
    char *partition;
    int64_t until_us;
    unsigned strikes; /* in a row */
    UT_hash_handle hh;
};

struct pauses {
    struct random *random;
    struct pause *by_partition;
};

struct pauses *pauses_create(struct random *random)
{
    struct pauses *pauses = xcalloc(1, sizeof *pauses);
    pauses->random = random;
    return pauses;
}

void pauses_free(struct pauses *pauses)
{
    struct pause *pause, *next;
    HASH_ITER(hh, pauses->by_partition, pause, next)
    {
        HASH_DEL(pauses->by_partition, pause);
        free(pause->partition);
        free(pause);
    }
    free(pauses);
}

/* At least half of a time that doubles up to the cap; the rest is chance. */
static int64_t doubled_us(int64_t base_us, int64_t cap_us, unsigned strikes, struct random *random)
{
    int64_t most_us = cap_us;
    if (strikes < 8 && (base_us << strikes) < most_us)
        most_us = base_us << strikes;
    return most_us / 2 + (int64_t)random_below(random, (uint64_t)most_us / 2);
}

int64_t pauses_busy_us(unsigned strikes, struct random *random)
{
    return doubled_us(EVENTHUBS_BUSY_BASE_US, EVENTHUBS_BUSY_CAP_US, strikes, random);
}

int64_t pauses_refused_us(struct refused *refused, int64_t now_us, struct random *random)
{
    if (refused->strikes > 0 && now_us - refused->until_us > EVENTHUBS_REFUSED_FORGET_US)
        refused->strikes = 0;
    int64_t wait_us =
        doubled_us(EVENTHUBS_REFUSED_BASE_US, EVENTHUBS_REFUSED_CAP_US, refused->strikes++, random);
    refused->until_us = now_us + wait_us;
    return wait_us;
}

static struct pause *find(const struct pauses *pauses, struct slice partition)
{
    struct pause *pause;
    HASH_FIND(hh, pauses->by_partition, partition.p, partition.n, pause);
    return pause;
}

void pauses_add(struct pauses *pauses, struct slice partition, enum source_end end, int64_t now_us)
{
    if (end != SOURCE_END_BUSY && end != SOURCE_END_BAD_MESSAGE)
        return;
    struct pause *pause = find(pauses, partition);
    if (pause == NULL) {
        pause = xcalloc(1, sizeof *pause);
        pause->partition = xstrndup(partition.p, partition.n);
        HASH_ADD_KEYPTR(hh, pauses->by_partition, pause->partition, partition.n, pause);
    }
    if (now_us - pause->until_us > EVENTHUBS_BUSY_FORGET_US)
        pause->strikes = 0;
    int64_t wait_us =
        end == SOURCE_END_BUSY
            ? pauses_busy_us(pause->strikes++, pauses->random)
            : EVENTHUBS_BAD_MESSAGE_LEAST_US +
                  (int64_t)random_below(pauses->random, EVENTHUBS_BAD_MESSAGE_JITTER_US);
    pause->until_us = now_us + wait_us;
}

int64_t pauses_until(const struct pauses *pauses, struct slice partition)
{
    const struct pause *pause = find(pauses, partition);
    return pause != NULL ? pause->until_us : INT64_MIN;
}
