#include "base/buffer.h"
#include "base/clock.h"
#include "bin/commands.h"
#include "bin/options.h"
#include "core/event.h"
#include "core/heartbeat.h"
#include "core/json_scan.h"
#include "node/payload.h"
#include "store/configuration.h"
#include "store/explain.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* `holdfast explain`: what an event would become, by the code that nodes run. It writes nothing. */

static bool read_all(FILE *file, struct buffer *to)
{
    size_t n;
    do {
        char *at = buffer_reserve(to, 65536);
        n = at != NULL ? fread(at, 1, 65536, file) : 0;
        to->n += n;
    } while (n > 0);
    return !ferror(file);
}

static bool read_body(const char *path, struct buffer *body, struct error *err)
{
    FILE *file = path != NULL ? fopen(path, "re") : stdin;
    bool ok = file != NULL && read_all(file, body);
    if (file != NULL && file != stdin)
        (void)fclose(file);
    if (ok)
        return true;
    error_set(err, "the event cannot be read from %s", path != NULL ? path : "the standard input");
    return error_hint(err, "Give the name of a file that holds the body of one event.");
}

/* NAME=VALUE, as one property of the message. */
static bool add_property(const char *text, struct buffer *to, struct error *err)
{
    const char *equals = text != NULL ? strchr(text, '=') : NULL;
    if (text == NULL)
        return true;
    if (equals == NULL) {
        error_set(err, "--property has no value: \"%s\"", text);
        return error_hint(err, "Give --property NAME=VALUE.");
    }
    struct source_property property = {.name = {text, (size_t)(equals - text)},
                                       .kind = SOURCE_VALUE_TEXT,
                                       .text = slice_from(equals + 1)};
    return source_put_property(to, &property) || error_set(err, "--property is too long");
}

/* ---- what is shown ------------------------------------------------------------------------ */

/* The parts of a row as its JSON text has them. */
struct parts {
    struct slice name, time, quality, value, base_type;
};

static struct parts parts_of(struct slice row)
{
    struct parts parts = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    struct json_cursor c = json_scan_begin(row);
    struct json_value name, value;
    while (json_scan_member(&c, &name, &value)) {
        if (slice_equal(name.text, SLICE_LITERAL("name")))
            parts.name = value.text;
        else if (slice_equal(name.text, SLICE_LITERAL("time")))
            parts.time = value.text;
        else if (slice_equal(name.text, SLICE_LITERAL("quality")))
            parts.quality = value.text;
        else
            break; /* the cell with value and base type comes last */
    }
    c = json_scan_begin(value.text);
    while (json_scan_member(&c, &name, &value))
        if (slice_equal(name.text, SLICE_LITERAL("value")))
            parts.value = value.kind == JSON_STRING
                              ? (struct slice){value.text.p - 1, value.text.n + 2}
                              : value.text;
        else
            parts.base_type = value.text;
    return parts;
}

static void show_row(struct slice row, const struct mapping_origin *origin)
{
    struct parts parts = parts_of(row);
    (void)printf("  %.*s = %.*s\n", (int)parts.name.n, parts.name.p, (int)parts.value.n,
                 parts.value.p);
    (void)printf("      base type %.*s, quality %.*s, time %.*s\n", (int)parts.base_type.n,
                 parts.base_type.p, (int)parts.quality.n, parts.quality.p, (int)parts.time.n,
                 parts.time.p);
    if (origin->rule != NULL)
        (void)printf("      by rule %s\n", origin->rule->name);
    else
        (void)printf("      no rule: by its own name and type\n");
    if (origin->wanted != NULL)
        (void)printf("      it does not fit %s, so it goes as it came; ThingWorx may refuse it\n",
                     origin->wanted);
}

