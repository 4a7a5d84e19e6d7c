#include "hub_state.h"

#include "base/memory.h"
#include "checks.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- to the client ------------------------------------------------------------------------ */

void reader_unref(struct model_reader *r)
{
    if (--r->references > 0)
        return;
    free(r->fifo);
    free(r);
}

void reader_drop(void *ctx, uint64_t number)
{
    (void)number;
    reader_unref(ctx);
}

void reader_ended(struct model_reader *r, enum source_end end)
{
    struct model_source *source = r->source;
    struct error why;
    error_set(&why, "the model ends the reader: %s", source_end_name(end));
    if (end != SOURCE_END_CLOSED && end != SOURCE_END_LOST && end != SOURCE_END_BUSY)
        check_disturbed(the_world, r->token);
    if (end == SOURCE_END_STOLEN)
        check_stolen(the_world, r->token);
    DL_DELETE(source->readers, r);
    r->source = NULL;
    source->handlers.ended(source->ctx, r->ctx, r->stopping ? SOURCE_END_CLOSED : end, &why);
    reader_unref(r);
}

static size_t write_body(const struct model_reader *r, const struct hub_event *event,
                         int64_t sequence, char *to, size_t size)
{
    size_t n = 0;
    if (event->kind == EVENT_UNPARSABLE)
        return (size_t)snprintf(to, size, "{broken");
    n += (size_t)snprintf(to, size, "{");
    int rows = event->kind == EVENT_UNBOUND ? 1 : event->rows;
    for (int i = 0; i < rows; i++) {
        struct hub_value value = {r->log, r->partition, i, r->number, sequence};
        n += (size_t)snprintf(to + n, size - n, "%s\"p%d\":%llu", i > 0 ? "," : "", i,
                              (unsigned long long)hub_encode(&value));
    }
    return n + (size_t)snprintf(to + n, size - n, "}");
}

static void message(struct model_reader *r, int64_t sequence)
{
    struct world *w = the_world;
    struct hub_event event = hub_event(w, r->log, r->partition, sequence);
    char body[256], device[24], offset[24];
    (void)snprintf(device, sizeof device, "%c%d-%d", event.kind == EVENT_UNBOUND ? 'u' : 'd',
                   r->hub, event.device);
    hub_offset(sequence, offset, sizeof offset);
    size_t n = write_body(r, &event, sequence, body, sizeof body);
    struct source_message m = {.body = {body, n},
                               .device = slice_from(device),
                               .offset = slice_from(offset),
                               .sequence = sequence,
                               .enqueued_ms = 1700000000000 + sequence,
                               .last_sequence = sequence,
                               .last_enqueued_ms = 1700000000000 + sequence,
                               .wire_bytes = n + 60};
    r->source->handlers.message(r->source->ctx, r->ctx, &m);
}

static bool is_cut(const struct model_reader *r)
{
    return the_world->nodes[r->node].cut_off_hub > 0;
}

/* The next of what is on its way arrives. */
static void on_arrival(void *ctx, uint64_t number)
{
    struct model_reader *r = ctx;
    struct world *w = the_world;
    (void)number;
    if (r->source == NULL || r->fifo_n == 0) {
        reader_unref(r);
        return;
    }
    if (is_cut(r)) {
        world_at(w, w->now_us + RETRY_US, r->node, on_arrival, reader_drop, r, 0);
        return;
    }
    int64_t item = r->fifo[0];
    if (item > 0 && r->held && !r->stopping) {
        reader_unref(r);
        return;
    }
    memmove(r->fifo, r->fifo + 1, --r->fifo_n * sizeof *r->fifo);
    if (item < 0)
        reader_ended(r, (enum source_end)(-1 - item));
    else if (item == OPENED && !r->stopping)
        r->source->handlers.opened(r->source->ctx, r->ctx);
    else if (!r->stopping)
        message(r, item);
    reader_unref(r);
}

