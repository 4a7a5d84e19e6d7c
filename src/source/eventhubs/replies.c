#include "source/eventhubs/replies.h"

#include <stdint.h>

/* Into the map that stands here; false if something else does. */
static bool enter_map(pn_data_t *data)
{
    pn_data_rewind(data);
    return pn_data_next(data) && pn_data_type(data) == PN_MAP && pn_data_enter(data);
}

static struct slice text_of(pn_data_t *data)
{
    pn_bytes_t bytes = pn_data_get_bytes(data);
    return (struct slice){bytes.start, bytes.size};
}

/* A whole number of any width that services use; `otherwise` for what is none. */
static int64_t number_of(pn_data_t *data, int64_t otherwise)
{
    switch (pn_data_type(data)) {
    case PN_INT:
        return pn_data_get_int(data);
    case PN_UINT:
        return pn_data_get_uint(data);
    case PN_LONG:
        return pn_data_get_long(data);
    case PN_USHORT:
        return pn_data_get_ushort(data);
    default:
        return otherwise;
    }
}

/* Our numbers travel as text: services echo a text as it is. */
uint64_t reply_number(pn_message_t *reply)
{
    pn_atom_t id = pn_message_get_correlation_id(reply);
    uint64_t number = 0;
    if (id.type != PN_STRING || id.u.as_bytes.size > 18)
        return 0;
    for (size_t i = 0; i < id.u.as_bytes.size; i++) {
        char c = id.u.as_bytes.start[i];
        if (c < '0' || c > '9')
            return 0;
        number = number * 10 + (uint64_t)(c - '0');
    }
    return number;
}

/* It stands in the application properties, whose spelling differs between services. */
int reply_status(pn_message_t *reply, struct slice *description)
{
    pn_data_t *properties = pn_message_properties(reply);
    int64_t status = 0;
    if (!enter_map(properties))
        return 0;
    while (pn_data_next(properties)) {
        struct slice key = text_of(properties);
        if (!pn_data_next(properties))
            break;
        if (slice_equal(key, SLICE_LITERAL("status-code")) ||
            slice_equal(key, SLICE_LITERAL("statusCode")))
            status = number_of(properties, status);
        else if (pn_data_type(properties) == PN_STRING &&
                 (slice_equal(key, SLICE_LITERAL("status-description")) ||
                  slice_equal(key, SLICE_LITERAL("statusDescription"))))
            *description = text_of(properties);
    }
    return status > 0 && status <= INT16_MAX ? (int)status : 0;
}

/* The names of an array, or of a list, of strings. Returns how many; too many: 0. */
static size_t read_names(pn_data_t *data, struct slice *names, size_t room)
{
    size_t count = 0;
    if (!pn_data_enter(data))
        return 0;
    while (pn_data_next(data)) {
        struct slice name = text_of(data);
        if (count == room || name.n == 0) {
            count = 0;
            break;
        }
        names[count++] = name;
    }
    (void)pn_data_exit(data);
    return count;
}

bool reply_metadata(pn_data_t *body, struct source_metadata *metadata, struct slice *names,
                    size_t room)
{
    if (!enter_map(body))
        return false;
    while (pn_data_next(body)) {
        struct slice key = text_of(body);
        if (!pn_data_next(body))
            return false;
        if (slice_equal(key, SLICE_LITERAL("created_at")) && pn_data_type(body) == PN_TIMESTAMP)
            metadata->created_ms = pn_data_get_timestamp(body);
        else if (slice_equal(key, SLICE_LITERAL("partition_ids")))
            metadata->partition_count = read_names(body, names, room);
    }
    metadata->partitions = names;
    return metadata->partition_count > 0;
}

int64_t reply_port(struct slice text)
{
    int64_t port = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || port > UINT16_MAX)
            return 0;
        port = port * 10 + (text.p[i] - '0');
    }
    return port <= UINT16_MAX ? port : 0;
}

void reply_redirect(pn_data_t *info, struct redirect *out)
{
    if (!enter_map(info))
        return;
    while (pn_data_next(info)) {
        struct slice key = text_of(info);
        if (!pn_data_next(info))
            return;
        struct slice text = text_of(info);
        if (slice_equal(key, SLICE_LITERAL("hostname")))
            out->host = text;
        else if (slice_equal(key, SLICE_LITERAL("network-host")))
            out->network_host = text;
        else if (slice_equal(key, SLICE_LITERAL("address")))
            out->address = text;
        else if (slice_equal(key, SLICE_LITERAL("port")))
            out->port = pn_data_type(info) == PN_STRING ? reply_port(text) : number_of(info, 0);
    }
}
