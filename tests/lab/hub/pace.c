#include "hub/pace.h"

#include "base/clock.h"
#include "base/memory.h"
#include "hub/hub.h"
#include "hub/reader.h"

#include <stdlib.h>
#include <utlist.h>

enum {
    TICK_US = 5000,
    TURN_AT_RATE = 20000, /* events in one turn, when the loop has fallen behind the rate */
    TURN_FREE = 2000,     /* events in one turn at rate 0: short, so that sending interleaves */
    BACKLOG = 5000        /* how far a reader may be behind before rate 0 waits for it */
};

struct pace {
    struct hub *hub;
    pace_make make;
    void *arg;
    struct event *timer;
    double rate;
    int64_t events;
    int64_t made;
    int64_t started_us;
    int64_t ends_us;
    bool running;
};

static void sleep_till_next(struct pace *pace, bool made_some)
{
    bool free_run = pace->rate <= 0 && made_some;
    struct timeval wait = {0, free_run ? 0 : TICK_US};
    (void)evtimer_add(pace->timer, &wait);
}

/* Whether a reader has fallen far behind. */
static bool readers_behind(const struct hub *hub)
{
    for (int i = 0; i < hub->options.partitions; i++) {
        const struct partition *p = &hub->partitions[i];
        const struct reader *r;
        DL_FOREACH(p->readers, r)
        {
            if (partition_log_next(p->log) - r->position > BACKLOG)
                return true;
        }
    }
    return false;
}

static int64_t due(const struct pace *pace, int64_t now_us)
{
    int64_t n;
    if (pace->rate > 0) {
        int64_t till_us = now_us < pace->ends_us ? now_us : pace->ends_us;
        double whole = (double)(till_us - pace->started_us) * pace->rate / 1e6;
        n = (int64_t)whole - pace->made;
        n = n > TURN_AT_RATE ? TURN_AT_RATE : n;
    } else {
        n = readers_behind(pace->hub) ? 0 : TURN_FREE;
    }
    if (pace->events > 0 && n > pace->events - pace->made)
        n = pace->events - pace->made;
    return n > 0 ? n : 0;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct pace *pace = arg;
    int64_t now_us = clock_now_us();
    int64_t n = due(pace, now_us);
    int64_t made = n > 0 ? pace->make(pace->arg, n) : 0;
    pace->made += made;
    bool late = now_us >= pace->ends_us && (pace->rate <= 0 || due(pace, now_us) == 0);
    if (made < n || late || (pace->events > 0 && pace->made >= pace->events))
        pace->running = false;
    if (pace->running)
        sleep_till_next(pace, made > 0);
    if (made > 0)
        hub_appended(pace->hub);
}

struct pace *pace_open(struct hub *hub, pace_make make, void *arg)
{
    struct pace *pace = xcalloc(1, sizeof *pace);
    pace->hub = hub;
    pace->make = make;
    pace->arg = arg;
    pace->timer = evtimer_new(hub->loop, on_tick, pace);
    if (pace->timer == NULL)
        abort();
    return pace;
}

void pace_close(struct pace *pace)
{
    event_free(pace->timer);
    free(pace);
}

void pace_start(struct pace *pace, double rate, int64_t events, double seconds)
{
    pace->rate = rate;
    pace->events = events;
    pace->made = 0;
    pace->started_us = clock_now_us();
    pace->ends_us = seconds > 0 ? pace->started_us + (int64_t)(seconds * 1e6) : INT64_MAX;
    pace->running = true;
    sleep_till_next(pace, true);
}

void pace_stop(struct pace *pace)
{
    pace->running = false;
    (void)evtimer_del(pace->timer);
}

bool pace_running(const struct pace *pace)
{
    return pace->running;
}