void reader_trigger(struct model_reader *r, int64_t at_us)
{
    r->references++;
    world_at(the_world, at_us, r->node, on_arrival, reader_drop, r, 0);
}

void reader_send(struct model_reader *r, int64_t item)
{
    struct world *w = the_world;
    if (r->source == NULL || w->nodes[r->node].life != r->life)
        return;
    if (r->fifo_n == r->fifo_capacity) {
        r->fifo_capacity = r->fifo_capacity ? r->fifo_capacity * 2 : 16;
        r->fifo = xrealloc(r->fifo, r->fifo_capacity * sizeof *r->fifo);
    }
    r->fifo[r->fifo_n++] = item;
    int64_t at = w->now_us + world_latency(w, r->node);
    if (at <= r->arrival_us)
        at = r->arrival_us + 1;
    r->arrival_us = at;
    reader_trigger(r, at);
}

/* ---- at the hub --------------------------------------------------------------------------- */

void reader_detach(struct model_reader *r)
{
    struct hub *hub = &the_world->hubs->hubs[r->hub];
    if (!r->attached)
        return;
    r->attached = false;
    DL_DELETE2(hub->attached[r->partition], r, prev_reader, next_reader);
    reader_unref(r);
}

static void pump(struct model_reader *r)
{
    const struct hub *hub = &the_world->hubs->hubs[r->hub];
    while (r->attached && r->credit > 0 && r->place <= hub->tail[r->partition]) {
        r->credit--;
        reader_send(r, r->place++);
    }
}

/* Where it begins to read; false when the log has no such place. */
static bool find_position(struct model_reader *r, const struct hub *hub)
{
    int64_t tail = hub->tail[r->partition];
    r->place = 1;
    if (r->position.kind == SOURCE_AT_LATEST)
        r->place = tail + 1;
    if (r->position.kind != SOURCE_AFTER_OFFSET)
        return true;
    r->place = strtoll(r->offset, NULL, 10) / 100 + 1;
    return r->place <= tail + 1;
}

/* The equal or higher epoch wins; with nobody attached any epoch is let in. */
static bool let_in(struct model_reader *r, struct hub *hub)
{
    struct model_reader *other, *after;
    DL_FOREACH2(hub->attached[r->partition], other, next_reader)
    {
        if (other->token > r->token)
            return false;
    }
    DL_FOREACH_SAFE2(hub->attached[r->partition], other, after, next_reader)
    {
        reader_send(other, -1 - (int64_t)SOURCE_END_STOLEN);
        reader_detach(other);
    }
    return true;
}

void reader_on_attach(void *ctx, uint64_t connection)
{
    struct model_reader *r = ctx;
    struct hubs_model *h = the_world->hubs;
    struct hub *hub = &h->hubs[r->hub];
    if (r->source == NULL || r->source->connection != connection || hub->down) {
        reader_send(r, -1 - (int64_t)SOURCE_END_LOST);
    } else if (is_cut(r)) {
        world_at(the_world, the_world->now_us + RETRY_US, NOWHERE, reader_on_attach, reader_drop, r,
                 connection);
        return;
    } else if (hub->refuses[r->node]) {
        reader_send(r, -1 - (int64_t)SOURCE_END_REFUSED);
    } else if (world_chance(the_world, hub->busy)) {
        reader_send(r, -1 - (int64_t)SOURCE_END_BUSY);
    } else if (!let_in(r, hub)) {
        reader_send(r, -1 - (int64_t)SOURCE_END_STOLEN);
    } else if (!find_position(r, hub)) {
        reader_send(r, -1 - (int64_t)SOURCE_END_BAD_OFFSET);
    } else {
        r->attached = true;
        r->references++;
        r->log = hub->log;
        r->number = ++h->readers;
        DL_APPEND2(hub->attached[r->partition], r, prev_reader, next_reader);
        world_trace(the_world, "hub h%d: n%d reads partition %d from %lld with token %lld", r->hub,
                    r->node, r->partition, (long long)r->place, (long long)r->token);
        check_attached(the_world, r->number, r->node, r->life, r->token, r->log, r->partition);
        reader_send(r, OPENED);
        pump(r);
    }
    reader_unref(r);
}

