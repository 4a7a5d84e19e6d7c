#pragma once
#include "base/slice.h"
#include "source/source.h"

#include <stdint.h>

/* Partitions that are not to be asked for again before some time: the service has throttled their
 * reader, or a message in them cannot be placed. Whoever opens a reader of one waits by itself, so
 * that no owner can be hasty. */

struct pauses;
struct random;

/* `random` is borrowed. */
struct pauses *pauses_create(struct random *random);
void pauses_free(struct pauses *pauses);

/* A reader of `partition` has ended so; most ends ask for no pause. */
void pauses_add(struct pauses *pauses, struct slice partition, enum source_end end, int64_t now_us);

/* When the partition may be asked for; the past if nothing speaks against it. */
int64_t pauses_until(const struct pauses *pauses, struct slice partition);

/* How long to wait after being throttled for the `strikes`th time in a row (0: the first). At
 * least half of a time that doubles up to a cap; the rest is chance. */
int64_t pauses_busy_us(unsigned strikes, struct random *random);

/* Refusals of a whole hub, in a row; begins as zero. */
struct refused {
    unsigned strikes;
    int64_t until_us;
};

/* The hub has refused a connection, or ended one so: how long to wait before the next. Coming up
 * in between does not count as the end of it, time does. */
int64_t pauses_refused_us(struct refused *refused, int64_t now_us, struct random *random);
