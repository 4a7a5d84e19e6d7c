#include "hub_state.h"

#include "base/memory.h"
#include "checks.h"
#include "source/eventhubs/eventhubs.h"

#include <stdlib.h>
#include <utlist.h>

/* The node's end of a hub: a kind of source. */

/* ---- from the client ---------------------------------------------------------------------- */

static void travel(void *ctx, happening arrive, uint64_t number)
{
    struct model_reader *r = ctx;
    struct world *w = the_world;
    world_at(w, w->now_us + world_latency(w, r->node), NOWHERE, arrive, reader_drop, r, number);
}

static void send_attach(void *ctx, uint64_t number)
{
    travel(ctx, reader_on_attach, number);
}

static void send_credit(void *ctx, uint64_t number)
{
    travel(ctx, reader_on_credit, number);
}

static void send_detach(void *ctx, uint64_t number)
{
    travel(ctx, reader_on_detach, number);
}

static struct source_reader *model_read(struct source *base, struct slice partition, int64_t token,
                                        struct source_position position, uint32_t credit,
                                        void *reader_ctx)
{
    struct model_source *source = (struct model_source *)(void *)base;
    struct model_reader *r = xcalloc(1, sizeof *r);
    *r = (struct model_reader){.base = {source->base.kind},
                               .source = source,
                               .references = 2,
                               .hub = source->hub,
                               .node = source->node,
                               .life = source->life,
                               .partition = partition.p[0] - '0',
                               .ctx = reader_ctx,
                               .token = token,
                               .position = position,
                               .credit = credit};
    (void)snprintf(r->offset, sizeof r->offset, "%.*s", (int)position.offset.n,
                   position.offset.p != NULL ? position.offset.p : "");
    DL_APPEND(source->readers, r);
    check_opens(the_world, r->node, token);
    world_send(the_world, r->node, send_attach, reader_drop, r,
               source->up ? source->connection : 0);
    return &r->base;
}

static void model_credit(struct source_reader *reader, uint32_t more)
{
    struct model_reader *r = (struct model_reader *)(void *)reader;
    r->references++;
    world_send(the_world, r->node, send_credit, reader_drop, r, more);
}

static void model_hold(struct source_reader *reader, bool hold)
{
    struct model_reader *r = (struct model_reader *)(void *)reader;
    r->held = hold;
    for (size_t i = 0; !hold && i < r->fifo_n; i++)
        reader_trigger(r, the_world->now_us);
}

static void on_stop_overdue(void *ctx, uint64_t number)
{
    struct model_reader *r = ctx;
    (void)number;
    if (r->source != NULL)
        reader_ended(r, SOURCE_END_CLOSED);
    reader_unref(r);
}

static void model_stop(struct source_reader *reader)
{
    struct model_reader *r = (struct model_reader *)(void *)reader;
    r->stopping = true;
    r->references += 2;
    world_send(the_world, r->node, send_detach, reader_drop, r, 0);
    world_at(the_world, the_world->now_us + STOP_US, r->node, on_stop_overdue, reader_drop, r, 0);
    for (size_t i = 0; i < r->fifo_n; i++)
        reader_trigger(r, the_world->now_us);
}

/* ---- connections -------------------------------------------------------------------------- */

static struct model_source *find_source(struct hubs_model *h, uint64_t connection)
{
    for (int i = 0; i < HUBS; i++) {
        struct model_source *source;
        DL_FOREACH(h->hubs[i].sources, source)
        {
            if (source->connection == connection)
                return source;
        }
    }
    return NULL;
}

static void connect_later(struct model_source *source, int64_t wait_us);

static void tell_metadata(struct model_source *source, int64_t asked_us)
{
    struct hubs_model *h = the_world->hubs;
    char endpoint[16], names[HUB_PARTITIONS][12];
    struct slice partitions[HUB_PARTITIONS];
    (void)snprintf(endpoint, sizeof endpoint, "ep-h%d", source->hub);
    for (int i = 0; i < h->partitions; i++) {
        (void)snprintf(names[i], sizeof names[i], "%d", i);
        partitions[i] = slice_from(names[i]);
    }
    struct source_metadata metadata = {.asked_us = asked_us,
                                       .endpoint = slice_from(endpoint),
                                       .created_ms = hub_created_ms(h->hubs[source->hub].log),
                                       .partitions = partitions,
                                       .partition_count = (size_t)h->partitions};
    source->handlers.metadata(source->ctx, &metadata);
}

