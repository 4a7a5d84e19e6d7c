#include "hub/request.h"

#include "base/clock.h"
#include "base/memory.h"
#include "hub/links.h"

#include <proton/codec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pn_bytes_t bytes_of(const char *text)
{
    return pn_bytes(strlen(text), text);
}

/* A text among the application properties; n 0 if it is missing or no text. */
static struct slice property(pn_message_t *message, const char *name)
{
    pn_data_t *map = pn_message_properties(message);
    struct slice found = {NULL, 0};
    pn_data_rewind(map);
    if (!pn_data_next(map) || pn_data_type(map) != PN_MAP || !pn_data_enter(map))
        return found;
    while (found.p == NULL && pn_data_next(map)) {
        pn_bytes_t key = pn_data_get_bytes(map);
        if (!pn_data_next(map))
            break;
        pn_type_t type = pn_data_type(map);
        if (slice_equal((struct slice){key.start, key.size}, slice_from(name)) &&
            (type == PN_STRING || type == PN_SYMBOL)) {
            pn_bytes_t value = pn_data_get_bytes(map);
            found = (struct slice){value.start, value.size};
        }
    }
    (void)pn_data_exit(map);
    return found;
}

static bool is(struct slice s, const char *text)
{
    return slice_equal(s, slice_from(text));
}

static void put_status(const struct hub *hub, pn_message_t *reply, int code,
                       const char *description, const char *condition)
{
    bool camel = settings_differs(&hub->options.settings, SETTING_REPLY);
    pn_data_t *map = pn_message_properties(reply);
    pn_data_put_map(map);
    pn_data_enter(map);
    pn_data_put_string(map, bytes_of(camel ? "statusCode" : "status-code"));
    pn_data_put_int(map, code);
    pn_data_put_string(map, bytes_of(camel ? "statusDescription" : "status-description"));
    pn_data_put_string(map, bytes_of(description));
    if (condition != NULL) {
        pn_data_put_string(map, bytes_of(camel ? "errorCondition" : "error-condition"));
        pn_data_put_symbol(map, bytes_of(condition));
    }
    pn_data_exit(map);
}

static struct policy policy_of(const struct hub *hub)
{
    return (struct policy){hub->options.key_name, hub->options.key, hub->options.iothub,
                           settings_differs(&hub->options.settings, SETTING_TOKEN_SCOPE)};
}

/* The token in the body: a string in an amqp-value. */
static struct slice token_of(pn_message_t *request)
{
    pn_data_t *body = pn_message_body(request);
    pn_data_rewind(body);
    if (!pn_data_next(body) || (pn_data_type(body) != PN_STRING && pn_data_type(body) != PN_BINARY))
        return (struct slice){"", 0};
    pn_bytes_t token = pn_data_get_bytes(body);
    return (struct slice){token.start, token.size};
}

void request_put_token(struct connection *c, pn_message_t *request, pn_message_t *reply)
{
    struct policy policy = policy_of(c->hub);
    struct slice audience = property(request, "name");
    struct slice type = property(request, "type");
    const char *why = "";
    int64_t expires_s = 0;
    if (clock_now_us() < c->hub->faults.token_till) {
        c->hub->tokens_refused++;
        put_status(c->hub, reply, c->hub->faults.token_status, "The token is refused on demand.",
                   NULL);
    } else if (!is(property(request, "operation"), "put-token")) {
        put_status(c->hub, reply, 400, "The operation is not supported.", "amqp:not-implemented");
    } else if (!is(type, "servicebus.windows.net:sastoken") && !is(type, "jwt")) {
        put_status(c->hub, reply, 400,
                   "Property 'type' in the 'application-properties' section is either missing, "
                   "has an unsupported value or is not of the type 'string'.",
                   "com.microsoft:argument-error");
    } else if (audience.n == 0) {
        put_status(c->hub, reply, 400,
                   "Property 'name' in the 'application-properties' section is either missing "
                   "or is not of the type 'string'.",
                   "com.microsoft:argument-error");
    } else if (!authority_check(&policy, token_of(request), audience, clock_wall_us() / SECOND_US,
                                &expires_s, &why)) {
        log_debug(c->hub->log, "token refused", F_TEXT("reason", why),
                  F_SLICE("audience", audience));
        put_status(c->hub, reply, 401, why, "amqp:unauthorized-access");
    } else {
        bool accepted = settings_differs(&c->hub->options.settings, SETTING_TOKEN_STATUS);
        authority_grant(&c->access, &policy, audience, expires_s);
        put_status(c->hub, reply, accepted ? 202 : 200, accepted ? "Accepted" : "OK", NULL);
    }
}

static void put_key(pn_data_t *map, const char *key)
{
    pn_data_put_string(map, bytes_of(key));
}

