/* What a hub answers besides telemetry: replies of $cbs and $management, and redirects, whatever
 * the bytes. What is read lies within the message, has the shape that is promised, and a redirect
 * gives an endpoint whose names can stand in addresses and tokens. Byte 0 chooses the kind. */
#include "source/eventhubs/conditions.h"
#include "source/eventhubs/limits.h"
#include "source/eventhubs/replies.h"

#include <proton/message.h>

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_endpoint(const struct redirect *redirect)
{
    static const struct connection_string hub = {.host = (char *)(uintptr_t) "hub.test",
                                                 .key_name = (char *)(uintptr_t) "name",
                                                 .key = (char *)(uintptr_t) "key"};
    struct connection_string endpoint;
    struct error why = {.message = ""};
    if (!discovery_endpoint(redirect, &hub, &endpoint, &why)) {
        require(why.message[0] != '\0' && why.hint[0] != '\0');
        return;
    }
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    require(endpoint.port > 0 && !endpoint.plain && !endpoint.iot_hub);
    require(endpoint.host[0] != '\0' && strspn(endpoint.host, allowed) == strlen(endpoint.host));
    require(endpoint.hub[0] != '\0' && strspn(endpoint.hub, allowed) == strlen(endpoint.hub));
    require(strcmp(endpoint.key, hub.key) == 0);
    connection_string_free(&endpoint);
}

static void read_redirect(const char *bytes, size_t n)
{
    pn_data_t *info = pn_data(16);
    struct redirect redirect = {.port = 0};
    if (pn_data_decode(info, bytes, n) > 0)
        reply_redirect(info, &redirect);
    check_endpoint(&redirect);
    /* and as text, which needs no codec */
    redirect = (struct redirect){.address = {bytes, n}};
    check_endpoint(&redirect);
    pn_data_free(info);
}

static void read_reply(const char *bytes, size_t n)
{
    pn_message_t *reply = pn_message();
    if (pn_message_decode(reply, bytes, n) == 0) {
        struct slice description = {NULL, 0};
        struct slice names[8];
        struct source_metadata metadata = {.partition_count = 0};
        struct error why;
        int status = reply_status(reply, &description);
        require(status >= 0);
        (void)reply_number(reply);
        (void)condition_of_status("refused", status, description, &why);
        require(why.message[0] != '\0');
        if (reply_metadata(pn_message_body(reply), &metadata, names, 8))
            require(metadata.partition_count > 0 && metadata.partition_count <= 8);
        for (size_t i = 0; i < metadata.partition_count; i++)
            require(names[i].n > 0);
    }
    pn_message_free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) /* Proton asserts that there are bytes */
        return 0;
    const char *bytes = (const char *)data + 1;
    struct error why;
    if (data[0] % 3 == 0)
        read_redirect(bytes, size - 1);
    else if (data[0] % 3 == 1)
        read_reply(bytes, size - 1);
    else
        (void)condition_explain("ended", (struct slice){bytes, (size - 1) / 2},
                                (struct slice){bytes + (size - 1) / 2, size - 1 - (size - 1) / 2},
                                &why);
    return 0;
}
