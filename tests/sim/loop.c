#include "world.h"

#include "base/memory.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

/* libevent as far as a node uses it: timers and activation. These functions stand before those of
 * the library when the program is linked. */

enum { PENDING_MAX = 64 };

struct pending {
    struct event *event;
    uint64_t stamp; /* what is on its way for an earlier arming does nothing */
    bool active;    /* not a timer: it runs in this turn */
};

struct timers {
    struct pending list[PENDING_MAX];
    size_t n;
    uint64_t stamp;
    struct event *urgent; /* the one with the first priority */
};

struct timers *timers_create(void)
{
    return xcalloc(1, sizeof(struct timers));
}

void timers_free(struct timers *timers)
{
    free(timers);
}

static struct timers *mine(void)
{
    return the_world->nodes[the_world->running].timers;
}

static struct pending *find(struct timers *t, const struct event *event)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->list[i].event == event)
            return &t->list[i];
    return NULL;
}

static void forget(struct timers *t, const struct event *event)
{
    struct pending *pending = find(t, event);
    if (pending != NULL)
        *pending = t->list[--t->n];
}

static struct pending *arm(struct timers *t, struct event *event, int64_t at_us);

static void call(struct event *event)
{
    event->ev_evcallback.evcb_cb_union.evcb_callback(-1, EV_TIMEOUT, event->ev_evcallback.evcb_arg);
}

static int64_t interval_of(const struct event *event)
{
    return event->ev_timeout.tv_sec * 1000000 + event->ev_timeout.tv_usec;
}

static void fire(struct timers *t, struct event *event)
{
    struct world *w = the_world;
    forget(t, event);
    if (event->ev_events & EV_PERSIST)
        arm(t, event, w->now_us + node_span(w, w->running, interval_of(event)));
    call(event);
}

static void on_due(void *ctx, uint64_t stamp)
{
    struct timers *t = mine();
    const struct pending *pending = find(t, ctx);
    if (pending != NULL && pending->stamp == stamp)
        fire(t, ctx);
}

static struct pending *arm(struct timers *t, struct event *event, int64_t at_us)
{
    struct world *w = the_world;
    struct pending *pending = find(t, event);
    if (pending == NULL) {
        if (t->n == PENDING_MAX)
            abort();
        pending = &t->list[t->n++];
        pending->event = event;
    }
    pending->stamp = ++t->stamp;
    pending->active = false;
    world_at(w, at_us, w->running, on_due, NULL, event, pending->stamp);
    return pending;
}

void timers_fire_urgent(struct world *w, int node)
{
    struct timers *t = w->nodes[node].timers;
    if (t->urgent != NULL && find(t, t->urgent) != NULL)
        world_at(w, w->now_us, node, on_due, NULL, t->urgent, find(t, t->urgent)->stamp);
}

/* ---- libevent ----------------------------------------------------------------------------- */

int event_assign(struct event *event, struct event_base *base, evutil_socket_t fd, short what,
                 event_callback_fn callback, void *arg)
{
    *event = (struct event){.ev_fd = fd, .ev_base = base, .ev_events = what};
    event->ev_evcallback.evcb_cb_union.evcb_callback = callback;
    event->ev_evcallback.evcb_arg = arg;
    event->ev_evcallback.evcb_pri = 1;
    return 0;
}

struct event *event_new(struct event_base *base, evutil_socket_t fd, short what,
                        event_callback_fn callback, void *arg)
{
    struct event *event = xcalloc(1, sizeof *event);
    event_assign(event, base, fd, what, callback, arg);
    return event;
}

void event_free(struct event *event)
{
    event_del(event);
    if (mine()->urgent == event)
        mine()->urgent = NULL;
    free(event);
}

int event_priority_set(struct event *event, int priority)
{
    event->ev_evcallback.evcb_pri = (unsigned char)priority;
    if (priority == 0)
        mine()->urgent = event;
    return 0;
}

int event_add(struct event *event, const struct timeval *after)
{
    struct world *w = the_world;
    const struct pending *pending = find(mine(), event);
    event->ev_timeout = *after;
    if (pending == NULL || !pending->active)
        arm(mine(), event, w->now_us + node_span(w, w->running, interval_of(event)));
    return 0;
}

int event_del(struct event *event)
{
    forget(mine(), event);
    return 0;
}

void event_active(struct event *event, int what, short calls)
{
    (void)what;
    (void)calls;
    const struct pending *pending = find(mine(), event);
    if (pending == NULL || !pending->active)
        arm(mine(), event, the_world->now_us)->active = true;
}

int event_pending(const struct event *event, short what, struct timeval *when)
{
    (void)what;
    (void)when;
    return find(mine(), event) != NULL ? EV_TIMEOUT : 0;
}