void reader_on_credit(void *ctx, uint64_t more)
{
    struct model_reader *r = ctx;
    r->credit += (uint32_t)more;
    pump(r);
    reader_unref(r);
}

void reader_on_detach(void *ctx, uint64_t number)
{
    struct model_reader *r = ctx;
    (void)number;
    reader_detach(r);
    reader_send(r, -1 - (int64_t)SOURCE_END_CLOSED);
    reader_unref(r);
}

/* ---- the hubs ----------------------------------------------------------------------------- */

static int new_log(struct hubs_model *h)
{
    for (int i = 0; i < HUB_PARTITIONS; i++)
        h->clean_from[h->logs][i] = INT64_MAX;
    return h->logs++;
}

struct hubs_model *hubs_model_create(struct world *w, int partitions)
{
    struct hubs_model *h = xcalloc(1, sizeof *h);
    h->world = w;
    h->partitions = partitions;
    for (int i = 0; i < HUBS; i++)
        h->hubs[i].log = new_log(h);
    return h;
}

void hubs_model_free(struct hubs_model *h)
{
    for (int i = 0; i < HUBS; i++)
        for (int k = 0; k < HUB_PARTITIONS; k++)
            while (h->hubs[i].attached[k] != NULL)
                reader_detach(h->hubs[i].attached[k]);
    free(h);
}

int hub_log(const struct hubs_model *h, int hub)
{
    return h->hubs[hub].log;
}

void hubs_fix_due(struct hubs_model *h)
{
    for (int i = 0; i < HUBS; i++)
        memcpy(h->hubs[i].due, h->hubs[i].tail, sizeof h->hubs[i].due);
}

int64_t hub_due(const struct hubs_model *h, int hub, int partition)
{
    return h->hubs[hub].due[partition];
}

int hub_partitions(const struct hubs_model *h)
{
    return h->partitions;
}

void hubs_produce(struct hubs_model *h, int hub, int partition, int count)
{
    struct model_reader *r, *after;
    h->hubs[hub].tail[partition] += count;
    DL_FOREACH_SAFE2(h->hubs[hub].attached[partition], r, after, next_reader)
    {
        pump(r);
    }
}

void hubs_become_clean(struct hubs_model *h)
{
    for (int i = 0; i < HUBS; i++)
        for (int k = 0; k < HUB_PARTITIONS; k++)
            h->clean_from[h->hubs[i].log][k] = h->hubs[i].tail[k] + 1;
}

void hub_drop(struct hubs_model *h, int hub, int node)
{
    struct model_source *source, *after;
    DL_FOREACH_SAFE(h->hubs[hub].sources, source, after)
    {
        if (node == NOWHERE || source->node == node)
            source_hang_up(source);
    }
}

void hub_set_down(struct hubs_model *h, int hub, bool down)
{
    h->hubs[hub].down = down;
    if (down)
        hub_drop(h, hub, NOWHERE);
}

void hub_set_busy(struct hubs_model *h, int hub, int percent)
{
    h->hubs[hub].busy = percent;
}

void hub_set_refusing(struct hubs_model *h, int hub, int node, bool refuses)
{
    h->hubs[hub].refuses[node] = refuses;
    if (refuses)
        hub_drop(h, hub, node);
}

void hub_recreate(struct hubs_model *h, int hub)
{
    if (h->logs == HUB_LOGS)
        return;
    world_trace(h->world, "hub h%d is created anew", hub);
    h->hubs[hub].log = new_log(h);
    memset(h->hubs[hub].tail, 0, sizeof h->hubs[hub].tail);
    hub_drop(h, hub, NOWHERE);
}
