#include "world.h"

#include "base/log.h"
#include "base/memory.h"
#include "checks.h"
#include "node/node.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct world *the_world;

/* ---- what happens next -------------------------------------------------------------------- */

static bool is_before(const struct entry *a, const struct entry *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void push(struct world *w, const struct entry *entry)
{
    if (w->heap_n == w->heap_capacity) {
        w->heap_capacity = w->heap_capacity ? w->heap_capacity * 2 : 1024;
        w->heap = xrealloc(w->heap, w->heap_capacity * sizeof *w->heap);
    }
    size_t i = w->heap_n++;
    for (; i > 0 && is_before(entry, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = *entry;
}

static struct entry pop(struct world *w)
{
    struct entry first = w->heap[0], last = w->heap[--w->heap_n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heap_n)
            break;
        if (child + 1 < w->heap_n && is_before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!is_before(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    if (w->heap_n > 0)
        w->heap[i] = last;
    return first;
}

void world_at(struct world *w, int64_t at_us, int node, happening run, happening drop, void *ctx,
              uint64_t number)
{
    push(w, &(struct entry){.at_us = at_us > w->now_us ? at_us : w->now_us,
                            .order = w->order++,
                            .node = node,
                            .life = node == NOWHERE ? 0 : w->nodes[node].life,
                            .run = run,
                            .drop = drop,
                            .ctx = ctx,
                            .number = number});
}

static void append(struct entry **list, size_t *n, size_t *capacity, const struct entry *entry)
{
    if (*n == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 16;
        *list = xrealloc(*list, *capacity * sizeof **list);
    }
    (*list)[(*n)++] = *entry;
}

void world_send(struct world *w, int node, happening run, happening drop, void *ctx,
                uint64_t number)
{
    if (w->running != node) {
        run(ctx, number);
        return;
    }
    struct sim_node *n = &w->nodes[node];
    struct entry entry = {.node = node, .run = run, .drop = drop, .ctx = ctx, .number = number};
    append(&n->outbox, &n->outbox_n, &n->outbox_capacity, &entry);
}

static void drop_entry(const struct entry *entry)
{
    if (entry->drop != NULL)
        entry->drop(entry->ctx, entry->number);
}

/* What was sent by a callback leaves the process; all of it, or what a fault lets through. */
static void flush(struct world *w, struct sim_node *n)
{
    size_t sent = 0, count = n->outbox_n;
    if (count == 0)
        return;
    size_t let_through = count;
    if (n->cut != CUT_NONE)
        let_through = (size_t)world_between(w, 0, (int64_t)count - 1);
    w->running = NOWHERE;
    for (; sent < let_through; sent++)
        n->outbox[sent].run(n->outbox[sent].ctx, n->outbox[sent].number);
    for (size_t i = sent; i < count; i++) {
        struct entry *entry = &n->outbox[i];
        if (n->cut == CUT_KILL)
            drop_entry(entry);
        else
            world_at(w, w->now_us + n->cut_stop_us, NOWHERE, entry->run, entry->drop, entry->ctx,
                     entry->number);
    }
    n->outbox_n = 0;
    if (n->cut == CUT_STOP) {
        world_trace(w, "%s stopped in the middle of a callback: %zu of %zu messages left", n->name,
                    let_through, count);
        n->cut = CUT_NONE;
        node_pause(w, n->index);
    } else if (n->cut == CUT_KILL) {
        world_trace(w, "%s killed in the middle of a callback: %zu of %zu messages left", n->name,
                    let_through, count);
        n->cut = CUT_NONE;
        node_kill(w, n->index);
    }
}

static void run_entry(struct world *w, const struct entry *entry)
{
    w->steps++;
    if (entry->node == NOWHERE) {
        w->running = NOWHERE;
        entry->run(entry->ctx, entry->number);
        return;
    }
    struct sim_node *n = &w->nodes[entry->node];
    w->running = entry->node;
    entry->run(entry->ctx, entry->number);
    w->running = NOWHERE;
    flush(w, n);
}

static void dispatch(struct world *w, const struct entry *entry)
{
    if (entry->node != NOWHERE) {
        struct sim_node *n = &w->nodes[entry->node];
        if (n->node == NULL || n->life != entry->life) {
            drop_entry(entry);
            return;
        }
        if (n->stopped) {
            append(&n->backlog, &n->backlog_n, &n->backlog_capacity, entry);
            return;
        }
    }
    run_entry(w, entry);
}

void world_run(struct world *w)
{
    while (!w->failed && w->heap_n > 0 && w->heap[0].at_us <= w->end_us) {
        struct entry entry = pop(w);
        w->now_us = entry.at_us;
        dispatch(w, &entry);
    }
}

/* ---- chance ------------------------------------------------------------------------------- */

int64_t world_between(struct world *w, int64_t low, int64_t high)
{
    return high <= low ? low : low + (int64_t)random_below(&w->random, (uint64_t)(high - low) + 1);
}

bool world_chance(struct world *w, int percent)
{
    return world_between(w, 1, 100) <= percent;
}

int64_t world_latency(struct world *w, int node)
{
    int64_t span = world_chance(w, 5) ? world_between(w, 1000, 20000) : world_between(w, 50, 800);
    return node == NOWHERE || w->nodes[node].slow == 0 ? span : span * w->nodes[node].slow;
}

/* ---- telling ------------------------------------------------------------------------------ */

void world_trace(struct world *w, const char *format, ...)
{
    va_list args;
    if (w->trace == NULL)
        return;
    va_start(args, format);
    (void)fprintf(w->trace, "%10.6f  ", (double)w->now_us / 1e6);
    (void)vfprintf(w->trace, format, args);
    (void)fputc('\n', w->trace);
    va_end(args);
}

void world_fail(struct world *w, const char *format, ...)
{
    va_list args;
    if (w->failed)
        return;
    w->failed = true;
    va_start(args, format);
    (void)vsnprintf(w->failure, sizeof w->failure, format, args);
    va_end(args);
    world_trace(w, "FAILED %s", w->failure);
}

/* ---- clocks ------------------------------------------------------------------------------- */

int64_t node_clock(const struct world *w, int node)
{
    const struct sim_node *n = &w->nodes[node];
    return n->clock_offset_us + w->now_us + w->now_us / 1000000 * n->clock_ppm +
           w->now_us % 1000000 * n->clock_ppm / 1000000;
}

int64_t node_span(const struct world *w, int node, int64_t span_us)
{
    return span_us - span_us * w->nodes[node].clock_ppm / 1000000;
}

/* The linker puts these in the place of those of src/base (see CMakeLists.txt). */
int64_t __wrap_clock_now_us(void);
int64_t __wrap_clock_wall_us(void);
int64_t __wrap_clock_cpu_us(void);
void __wrap_random_secret(void *bytes, size_t n);

int64_t __wrap_clock_now_us(void)
{
    const struct world *w = the_world;
    return w->running == NOWHERE ? w->now_us : node_clock(w, w->running);
}

int64_t __wrap_clock_wall_us(void)
{
    return the_world->now_us;
}

int64_t __wrap_clock_cpu_us(void)
{
    return the_world->now_us;
}

void __wrap_random_secret(void *bytes, size_t n)
{
    for (char *to = bytes; n > 0; n--)
        *to++ = (char)random_next(&the_world->random);
}

/* ---- processes ---------------------------------------------------------------------------- */

static void on_exit_due(void *ctx, uint64_t life)
{
    const struct sim_node *n = ctx;
    if (n->life == life)
        node_kill(the_world, n->index);
}

static void on_finished(void *ctx)
{
    struct sim_node *n = ctx;
    n->leaving = true;
    world_trace(the_world, "%s has left", n->name);
    world_at(the_world, the_world->now_us, NOWHERE, on_exit_due, NULL, n, n->life);
}

bool node_is_there(const struct world *w, int node)
{
    return w->nodes[node].node != NULL;
}

void node_begin(struct world *w, int node)
{
    struct sim_node *n = &w->nodes[node];
    if (n->node != NULL)
        return;
    n->life++;
    n->stopped = n->leaving = false;
    n->leaves_us = 0;
    n->clock_offset_us = world_between(w, 1000000, 1000000000);
    n->clock_ppm = world_between(w, -2000, 2000);
    n->timers = timers_create();
    if (w->trace != NULL)
        n->log = log_open(w->trace, LOG_LOGFMT, LOG_DEBUG, n->name);
    struct node_config config = {.database = "host=db0,db1",
                                 .name = n->name,
                                 .ttl_ms = w->ttl_ms,
                                 .capacity = 100,
                                 .drain_ms = 4 * w->ttl_ms,
                                 .autonomy_ms = 900000,
                                 .schema_version = 1,
                                 .schema_digest = "model"};
    world_trace(w, "%s begins", n->name);
    w->running = node;
    n->node = node_start(NULL, NULL, &config, n->log, on_finished, n);
    w->running = NOWHERE;
    flush(w, n);
}

void node_kill(struct world *w, int node)
{
    struct sim_node *n = &w->nodes[node];
    struct node *process = n->node;
    if (process == NULL)
        return;
    n->cut = CUT_NONE;
    n->node = NULL;
    w->running = node;
    node_free(process);
    w->running = NOWHERE;
    n->stopped = false;
    for (size_t i = 0; i < n->outbox_n; i++)
        drop_entry(&n->outbox[i]);
    for (size_t i = 0; i < n->backlog_n; i++)
        drop_entry(&n->backlog[i]);
    n->outbox_n = n->backlog_n = 0;
    timers_free(n->timers);
    n->timers = NULL;
    log_close(n->log);
    n->log = NULL;
    n->life++;
}

void node_pause(struct world *w, int node)
{
    struct sim_node *n = &w->nodes[node];
    if (n->node == NULL || n->stopped)
        return;
    n->stopped = true;
    n->stopped_us = w->now_us;
}

/* Hands back what has waited. What had been due when the process was stopped may have been picked
 * by the loop already, and then runs before the loop looks at its timers again. */
void node_continue(struct world *w, int node)
{
    struct sim_node *n = &w->nodes[node];
    if (n->node == NULL || !n->stopped)
        return;
    n->stopped = false;
    check_woken(w, node, w->now_us - n->stopped_us);
    size_t count = n->backlog_n, picked = 0;
    struct entry *backlog = n->backlog;
    uint32_t life = n->life;
    n->backlog = NULL;
    n->backlog_n = n->backlog_capacity = 0;
    if (world_chance(w, 50))
        while (picked < count && backlog[picked].at_us <= n->stopped_us + WORLD_BATCH_US)
            picked++;
    for (size_t i = 0; i < picked; i++)
        dispatch(w, &backlog[i]);
    if (n->node != NULL && n->life == life && !n->stopped)
        timers_fire_urgent(w, node);
    for (size_t i = picked; i < count; i++) {
        struct entry *entry = &backlog[i];
        if (n->life == life)
            world_at(w, w->now_us, node, entry->run, entry->drop, entry->ctx, entry->number);
        else
            drop_entry(entry);
    }
    free(backlog);
}

void node_leave(struct world *w, int node)
{
    struct sim_node *n = &w->nodes[node];
    if (n->node == NULL || n->stopped)
        return;
    if (n->leaves_us == 0) /* a second signal gives it no more time */
        n->leaves_us = w->now_us;
    w->running = node;
    node_stop(n->node);
    w->running = NOWHERE;
    flush(w, n);
}

/* ---- beginning and end -------------------------------------------------------------------- */

void world_init(struct world *w, uint64_t seed, FILE *trace)
{
    *w = (struct world){.seed = seed, .trace = trace, .running = NOWHERE, .end_us = INT64_MAX};
    random_seed(&w->random, seed);
    for (int i = 0; i < WORLD_NODES; i++) {
        w->nodes[i].index = i;
        (void)snprintf(w->nodes[i].name, sizeof w->nodes[i].name, "n%d", i);
    }
    the_world = w;
}

void world_free(struct world *w)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        node_kill(w, i);
        free(w->nodes[i].backlog);
        free(w->nodes[i].outbox);
    }
    while (w->heap_n > 0) {
        struct entry entry = pop(w);
        drop_entry(&entry);
    }
    free(w->heap);
}
