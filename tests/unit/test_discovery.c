#include "source/eventhubs/discovery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct connection_string iot_hub = {
    .host = "lab.azure-devices.net", .key_name = "service", .key = "c2VjcmV0", .iot_hub = true};

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static void a_redirect_names_the_endpoint(void **state)
{
    (void)state;
    static const struct {
        struct redirect redirect;
        const char *host, *hub;
        uint16_t port;
    } good[] = {
        {{TEXT("ns-1.servicebus.windows.net"), TEXT("ns-1.servicebus.windows.net"),
          TEXT("amqps://ns-1.servicebus.windows.net:5671/iothub-ehub-lab-1-abc/$management"), 5671},
         "ns-1.servicebus.windows.net",
         "iothub-ehub-lab-1-abc",
         5671},
        {{TEXT("localhost"), TEXT(""), TEXT("amqp://localhost:2567/telemetry-2/$management"), 2567},
         "localhost",
         "telemetry-2",
         2567},
        {{TEXT(""), TEXT("there"), TEXT("amqps://here/e/$management"), 0}, "there", "e", 5671},
        {{TEXT(""), TEXT(""), TEXT("amqps://here:5671/e/$management"), 0}, "here", "e", 5671},
        {{TEXT("there"), TEXT(""), TEXT("amqps://there:5671/e/"), 5671}, "there", "e", 5671},
        {{TEXT(""), TEXT(""), TEXT("amqps://here:443/e/$management"), 0}, "here", "e", 443},
        {{TEXT(""), TEXT(""), TEXT("amqps://here:x/e/$management"), 0}, "here", "e", 5671},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct connection_string c;
        struct error err;
        assert_true(discovery_endpoint(&good[i].redirect, &iot_hub, &c, &err));
        assert_string_equal(c.host, good[i].host);
        assert_string_equal(c.authority, good[i].host);
        assert_string_equal(c.hub, good[i].hub);
        assert_string_equal(c.key_name, "service");
        assert_string_equal(c.key, "c2VjcmV0");
        assert_int_equal(c.port, good[i].port);
        assert_false(c.iot_hub || c.plain);
        connection_string_free(&c);
    }
}

static void a_redirect_to_nowhere_is_refused(void **state)
{
    (void)state;
    static const struct redirect bad[] = {
        {.port = 5671},
        {.host = TEXT("h")},
        {.host = TEXT("h"), .address = TEXT("amqps://h:5671")},
        {.host = TEXT("h"), .address = TEXT("amqps://h:5671/")},
        {.host = TEXT("h"), .address = TEXT("amqps://h:5671/$management")},
        {.host = TEXT("h"), .address = TEXT("amqps://h:5671//$management")},
        {.host = TEXT("h"), .address = TEXT("e/$management")},
        {.host = TEXT("h"), .address = TEXT("amqps://h/e'x/$management")},
        {.host = TEXT("h"), .address = TEXT("amqps://h/a/b/$management")},
        {.host = TEXT("h/x"), .address = TEXT("amqps://h/e/$management")},
        {.host = TEXT("h\0x"), .address = TEXT("amqps://h/e/$management")},
        {.host = TEXT("h"), .address = TEXT("amqps://h/e/$management"), .port = 65536},
        {.host = TEXT("h"), .address = TEXT("amqps://h/e/$management"), .port = -1},
        {.address = TEXT("amqps:///e/$management")},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct connection_string c;
        struct error err;
        if (discovery_endpoint(&bad[i], &iot_hub, &c, &err))
            fail_msg("accepted number %zu", i);
        assert_non_null(strstr(err.message, iot_hub.host));
        assert_true(strlen(err.hint) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redirect_names_the_endpoint),
        cmocka_unit_test(a_redirect_to_nowhere_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
