#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Since when a destination has taken nothing although something waits for it, and whether that has
 * lasted so long that it is called failed. A failed destination loses nothing and is tried less
 * often; whatever it takes ends that. All zero is one that works. */
struct outage {
    int64_t since_us; /* 0: nothing waits in vain */
    bool failed;
};

/* A value was taken, or an administrator says that it works again. True if it had failed. */
bool outage_end(struct outage *o);
/* From time to time. `waiting`: values wait for it. True if it has failed just now. */
bool outage_look(struct outage *o, bool waiting, int64_t failed_after_us, int64_t now_us);
