#include "thingworx/call.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

const char *properties_check_row(struct server *server, struct thing *thing,
                                 const struct update_row *row, struct property **found)
{
    struct property *property = thing_property(thing, row->name);
    if (property == NULL && thing->permissive && row->name.n > 0)
        property = thing_define(&server->model, thing, row->name, base_type_any());
    if (property == NULL || property->defined)
        return "no such property";
    if (!base_type_fits(property->type, row->declared, &row->value))
        return "the value does not fit the base type of the property";
    *found = property;
    return NULL;
}

void properties_accept_row(struct call *call, struct thing *thing, const struct update_row *row,
                           int64_t now_us)
{
    struct server *server = call->server;
    struct property *property = thing_property(thing, row->name);
    uint32_t sender = names_id(server->model.names, call_sender(call));
    int64_t time_ms = row->has_time ? row->time_ms : now_us / MS_US;
    struct slice quality = row->quality.n > 0 ? row->quality : SLICE_LITERAL("GOOD");
    ledger_add(server->ledger, &(struct ledger_entry){
                                   .accepted_us = now_us,
                                   .time_ms = time_ms,
                                   .text = row->value.text.p,
                                   .length = (uint32_t)row->value.text.n,
                                   .thing = thing->name_id,
                                   .name = property->name_id,
                                   .sender = sender,
                               });
    if (!ledger_file_note(server->file, server->ledger, server->model.names))
        abort(); /* better than a ledger that lies */
    property_set(property, row->value.text, time_ms, names_id(server->model.names, quality));
    server->counters.accepted_values++;
}

/* The number of rows that can be applied; *reason says what is wrong with the next. */
static size_t count_good(struct call *call, const char **reason)
{
    const struct update *update = &call->server->update;
    struct property *property;
    *reason = NULL;
    for (size_t i = 0; i < update->n; i++) {
        *reason = properties_check_row(call->server, call->thing, &update->rows[i], &property);
        if (*reason != NULL)
            return i;
    }
    return update->n;
}

static void accept_rows(struct call *call, size_t n)
{
    const struct update *update = &call->server->update;
    int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < n; i++)
        properties_accept_row(call, call->thing, &update->rows[i], now_us);
}

/* A service says what it was; a plain property write does not. */
static void refuse(struct call *call, int status, const char *reason, struct slice detail)
{
    int n = (int)(detail.n < 128 ? detail.n : 128);
    if (call->method == EVHTTP_REQ_PUT)
        call_answer(call, status, "%s [%.*s]", reason, n, detail.p);
    else
        call_answer(call, status, "Unable to Invoke Service %s on %s : %s%s%.*s%s",
                    call->segments[4], call->thing->name, reason, n > 0 ? " [" : "", n, detail.p,
                    n > 0 ? "]" : "");
}

/* PUT .../Properties/p takes {"p":value} and nothing else. */
static bool names_match(const struct call *call)
{
    const struct update *update = &call->server->update;
    if (call->method != EVHTTP_REQ_PUT || strcmp(call->segments[4], "*") == 0)
        return true;
    return update->n == 1 && slice_equal(update->rows[0].name, slice_from(call->segments[4]));
}

void properties_write(struct call *call)
{
    const struct update *update = &call->server->update;
    const char *reason;
    if (call->read == UPDATE_NOT_JSON) {
        call_answer(call, 400, "Bad Request : %s", update->reason);
        return;
    }
    if (call->read == UPDATE_BAD_SHAPE || !call->thing->enabled) {
        refuse(call, 500, call->thing->enabled ? update->reason : "the Thing is not enabled",
               (struct slice){"", 0});
        return;
    }
    if (!names_match(call)) {
        refuse(call, 400, "the body does not name the property", slice_from(call->segments[4]));
        return;
    }
    size_t good = count_good(call, &reason);
    if (reason == NULL || call->server->rows_before)
        accept_rows(call, good);
    if (reason != NULL)
        refuse(call, call->method == EVHTTP_REQ_PUT ? 404 : 500, reason, update->rows[good].name);
}

static void put_definition(struct buffer *out, const struct property *property, bool first)
{
    (void)buffer_append_text(out, first ? "\"" : ",\"");
    (void)buffer_append_json(out, slice_from(property->name));
    (void)buffer_append_text(out, "\":{\"name\":\"");
    (void)buffer_append_json(out, slice_from(property->name));
    (void)buffer_printf(out,
                        "\",\"description\":\"\",\"baseType\":\"%s\",\"ordinal\":0,\"aspects\":{}}",
                        property->type->name);
}

static void put_value(struct buffer *out, const struct property *property, bool first)
{
    (void)buffer_append_text(out, first ? "\"" : ",\"");
    (void)buffer_append_json(out, slice_from(property->name));
    (void)buffer_append_text(out, "\":");
    if (property->text == NULL)
        (void)buffer_append_text(out, "null");
    else
        (void)buffer_append(out, property->text, property->text_n);
}

/* Always an infotable with one row, as the platform answers. */
void properties_read(struct call *call)
{
    struct buffer *out = &call->answer.body;
    struct property *only = thing_property(call->thing, slice_from(call->segments[4]));
    bool all = strcmp(call->segments[4], "*") == 0;
    struct property *property;
    struct property *next;
    bool first = true;
    if (!all && only == NULL) {
        call_answer(call, 404, "Property Not Found : [%s]", call->segments[4]);
        return;
    }
    call->answer.type = "application/json;charset=UTF-8";
    (void)buffer_append_text(out, "{\"dataShape\":{\"fieldDefinitions\":{");
    HASH_ITER(hh, call->thing->properties, property, next)
    {
        if (all || property == only) {
            put_definition(out, property, first);
            first = false;
        }
    }
    (void)buffer_append_text(out, "}},\"rows\":[{");
    first = true;
    HASH_ITER(hh, call->thing->properties, property, next)
    {
        if (all || property == only) {
            put_value(out, property, first);
            first = false;
        }
    }
    (void)buffer_append_text(out, "}]}");
}
