/* Whatever the bytes: amqp_scan stays inside them, and where Proton's own decoder takes the message
 * too, both read the same out of it. Known differences: the scanner steps over what it does not
 * need without looking inside, so it takes more than Proton; it also refuses what Proton lets pass,
 * such as bytes left over in a map. Neither can hurt: Event Hubs sends no such thing. */
#include "base/memory.h"
#include "source/amqp_scan.h"

#include <proton/message.h>

#include <stdint.h>
#include <stdlib.h>

static void expect(bool holds)
{
    if (!holds)
        abort();
}

static bool is_text(pn_type_t type)
{
    return type == PN_STRING || type == PN_SYMBOL || type == PN_BINARY;
}

static bool integer(pn_data_t *data, int64_t *out)
{
    switch (pn_data_type(data)) {
    case PN_LONG:
        *out = pn_data_get_long(data);
        return true;
    case PN_TIMESTAMP:
        *out = pn_data_get_timestamp(data);
        return true;
    case PN_INT:
        *out = pn_data_get_int(data);
        return true;
    case PN_ULONG:
        *out = (int64_t)pn_data_get_ulong(data);
        return *out >= 0;
    default:
        return false;
    }
}

/* What stands in the map under this name; the type is PN_NULL if it stands there twice, because the
 * keys of a map are unique and nobody says which of them counts. */
static bool find(pn_data_t *map, const char *name, pn_type_t *type, struct slice *text,
                 int64_t *number)
{
    bool found = false;
    pn_data_rewind(map);
    if (!pn_data_next(map) || pn_data_type(map) != PN_MAP || !pn_data_enter(map))
        return false;
    while (pn_data_next(map)) {
        bool named = is_text(pn_data_type(map));
        pn_bytes_t key = named ? pn_data_get_bytes(map) : pn_bytes_null;
        named = named && slice_equal((struct slice){key.start, key.size}, slice_from(name));
        bool again = named && found;
        if (again)
            *type = PN_NULL;
        /* Proton leaves a value out that it does not know, and what follows. */
        if (!pn_data_next(map))
            break;
        if (!named || again)
            continue;
        *type = pn_data_type(map);
        found = true;
        if (is_text(*type)) {
            pn_bytes_t value = pn_data_get_bytes(map);
            *text = (struct slice){value.start, value.size};
        } else if (!integer(map, number)) {
            *type = PN_NULL;
        }
    }
    return found;
}

static void same_text(pn_data_t *map, const char *name, struct slice got)
{
    pn_type_t type = PN_NULL;
    struct slice text = {NULL, 0};
    int64_t number = 0;
    if (find(map, name, &type, &text, &number) && is_text(type))
        expect(slice_equal(got, text));
}

static void same_number(pn_data_t *map, const char *name, int64_t got)
{
    pn_type_t type = PN_NULL;
    struct slice text = {NULL, 0};
    int64_t number = 0;
    if (find(map, name, &type, &text, &number) &&
        (type == PN_LONG || type == PN_TIMESTAMP || type == PN_INT))
        expect(got == number);
}

/* Proton's text ends at the first NUL, and is empty where a string stands for a symbol. */
static void same_c_text(const char *text, struct slice got)
{
    size_t n = text ? strlen(text) : 0;
    if (n == 0)
        return;
    expect(got.n >= n && memcmp(got.p, text, n) == 0);
    expect(got.n == n || got.p[n] == '\0');
}

static void same_body(pn_message_t *message, const struct source_message *m)
{
    pn_data_t *body = pn_message_body(message);
    pn_data_rewind(body);
    if (!pn_data_next(body) || !is_text(pn_data_type(body)))
        return;
    pn_bytes_t value = pn_data_get_bytes(body);
    /* Of several sections Proton keeps the last; the scanner joins them. */
    expect(m->body.n >= value.size);
    expect(value.size == 0 ||
           memcmp(m->body.p + m->body.n - value.size, value.start, value.size) == 0);
}

static bool is_simple(pn_data_t *data)
{
    pn_type_t type = pn_data_type(data);
    return type != PN_DESCRIBED && type != PN_ARRAY && type != PN_LIST && type != PN_MAP;
}

