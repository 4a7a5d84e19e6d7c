#include "admin/service.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/notify.h"
#include "node/node.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TICK_MS = 250,     /* how soon a change is told */
    REPEAT_MS = 5000,  /* how often it is told anew without one */
    EXTEND_MS = 30000, /* how long the manager waits for the next word before it gives up */
    WATCHDOG_PARTS = 4,
    TEXT_CEILING = 1024
};

enum phase { STARTING, RUNNING, STOPPING };

struct service {
    const struct node *node;
    struct log *log;
    struct notify *notify;
    struct event *tick;
    enum phase phase, told; /* as it is, and as the manager knows it */
    int64_t repeat_us, repeat_at_us;
    bool trusted, deaf; /* as was told; the last word was not taken */
};

/* One line for `systemctl status`. */
static void describe(const struct service *service, bool ready, const char *why,
                     struct buffer *lines)
{
    struct node_snapshot s;
    node_snapshot(service->node, &s);
    (void)buffer_append_text(lines, "STATUS=");
    if (service->phase == STARTING)
        (void)buffer_printf(lines, "starting: %s\n", why);
    else if (service->phase == STOPPING)
        (void)buffer_printf(lines, "stopping: %zu partitions, %zu events in flight\n", s.partitions,
                            s.in_flight);
    else
        (void)buffer_printf(lines,
                            "%s: %zu partitions, %zu events in flight, %lld events per second\n",
                            !ready     ? why
                            : s.leader ? "leading"
                                       : "following",
                            s.partitions, s.in_flight, (long long)s.events_per_second);
}

static void say(struct service *service, bool ready, const char *why)
{
    struct buffer lines;
    buffer_init(&lines, TEXT_CEILING);
    if (service->phase == RUNNING && service->told == STARTING)
        (void)buffer_append_text(&lines, "READY=1\n");
    if (service->phase == STOPPING)
        (void)buffer_append_text(&lines, "STOPPING=1\n");
    /* A database that is away is no reason to kill a node that waits for it, nor is a long drain:
     * as long as the loop turns, the manager's time begins anew. */
    if (service->phase != RUNNING)
        (void)buffer_printf(&lines, "EXTEND_TIMEOUT_USEC=%lld\n", (long long)(EXTEND_MS * MS_US));
    (void)buffer_append_text(&lines, "WATCHDOG=1\n");
    describe(service, ready, why, &lines);
    bool taken = notify_send(service->notify, buffer_text(&lines));
    if (!taken && !service->deaf)
        log_warning(service->log, "the service manager does not take what it is told");
    service->deaf = !taken;
    if (taken)
        service->told = service->phase;
    buffer_free(&lines);
}

/* On the loop at the priority of all I/O, behind the heartbeat: a loop that never gets there is
 * not alive. */
static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct service *service = ctx;
    (void)fd;
    (void)what;
    struct buffer why;
    buffer_init(&why, TEXT_CEILING);
    bool ready = node_ready(service->node, &why);
    if (ready && service->phase == STARTING)
        service->phase = RUNNING;
    int64_t now = clock_now_us();
    if (service->phase != service->told || ready != service->trusted ||
        now >= service->repeat_at_us) {
        say(service, ready, buffer_text(&why));
        service->trusted = ready;
        service->repeat_at_us = now + service->repeat_us;
    }
    buffer_free(&why);
}

struct service *service_start(struct event_base *base, const struct node *node, struct log *log)
{
    const char *address = getenv("NOTIFY_SOCKET");
    if (address == NULL || address[0] == '\0')
        return NULL;
    struct error err;
    struct notify *notify = notify_open(address, &err);
    if (notify == NULL) {
        log_error(log, "the service manager cannot be told anything", &err);
        return NULL;
    }
    struct service *service = xcalloc(1, sizeof *service);
    *service = (struct service){
        .node = node, .log = log, .notify = notify, .repeat_us = REPEAT_MS * MS_US};
    int64_t watchdog =
        notify_watchdog_us(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), getpid());
    if (watchdog > 0 && watchdog / WATCHDOG_PARTS < service->repeat_us)
        service->repeat_us = watchdog / WATCHDOG_PARTS;
    int64_t tick_us = service->repeat_us < TICK_MS * MS_US ? service->repeat_us : TICK_MS * MS_US;
    struct timeval interval = {.tv_usec = (suseconds_t)tick_us};
    service->tick = event_new(base, -1, EV_PERSIST, on_tick, service);
    event_add(service->tick, &interval);
    return service;
}

void service_stopping(struct service *service)
{
    if (service == NULL)
        return;
    service->phase = STOPPING;
    on_tick(-1, 0, service);
}

void service_free(struct service *service)
{
    if (service == NULL)
        return;
    event_free(service->tick);
    notify_close(service->notify);
    free(service);
}