static pn_data_t *begin_answer(pn_message_t *reply, const struct hub *hub, const char *type)
{
    put_status(hub, reply, 200, "OK", NULL);
    pn_data_t *map = pn_message_body(reply);
    pn_data_put_map(map);
    pn_data_enter(map);
    put_key(map, "name");
    pn_data_put_string(map, bytes_of(hub->options.name));
    put_key(map, "type");
    pn_data_put_string(map, bytes_of(type));
    return map;
}

static void read_hub(const struct hub *hub, pn_message_t *reply)
{
    pn_data_t *map = begin_answer(reply, hub, "com.microsoft:eventhub");
    put_key(map, "created_at");
    pn_data_put_timestamp(map, hub->created_ms);
    put_key(map, "partition_count");
    pn_data_put_int(map, hub->options.partitions);
    put_key(map, "partition_ids");
    if (settings_differs(&hub->options.settings, SETTING_PARTITION_IDS))
        pn_data_put_list(map);
    else
        pn_data_put_array(map, false, PN_STRING);
    pn_data_enter(map);
    for (int i = 0; i < hub->options.partitions; i++)
        pn_data_put_string(map, bytes_of(hub->partitions[i].id));
    pn_data_exit(map);
    put_key(map, "georeplication_factor");
    pn_data_put_int(map, 1);
    pn_data_exit(map);
}

static void read_partition(const struct hub *hub, const struct partition *partition,
                           pn_message_t *reply)
{
    pn_data_t *map = begin_answer(reply, hub, "com.microsoft:partition");
    int64_t begin = partition_log_begin(partition->log);
    int64_t last = partition_log_next(partition->log) - 1;
    struct event event;
    bool empty = !partition_log_at(partition->log, last, &event);
    char space[OFFSET_TEXT];
    bool prefixed = settings_differs(&hub->options.settings, SETTING_OFFSETS);
    struct slice offset =
        empty ? SLICE_LITERAL("-1") : message_offset(event.offset, prefixed, space);
    put_key(map, "partition");
    pn_data_put_string(map, bytes_of(partition->id));
    put_key(map, "begin_sequence_number");
    pn_data_put_long(map, begin);
    put_key(map, "last_enqueued_sequence_number");
    pn_data_put_long(map, last);
    put_key(map, "last_enqueued_offset");
    pn_data_put_string(map, pn_bytes(offset.n, offset.p));
    put_key(map, "last_enqueued_time_utc");
    pn_data_put_timestamp(map, empty ? 0 : event.enqueued_ms);
    put_key(map, "is_partition_empty");
    pn_data_put_bool(map, empty);
    pn_data_exit(map);
}

/* `within` stands before the name of what is missing. */
static void put_not_found(pn_message_t *reply, const struct hub *hub, struct slice name,
                          const char *within)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "The messaging entity 'sb://localhost/%s%.*s' could not be found. "
                   "TrackingId:%s_B0",
                   within, (int)(name.n < 200 ? name.n : 200), name.p, hub->instance);
    put_status(hub, reply, 404, text, "amqp:not-found");
}

static void answer_read(struct connection *c, pn_message_t *request, pn_message_t *reply)
{
    struct hub *hub = c->hub;
    struct policy policy = policy_of(hub);
    struct slice type = property(request, "type");
    struct slice token = property(request, "security_token");
    struct partition *partition = hub_partition(hub, property(request, "partition"));
    struct slice resource = slice_from(hub->options.name);
    int64_t expires_s;
    const char *why = "'Listen' claim(s) are required to perform this operation.";
    char *audience = xasprintf("sb://localhost/%s", hub->options.name);
    bool allowed = links_allowed(c, "$management") &&
                   (token.n == 0 || authority_check(&policy, token, slice_from(audience),
                                                    clock_wall_us() / SECOND_US, &expires_s, &why));
    free(audience);
    if (!allowed)
        put_status(hub, reply, 401, why, "amqp:unauthorized-access");
    else if (!is(property(request, "operation"), "READ"))
        put_status(hub, reply, 400, "The operation is not supported.", "amqp:not-implemented");
    else if (!slice_equal(property(request, "name"), resource))
        put_not_found(reply, hub, property(request, "name"), "");
    else if (is(type, "com.microsoft:eventhub"))
        read_hub(hub, reply);
    else if (is(type, "com.microsoft:partition") && partition != NULL)
        read_partition(hub, partition, reply);
    else if (is(type, "com.microsoft:partition"))
        put_not_found(reply, hub, property(request, "partition"), "partition ");
    else
        put_status(hub, reply, 400, "The type is not supported.", "amqp:not-implemented");
}

void request_read(struct connection *c, pn_message_t *request, pn_message_t *reply)
{
    struct buffer text;
    buffer_init(&text, 1024);
    if (faults_busy(c->hub, &text))
        put_status(c->hub, reply, 503, buffer_text(&text), "com.microsoft:server-busy");
    else
        answer_read(c, request, reply);
    buffer_free(&text);
}
