#include "node/destinations.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "node/destination.h"
#include "store/configuration.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct entry {
    struct destination *destination;
    bool configured;
    struct entry *next, *prev;
};

struct destinations {
    struct node_parts *node;
    struct entry *list;
};

struct destinations *destinations_create(struct node_parts *node)
{
    struct destinations *all = xcalloc(1, sizeof *all);
    all->node = node;
    return all;
}

static void remove_entry(struct destinations *all, struct entry *entry)
{
    DL_DELETE(all->list, entry);
    destination_free(entry->destination);
    free(entry);
}

void destinations_free(struct destinations *all)
{
    if (all == NULL)
        return;
    while (all->list != NULL)
        remove_entry(all, all->list);
    free(all);
}

static struct entry *find(struct destinations *all, const char *name)
{
    struct entry *entry;
    DL_FOREACH(all->list, entry)
    {
        if (strcmp(destination_name(entry->destination), name) == 0)
            return entry;
    }
    return NULL;
}

struct destination *destinations_find(struct destinations *all, const char *name)
{
    struct entry *entry = find(all, name);
    return entry != NULL ? entry->destination : NULL;
}

static void add(struct destinations *all, const struct destination_config *config)
{
    struct entry *entry = xcalloc(1, sizeof *entry);
    *entry = (struct entry){.destination = destination_open(all->node, config), .configured = true};
    DL_APPEND(all->list, entry);
}

void destinations_configure(struct destinations *all, const struct configuration *configuration)
{
    struct entry *entry;
    DL_FOREACH(all->list, entry)
    {
        entry->configured = false;
    }
    for (size_t i = 0; i < configuration->destination_count; i++) {
        const struct destination_config *config = &configuration->destinations[i];
        entry = find(all, config->name);
        if (entry == NULL) {
            add(all, config);
            continue;
        }
        entry->configured = true;
        destination_change(entry->destination, config);
    }
}

void destinations_reload_secrets(struct destinations *all)
{
    struct entry *entry;
    DL_FOREACH(all->list, entry)
    {
        destination_reload_secret(entry->destination);
    }
}

void destinations_tick(struct destinations *all, int64_t now_us)
{
    struct entry *entry, *next;
    DL_FOREACH_SAFE(all->list, entry, next)
    {
        /* One that was configured away finishes what it has first. */
        if (!entry->configured && destination_is_empty(entry->destination))
            remove_entry(all, entry);
        else
            destination_tick(entry->destination, now_us);
    }
}

void destinations_reset(struct destinations *all)
{
    struct entry *entry;
    DL_FOREACH(all->list, entry)
    {
        destination_reset(entry->destination);
    }
}

void destinations_abandon(struct destinations *all, const void *owner)
{
    struct entry *entry;
    DL_FOREACH(all->list, entry)
    {
        destination_abandon(entry->destination, owner);
    }
}

size_t destinations_drop(struct destinations *all, const void *owner, int64_t above_sequence)
{
    size_t n = 0;
    struct entry *entry;
    DL_FOREACH(all->list, entry)
    {
        n += destination_drop(entry->destination, owner, above_sequence);
    }
    return n;
}

int64_t destinations_touched(const struct destinations *all, const void *owner)
{
    int64_t highest = INT64_MIN;
    const struct entry *entry;
    DL_FOREACH(all->list, entry)
    {
        int64_t touched = destination_touched(entry->destination, owner);
        highest = touched > highest ? touched : highest;
    }
    return highest;
}

size_t destinations_on_the_wire(const struct destinations *all)
{
    size_t n = 0;
    const struct entry *entry;
    DL_FOREACH(all->list, entry)
    {
        n += destination_on_the_wire(entry->destination);
    }
    return n;
}

void destinations_each(const struct destinations *all, destinations_each_fn each, void *ctx)
{
    const struct entry *entry;
    DL_FOREACH(all->list, entry)
    {
        struct destination_view view = destination_look(entry->destination);
        each(ctx, &view);
    }
}

/* {"name":value,...} with one text of each destination. */
static void describe(const struct destinations *all, struct buffer *json,
                     const char *(*text)(const struct destination *))
{
    const struct entry *entry;
    (void)buffer_append_text(json, "{");
    DL_FOREACH(all->list, entry)
    {
        (void)buffer_printf(json, "%s\"", entry == all->list ? "" : ",");
        (void)buffer_append_json(json, slice_from(destination_name(entry->destination)));
        (void)buffer_append_text(json, "\":\"");
        (void)buffer_append_json(json, slice_from(text(entry->destination)));
        (void)buffer_append_text(json, "\"");
    }
    (void)buffer_append_text(json, "}");
}

void destinations_describe(const struct destinations *all, struct buffer *json)
{
    describe(all, json, destination_state);
}

void destinations_describe_reasons(const struct destinations *all, struct buffer *json)
{
    describe(all, json, destination_reason);
}

void destinations_describe_delivery(const struct destinations *all, struct buffer *json)
{
    describe(all, json, destination_delivery);
}