/* Names and values as Proton reads them, in the same order: up to the first that is not simple,
 * which the standard does not allow here, and of which Proton loses count when it is odd. */
static void same_properties(pn_message_t *message, struct slice rest)
{
    pn_data_t *map = pn_message_properties(message);
    struct source_property property;
    pn_data_rewind(map);
    if (!pn_data_next(map) || pn_data_type(map) != PN_MAP || !pn_data_enter(map))
        return;
    while (pn_data_next(map) && is_simple(map) && source_next_property(&rest, &property)) {
        if (is_text(pn_data_type(map))) {
            pn_bytes_t name = pn_data_get_bytes(map);
            expect(slice_equal(property.name, (struct slice){name.start, name.size}));
        }
        if (!pn_data_next(map) || !is_simple(map))
            break;
        int64_t number = 0;
        if (is_text(pn_data_type(map))) {
            pn_bytes_t value = pn_data_get_bytes(map);
            expect(property.kind == SOURCE_VALUE_TEXT);
            expect(slice_equal(property.text, (struct slice){value.start, value.size}));
        } else if (integer(map, &number)) {
            expect(property.integer == number);
        } else if (pn_data_type(map) == PN_BOOL) {
            expect(property.kind == SOURCE_VALUE_BOOLEAN);
            expect(property.integer == (pn_data_get_bool(map) ? 1 : 0));
        } else if (pn_data_type(map) == PN_DOUBLE) {
            double wanted = pn_data_get_double(map);
            expect(memcmp(&property.number, &wanted, sizeof wanted) == 0);
        }
    }
}

static void walk_properties(struct slice rest)
{
    struct source_property property;
    while (source_next_property(&rest, &property))
        expect(property.kind != SOURCE_VALUE_TEXT || property.text.p != NULL);
}

static void compare(pn_message_t *message, const struct source_message *m)
{
    pn_data_t *annotations = pn_message_annotations(message);
    same_text(annotations, "x-opt-offset", m->offset);
    same_text(annotations, "iothub-connection-device-id", m->device);
    same_text(annotations, "iothub-connection-module-id", m->module);
    same_text(annotations, "iothub-message-source", m->message_source);
    same_text(annotations, "iothub-connection-auth-generation-id", m->auth_generation);
    same_text(annotations, "iothub-connection-auth-method", m->auth_method);
    same_text(annotations, "dt-subject", m->subject);
    same_number(annotations, "x-opt-sequence-number", m->sequence);
    same_number(annotations, "x-opt-enqueued-time", m->enqueued_ms);
    pn_data_t *instructions = pn_message_instructions(message);
    same_number(instructions, "last_enqueued_sequence_number", m->last_sequence);
    same_number(instructions, "last_enqueued_time_utc", m->last_enqueued_ms);
    same_c_text(pn_message_get_content_type(message), m->content_type);
    same_c_text(pn_message_get_content_encoding(message), m->content_encoding);
    same_body(message, m);
    same_properties(message, m->properties);
}

/* Sections in the order of the standard, each once, data excepted, and no sequences, which nobody
 * sends and only Proton takes for a body: with others the two may differ
 * in which they take. */
static bool is_orderly(struct slice bytes)
{
    unsigned char last = 0;
    while (bytes.n > 2) {
        unsigned char section = (unsigned char)bytes.p[2];
        if (bytes.p[0] != 0 || bytes.p[1] != 0x53 || section < 0x70 || section > 0x77 ||
            section == 0x76 || section < last || (section == last && section != 0x75))
            return false;
        last = section;
        (void)amqp_take(&bytes);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer joined;
    buffer_init(&joined, 1u << 20);
    struct source_message m;
    struct slice bytes = {(const char *)data, size};
    /* Proton asserts that there are bytes. */
    bool ok = amqp_scan(bytes, &joined, &m);
    walk_properties(m.properties);
    if (ok && size > 0 && is_orderly(bytes)) {
        pn_message_t *message = pn_message();
        if (pn_message_decode(message, bytes.p, bytes.n) == 0)
            compare(message, &m);
        pn_message_free(message);
    }
    buffer_free(&joined);
    return 0;
}
