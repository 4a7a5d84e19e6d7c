#include "hub/generator.h"

#include "base/memory.h"
#include "base/random.h"
#include "hub/pace.h"

#include <stdlib.h>
#include <string.h>

enum {
    BODY_CEILING = 1 << 19,
    SIZE_MAX_BODY = 1 << 18,
    DEVICES_MAX = 1000000,
    PROPERTIES_MAX = 1000
};

struct generator {
    struct hub *hub;
    struct pace *pace;
    struct random random;
    struct buffer body;
    struct device **devices; /* borrowed from the hub */
    int64_t device_n;
    int64_t device_next;
    int64_t properties;
    int64_t size_min;
    int64_t size_max;
};

static void put_number(struct buffer *b, int64_t number)
{
    char digits[20];
    char *p = digits + sizeof digits;
    uint64_t rest = (uint64_t)number;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    buffer_append(b, p, (size_t)(digits + sizeof digits - p));
}

static void put_value(struct buffer *b, int64_t index, uint64_t draw)
{
    static const char *const words[] = {"\"run\"", "\"idle\"", "\"stop\"", "\"alarm\""};
    switch (index) {
    case 4:
        buffer_append_text(b, draw % 2 ? "true" : "false");
        break;
    case 5:
        buffer_append_text(b, words[draw % 4]);
        break;
    case 2:
    case 6: /* whole numbers */
        put_number(b, (int64_t)(draw % 1000));
        break;
    default: { /* like 21.53; never a trailing zero, which some readers would not give back */
        char hundredths[] = {'.', (char)('0' + draw % 10), (char)('1' + draw / 10 % 9)};
        put_number(b, (int64_t)(draw / 100 % 100));
        buffer_append(b, hundredths, sizeof hundredths);
    }
    }
}

/* A text that brings the body to its length, if it is not longer already. */
static void put_padding(struct generator *g)
{
    static const char begin[] = ",\"pad\":\"";
    uint64_t spread = (uint64_t)(g->size_max - g->size_min) + 1;
    size_t wanted = (size_t)g->size_min + random_next(&g->random) % spread;
    size_t least = g->body.n + sizeof begin - 1 + 2;
    if (wanted < least)
        return;
    buffer_append_text(&g->body, begin);
    char *to = buffer_reserve(&g->body, wanted - least);
    if (to != NULL) {
        memset(to, 'x', wanted - least);
        g->body.n += wanted - least;
    }
    buffer_append(&g->body, "\"", 1);
}

static void make_body(struct generator *g, const struct device *device)
{
    struct buffer *b = &g->body;
    buffer_clear(b);
    buffer_append_text(b, "{\"seq\":");
    put_number(b, device->sequence);
    for (int64_t i = 1; i < g->properties; i++) {
        buffer_append(b, ",\"p", 3);
        put_number(b, i);
        buffer_append(b, "\":", 2);
        put_value(b, i, random_next(&g->random));
    }
    if (g->size_max > 0)
        put_padding(g);
    buffer_append(b, "}", 1);
}

static int64_t make_events(void *arg, int64_t n)
{
    struct generator *g = arg;
    for (int64_t i = 0; i < n; i++) {
        struct device *device = g->devices[g->device_next];
        g->device_next = (g->device_next + 1) % g->device_n;
        device->sequence++;
        make_body(g, device);
        struct telemetry telemetry = {
            .device = {device->name, device->name_n},
            .generation = slice_from(device->generation),
            .body = buffer_slice(&g->body),
        };
        hub_append_telemetry(g->hub, device->partition, &telemetry);
    }
    return n;
}

struct generator *generator_open(struct hub *hub)
{
    struct generator *g = xcalloc(1, sizeof *g);
    g->hub = hub;
    g->pace = pace_open(hub, make_events, g);
    random_seed(&g->random, 1);
    buffer_init(&g->body, BODY_CEILING);
    return g;
}

void generator_close(struct generator *g)
{
    pace_close(g->pace);
    buffer_free(&g->body);
    free(g->devices);
    free(g);
}

bool generator_start(struct generator *g, const struct generator_options *o, struct error *err)
{
    if (o->devices < 1 || o->devices > DEVICES_MAX || o->properties < 1 ||
        o->properties > PROPERTIES_MAX || o->rate < 0 || o->events < 0 || o->seconds < 0)
        return error_set(err, "devices must be 1 to %d, properties 1 to %d, nothing negative",
                         DEVICES_MAX, PROPERTIES_MAX);
    if (o->size_min < 0 || o->size_max < o->size_min || o->size_max > SIZE_MAX_BODY)
        return error_set(err, "\"size\" needs min <= max <= %d", SIZE_MAX_BODY);
    if (o->preload && o->events == 0)
        return error_set(err, "preload needs a number of events");
    generator_stop(g);
    g->devices = xrealloc(g->devices, (size_t)o->devices * sizeof *g->devices);
    for (int64_t i = 0; i < o->devices; i++) {
        char *name = xasprintf("%s%05lld", o->prefix, (long long)i);
        g->devices[i] = devices_get(g->hub->devices, slice_from(name));
        free(name);
    }
    g->device_n = o->devices;
    g->device_next = 0;
    g->properties = o->properties;
    g->size_min = o->size_min;
    g->size_max = o->size_max;
    if (o->preload) {
        (void)make_events(g, o->events);
        hub_appended(g->hub);
    } else {
        pace_start(g->pace, o->rate, o->events, o->seconds);
    }
    return true;
}

void generator_stop(struct generator *g)
{
    pace_stop(g->pace);
}

bool generator_running(const struct generator *g)
{
    return pace_running(g->pace);
}