static void fail_to_connect(struct model_source *source)
{
    struct error why;
    error_set(&why, "the model hub is not there");
    source->handlers.down(source->ctx, &why);
    source->attempts = source->attempts < 5 ? source->attempts + 1 : 5;
    connect_later(source, world_between(the_world, 10000, 100000 << source->attempts));
}

static void on_connected(void *ctx, uint64_t connection)
{
    struct hubs_model *h = ctx;
    struct model_source *source = find_source(h, connection);
    if (source == NULL)
        return;
    if (h->hubs[source->hub].down || the_world->nodes[source->node].cut_off_hub) {
        fail_to_connect(source);
        return;
    }
    source->up = true;
    source->attempts = 0;
    tell_metadata(source, node_clock(the_world, source->node));
    source->handlers.up(source->ctx);
}

static void connect_later(struct model_source *source, int64_t wait_us)
{
    struct world *w = the_world;
    source->connection = ++w->hubs->connections;
    world_at(w, w->now_us + wait_us + 4 * world_latency(w, source->node), source->node,
             on_connected, NULL, w->hubs, source->connection);
}

/* The client notices that its connection is gone. */
static void on_disconnected(void *ctx, uint64_t connection)
{
    struct model_source *source = find_source(ctx, connection);
    if (source == NULL || !source->up)
        return;
    struct model_reader *r, *after;
    source->up = false;
    DL_FOREACH_SAFE(source->readers, r, after)
    {
        reader_ended(r, SOURCE_END_LOST);
    }
    fail_to_connect(source);
}

void source_hang_up(struct model_source *source)
{
    struct world *w = the_world;
    struct hub *hub = &w->hubs->hubs[source->hub];
    for (int i = 0; i < HUB_PARTITIONS; i++) {
        struct model_reader *r, *after;
        DL_FOREACH_SAFE2(hub->attached[i], r, after, next_reader)
        {
            if (r->source == source)
                reader_detach(r);
        }
    }
    if (w->nodes[source->node].life == source->life)
        world_at(w, w->now_us + world_latency(w, source->node), source->node, on_disconnected, NULL,
                 w->hubs, source->connection);
}

static void on_metadata_wanted(void *ctx, uint64_t connection)
{
    struct hubs_model *h = ctx;
    struct model_source *source = find_source(h, connection);
    if (source != NULL && source->up && !the_world->nodes[source->node].cut_off_hub)
        tell_metadata(source, source->asked_us);
}

static void model_refresh(struct source *base)
{
    struct model_source *source = (struct model_source *)(void *)base;
    struct world *w = the_world;
    source->asked_us = node_clock(w, source->node);
    if (source->up)
        world_at(w, w->now_us + 2 * world_latency(w, source->node), source->node,
                 on_metadata_wanted, NULL, w->hubs, source->connection);
}

/* A process that is gone, or has closed: the hub sees the end of the connection. */
static void on_hung_up(void *ctx, uint64_t number)
{
    (void)number;
    reader_detach(ctx);
    reader_unref(ctx);
}

static void model_close(struct source *base)
{
    struct model_source *source = (struct model_source *)(void *)base;
    struct world *w = the_world;
    struct model_reader *r, *after;
    DL_DELETE(w->hubs->hubs[source->hub].sources, source);
    bool cut = w->nodes[source->node].cut_off_hub;
    DL_FOREACH_SAFE(source->readers, r, after)
    {
        DL_DELETE(source->readers, r);
        r->source = NULL;
        world_at(w, w->now_us + (cut ? 5000000 : 0) + world_latency(w, source->node), NOWHERE,
                 on_hung_up, reader_drop, r, 0);
    }
    free(source);
}

static const struct source_kind model_kind = {.fences = true,
                                              .read = model_read,
                                              .credit = model_credit,
                                              .hold = model_hold,
                                              .stop = model_stop,
                                              .refresh = model_refresh,
                                              .close = model_close};

struct source *eventhubs_open(struct event_base *base, struct evdns_base *dns,
                              const struct source_config *config, struct source_handlers handlers,
                              void *ctx, struct error *err)
{
    (void)base;
    (void)dns;
    (void)err;
    struct world *w = the_world;
    struct model_source *source = xcalloc(1, sizeof *source);
    *source = (struct model_source){.base = {.kind = &model_kind},
                                    .handlers = handlers,
                                    .ctx = ctx,
                                    .hub = config->name[1] - '0',
                                    .node = w->running,
                                    .life = w->nodes[w->running].life};
    DL_APPEND(w->hubs->hubs[source->hub].sources, source);
    connect_later(source, 0);
    return &source->base;
}