static int show_payload(struct payload *payload, const char *bound)
{
    uint32_t things = payload_things(payload);
    if (payload_is_opcua(payload))
        (void)printf("read as a message of OPC Publisher\n");
    if (things == 0)
        (void)printf("no values: the event is complete without a request\n");
    for (uint32_t i = 0; i < things; i++) {
        struct slice thing;
        const struct rows *rows = payload_rows(payload, i, &thing);
        if (rows == NULL) {
            (void)printf("dead letter, unparsable: the rows of the event are too long\n");
            return EXIT_NO;
        }
        if (thing.n == 0)
            thing = slice_from(bound);
        (void)printf("Thing %.*s\n", (int)thing.n, thing.p);
        for (uint32_t row = 0; row < rows->count; row++) {
            struct mapping_origin origin = payload_origin(payload, row);
            show_row(rows_row(rows, row), &origin);
        }
    }
    return EXIT_DONE;
}

static void show_heartbeat(const struct fleet_config *fleet, const char *device, const char *module)
{
    const struct heartbeat_rule *rule = heartbeat_select(fleet->heartbeats, fleet->heartbeat_count,
                                                         slice_from(device), slice_from(module));
    if (rule != NULL)
        (void)printf("heartbeat: %s is true with the first event after silence, and false after "
                     "%.3f s without one, by rule %s\n",
                     rule->property, (double)rule->silence_ms / 1000, rule->name);
}

static void show_way(const struct store_explanation *where, const char *device, const char *module)
{
    const struct fleet_config *fleet = configuration_fleet(where->configuration, where->fleet);
    const struct destination_config *destination =
        configuration_destination(where->configuration, fleet->destination);
    (void)printf("device %s%s%s of fleet %s: %s%s (%s)\n", device,
                 module != NULL ? ", module " : "", module != NULL ? module : "", where->fleet,
                 where->thing != NULL ? "Thing " : "no Thing",
                 where->thing != NULL ? where->thing : "", where->binding);
    if (fleet->create_template != NULL)
        (void)printf("missing Things are made of template %s\n", fleet->create_template);
    (void)printf("destination %s:", fleet->destination);
    for (size_t i = 0; destination != NULL && i < destination->base_url_count; i++)
        (void)printf(" %s", destination->base_urls[i]);
    (void)printf("\n");
}

static int explain(const struct options *options, const struct store_explanation *where,
                   struct slice body, struct slice properties)
{
    const struct fleet_config *fleet = configuration_fleet(where->configuration, where->fleet);
    int64_t now_ms = clock_wall_us() / 1000;
    struct source_message message = {.body = body,
                                     .device = slice_from(options->device),
                                     .module = slice_from(options->module),
                                     .subject = slice_from(options->subject),
                                     .content_type = slice_from(options->content_type),
                                     .properties = properties,
                                     .enqueued_ms = now_ms};
    struct error why;
    struct payload *payload = payload_create();
    payload_want_texts(payload);
    int status = EXIT_NO;
    show_way(where, options->device, options->module);
    if (where->thing == NULL)
        (void)printf("dead letter, unbound: %s\n", where->binding);
    else if (!payload_read(payload, fleet, &message, slice_from(where->thing), &why))
        (void)printf("dead letter, unparsable: %s\n", why.message);
    else
        status = show_payload(payload, where->thing);
    if (status == EXIT_DONE)
        show_heartbeat(fleet, options->device, options->module);
    payload_free(payload);
    return status;
}

int command_explain(int argc, char **argv)
{
    struct options options;
    struct error err;
    struct buffer body, properties;
    struct store_explanation where = {.fleet = NULL};
    int status = EXIT_FAILED;
    buffer_init(&body, TRANSLATE_BODY_MAX * 2);
    buffer_init(&properties, 65536);
    if (!options_parse(&options, "explain", argc, argv, &err) ||
        (!options.help && !add_property(options.property, &properties, &err))) {
        status = usage_error(&err);
    } else if (options.help) {
        options_help("explain", stdout);
        status = EXIT_DONE;
    } else if (!read_body(options.file, &body, &err) ||
               !store_explain(options.database, options.device, options.module, options.fleet,
                              &where, &err)) {
        (void)usage_error(&err);
    } else {
        status = explain(&options, &where, buffer_slice(&body), buffer_slice(&properties));
    }
    store_explanation_free(&where);
    buffer_free(&body);
    buffer_free(&properties);
    options_free(&options);
    return status;
}
