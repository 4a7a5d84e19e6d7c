#include "node/payload.h"

#include "base/memory.h"
#include "core/event.h"
#include "core/opcua.h"
#include "core/translate.h"
#include "core/unzip.h"
#include "store/configuration.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum kind { KIND_PLAIN, KIND_MAPPED, KIND_OPCUA };

struct payload {
    enum kind kind;
    bool texts; /* of all rows are wanted */
    struct rows rows;
    struct buffer unpacked;
    struct opcua *opcua;           /* made when it is first needed */
    const struct mapping *mapping; /* KIND_MAPPED: what has decided */
    struct slice bound;
    struct slice thing; /* of a row; else empty */
};

struct payload *payload_create(void)
{
    struct payload *p = xcalloc(1, sizeof *p);
    rows_init(&p->rows);
    buffer_init(&p->unpacked, TRANSLATE_BODY_MAX);
    return p;
}

void payload_want_texts(struct payload *p)
{
    p->texts = true;
}

void payload_free(struct payload *p)
{
    if (p == NULL)
        return;
    rows_free(&p->rows);
    buffer_free(&p->unpacked);
    opcua_free(p->opcua);
    free(p);
}

struct property_search {
    struct slice properties;
    char text[32]; /* of a number */
};

/* For mapping_select: a property of the sender's as text. */
static struct slice property_text(void *ctx, struct slice name)
{
    struct property_search *search = ctx;
    struct slice rest = search->properties;
    struct source_property property;
    while (source_next_property(&rest, &property)) {
        if (!slice_equal(property.name, name))
            continue;
        if (property.kind == SOURCE_VALUE_TEXT)
            return property.text;
        if (property.kind == SOURCE_VALUE_BOOLEAN)
            return slice_from(property.integer ? "true" : "false");
        if (property.kind != SOURCE_VALUE_INTEGER)
            break;
        (void)snprintf(search->text, sizeof search->text, "%" PRId64, property.integer);
        return slice_from(search->text);
    }
    return (struct slice){NULL, 0};
}

static const struct mapping_program *select_program(const struct fleet_config *fleet,
                                                    const struct source_message *message)
{
    struct property_search search = {.properties = message->properties};
    struct mapping_event event = {.device = message->device,
                                  .module = message->module,
                                  .subject = message->subject,
                                  .property = property_text,
                                  .ctx = &search};
    return fleet->mapping != NULL ? mapping_select(fleet->mapping, &event) : NULL;
}

/* OPC Publisher says what it sends in a property; a look for its beginning spares most events the
 * reading of all. */
static bool is_opcua(const struct source_message *message, const struct mapping_program *program)
{
    static const char common[] = "application/x-";
    if ((program != NULL && mapping_is_opcua(program)) || opcua_is(message->content_type))
        return true;
    struct slice properties = message->properties;
    if (properties.n == 0 || memmem(properties.p, properties.n, common, sizeof common - 1) == NULL)
        return false;
    struct property_search search = {.properties = properties};
    return opcua_is(property_text(&search, SLICE_LITERAL("$$ContentType")));
}

bool payload_read(struct payload *p, const struct fleet_config *fleet,
                  const struct source_message *message, struct slice bound, struct error *why)
{
    struct slice body = message->body;
    struct translate_rules rules = {.time_member = slice_from(fleet->time_member)};
    int64_t time_ms = event_time_ms(message->creation_ms, message->enqueued_ms);
    const struct mapping_program *program = select_program(fleet, message);
    p->bound = bound;
    p->thing = (struct slice){NULL, 0};
    p->kind = KIND_PLAIN;
    if (unzip_is(body)) {
        buffer_clear(&p->unpacked);
        if (!unzip(body, &p->unpacked, why))
            return false;
        body = buffer_slice(&p->unpacked);
    }
    if (is_opcua(message, program)) {
        struct opcua_naming naming = {bound, message->device, message->module, program};
        if (p->opcua == NULL)
            p->opcua = opcua_create();
        p->kind = KIND_OPCUA;
        return opcua_read(p->opcua, body, time_ms, &naming, why);
    }
    if (program == NULL)
        return p->texts ? translate(body, time_ms, &rules, &p->rows, why)
                        : translate_in_place(body, time_ms, &rules, &p->rows, why);
    p->kind = KIND_MAPPED;
    p->mapping = fleet->mapping;
    return mapping_apply(fleet->mapping, program, body, time_ms, &rules, &p->rows, why);
}

bool payload_read_row(struct payload *p, struct slice row, struct slice thing, struct error *why)
{
    p->kind = KIND_PLAIN;
    p->thing = thing;
    return translate_row(row, &p->rows, why);
}

uint32_t payload_things(const struct payload *p)
{
    if (p->kind == KIND_OPCUA)
        return opcua_things(p->opcua);
    return p->rows.count > 0 ? 1 : 0;
}

const struct rows *payload_rows(struct payload *p, uint32_t i, struct slice *thing)
{
    *thing = p->thing;
    if (p->kind != KIND_OPCUA)
        return &p->rows;
    *thing = opcua_rows(p->opcua, i, &p->rows);
    if (thing->p == NULL)
        return NULL;
    if (slice_equal(*thing, p->bound))
        *thing = (struct slice){NULL, 0};
    return &p->rows;
}

bool payload_is_opcua(const struct payload *p)
{
    return p->kind == KIND_OPCUA;
}

struct mapping_origin payload_origin(const struct payload *p, uint32_t i)
{
    if (p->kind == KIND_OPCUA)
        return opcua_origin(p->opcua, i);
    if (p->kind == KIND_MAPPED)
        return mapping_origin(p->mapping, i);
    return (struct mapping_origin){NULL, NULL};
}
