#include "source/eventhubs/receiver_link.h"

#include "base/memory.h"
#include "base/random.h"
#include "source/eventhubs/limits.h"

#include <proton/link.h>
#include <proton/session.h>

#include <inttypes.h>
#include <stdlib.h>

bool receiver_link_is_offset(struct slice offset)
{
    for (size_t i = 0; i < offset.n; i++)
        if ((unsigned char)offset.p[i] < ' ' || offset.p[i] == '\'')
            return false;
    return offset.n > 0 && offset.n <= 256;
}

char *receiver_link_filter(struct source_position position)
{
    static const char OFFSET[] = "amqp.annotation.x-opt-offset";
    switch (position.kind) {
    case SOURCE_AT_LATEST:
        return xasprintf("%s > '@latest'", OFFSET);
    case SOURCE_AFTER_OFFSET:
        return xasprintf("%s > '%.*s'", OFFSET, (int)position.offset.n, position.offset.p);
    case SOURCE_AT_TIME:
        /* The service knows no "at or later" for times. */
        return xasprintf("amqp.annotation.x-opt-enqueued-time > '%" PRId64 "'",
                         position.time_ms - 1);
    case SOURCE_AT_SEQUENCE:
        return xasprintf("amqp.annotation.x-opt-sequence-number >= '%" PRId64 "'",
                         position.sequence);
    case SOURCE_AT_EARLIEST:
        break;
    }
    return xasprintf("%s > '-1'", OFFSET);
}

static pn_bytes_t bytes_of(const char *text)
{
    return pn_bytes(strlen(text), text);
}

static void put_filter(pn_data_t *filter, struct source_position position)
{
    char *expression = receiver_link_filter(position);
    (void)pn_data_put_map(filter);
    (void)pn_data_enter(filter);
    (void)pn_data_put_symbol(filter, bytes_of("apache.org:selector-filter:string"));
    (void)pn_data_put_described(filter);
    (void)pn_data_enter(filter);
    (void)pn_data_put_ulong(filter, UINT64_C(0x0000468C00000004));
    (void)pn_data_put_string(filter, bytes_of(expression));
    (void)pn_data_exit(filter);
    (void)pn_data_exit(filter);
    free(expression);
}

static void put_properties(pn_data_t *properties, const char *node, int64_t token)
{
    (void)pn_data_put_map(properties);
    (void)pn_data_enter(properties);
    (void)pn_data_put_symbol(properties, bytes_of("com.microsoft:receiver-name"));
    (void)pn_data_put_string(properties, bytes_of(node));
    if (token != SOURCE_NO_TOKEN) {
        (void)pn_data_put_symbol(properties, bytes_of("com.microsoft:epoch"));
        (void)pn_data_put_long(properties, token);
    }
    (void)pn_data_exit(properties);
}

pn_link_t *receiver_link_create(pn_session_t *session, const struct receiver_link *what)
{
    uint64_t unique;
    random_secret(&unique, sizeof unique);
    char *address =
        xasprintf("%s/ConsumerGroups/%s/Partitions/%s", what->hub, what->group, what->partition);
    char *name = xasprintf("%s-%016" PRIx64, address, unique);
    pn_link_t *link = pn_receiver(session, name);
    pn_terminus_set_address(pn_link_source(link), address);
    pn_terminus_set_address(pn_link_target(link), what->node);
    put_filter(pn_terminus_filter(pn_link_source(link)), what->position);
    put_properties(pn_link_properties(link), what->node, what->token);
    pn_link_set_snd_settle_mode(link, PN_SND_SETTLED);
    pn_link_set_max_message_size(link, EVENTHUBS_MESSAGE_BYTES);
    free(address);
    free(name);
    return link;
}
