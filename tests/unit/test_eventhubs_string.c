#include "source/eventhubs/connection_string.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define KEY "abc+/def=="
#define REST ";SharedAccessKeyName=policy;SharedAccessKey=" KEY ";EntityPath=telemetry"

static void accepted(const char *text, const char *host, const char *authority, uint16_t port,
                     bool plain)
{
    struct connection_string c;
    struct error err;
    if (!connection_string_parse(text, &c, &err))
        fail_msg("%s: %s", text, err.message);
    assert_string_equal(c.host, host);
    assert_string_equal(c.authority, authority);
    assert_string_equal(c.hub, "telemetry");
    assert_string_equal(c.key_name, "policy");
    assert_string_equal(c.key, KEY);
    assert_int_equal(c.port, port);
    assert_int_equal(c.plain, plain);
    connection_string_free(&c);
}

static void takes_real_strings_apart(void **state)
{
    (void)state;
    accepted("Endpoint=sb://iothub-ns-x-1-abc.servicebus.windows.net/" REST,
             "iothub-ns-x-1-abc.servicebus.windows.net", "iothub-ns-x-1-abc.servicebus.windows.net",
             5671, false);
    accepted("Endpoint=sb://localhost" REST ";UseDevelopmentEmulator=true", "localhost",
             "localhost", 5672, true);
    accepted("Endpoint=sb://localhost:15672/" REST ";UseDevelopmentEmulator=true;", "localhost",
             "localhost:15672", 15672, true);
    accepted("endpoint = SB://[::1]:99/ " REST ";useDevelopmentEmulator=TRUE;TransportType=Amqp",
             "::1", "[::1]:99", 99, true);
    accepted("Endpoint=sb://[::1]/" REST ";UseDevelopmentEmulator=false", "::1", "[::1]", 5671,
             false);
}

static void takes_the_string_of_an_iot_hub(void **state)
{
    (void)state;
    struct connection_string c;
    struct error err;
    assert_true(
        connection_string_parse("HostName=lab.azure-devices.net;SharedAccessKeyName=service;"
                                "SharedAccessKey=c2VjcmV0",
                                &c, &err));
    assert_true(c.iot_hub && !c.plain);
    assert_string_equal(c.host, "lab.azure-devices.net");
    assert_string_equal(c.hub, "");
    assert_string_equal(c.key, "c2VjcmV0");
    assert_int_equal(c.port, 5671);
    connection_string_free(&c);
    assert_true(connection_string_parse("HostName=localhost:25671;SharedAccessKeyName=service;"
                                        "SharedAccessKey=c2VjcmV0;UseDevelopmentEmulator=true",
                                        &c, &err));
    assert_true(c.iot_hub && c.plain);
    assert_string_equal(c.host, "localhost");
    assert_int_equal(c.port, 25671);
    connection_string_free(&c);
}

static void refused(const char *text, const char *why)
{
    struct connection_string c;
    struct error err;
    if (connection_string_parse(text, &c, &err))
        fail_msg("accepted: %s", text);
    if (strstr(err.message, why) == NULL)
        fail_msg("%s: says '%s', not '%s'", text, err.message, why);
    assert_true(strlen(err.hint) > 0);
    /* The key is never echoed. */
    assert_null(strstr(err.message, "abc"));
    assert_null(strstr(err.detail, "abc"));
    assert_null(strstr(err.hint, "abc"));
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    refused("", "empty");
    refused(NULL, "empty");
    refused(KEY, "Endpoint is missing");
    refused("Endpoint=sb://h/;SharedAccessKey=" KEY ";EntityPath=e", "SharedAccessKeyName is");
    refused("Endpoint=sb://h/;SharedAccessKeyName=p;EntityPath=e", "SharedAccessKey is missing");
    refused("Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=" KEY, "EntityPath is");
    refused("Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=" KEY ";EntityPath=",
            "EntityPath is missing");
    refused("Endpoint=sb://h/;EntityPath=a;EntityPath=b" REST, "twice");
    refused("HostName=h.azure-devices.net;SharedAccessKeyName=p;SharedAccessKey=" KEY,
            "not in base64");
    refused("HostName=h.azure-devices.net;SharedAccessKeyName=p", "SharedAccessKey is missing");
    refused("HostName=;SharedAccessKeyName=p;SharedAccessKey=abcd", "HostName is missing");
    refused("HostName=h:0;SharedAccessKeyName=p;SharedAccessKey=abcd", "host[:port]");
    refused("HostName=sb://h/;SharedAccessKeyName=p;SharedAccessKey=abcd", "host[:port]");
    refused("HostName=h;DeviceId=d;SharedAccessKey=abcd", "one device");
    refused("Endpoint=sb://h/;SharedAccessSignature=SharedAccessSignature sr=abc", "signature");
    refused("Endpoint=http://h/" REST, "sb://");
    refused("Endpoint=sb://" REST, "sb://");
    refused("Endpoint=sb://h/x" REST, "sb://");
    refused("Endpoint=sb://h:/" REST, "sb://");
    refused("Endpoint=sb://h:0/" REST, "sb://");
    refused("Endpoint=sb://h:65536/" REST, "sb://");
    refused("Endpoint=sb://h:99999999999999999999/" REST, "sb://");
    refused("Endpoint=sb://h:1x/" REST, "sb://");
    refused("Endpoint=sb://[::1" REST, "sb://");
    refused("Endpoint=sb://[::1]x/" REST, "sb://");
    refused("Endpoint=sb://[]/" REST, "sb://");
    refused("Endpoint=sb://h h/" REST, "sb://");
    refused("Endpoint=sb://u@h/" REST, "sb://");
    refused("HostName=h@x;SharedAccessKeyName=p;SharedAccessKey=abcd", "host[:port]");
    refused("Endpoint=sb://:5672/" REST, "sb://");
    refused("Endpoint=sb://h\x01/" REST, "control character");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_real_strings_apart),
        cmocka_unit_test(takes_the_string_of_an_iot_hub),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
