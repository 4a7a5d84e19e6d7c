#include "store/configuration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DESTINATION                                                                                \
    "{\"name\":\"d\",\"base_urls\":[\"http://a\",\"http://b\"],\"app_key_secret\":\"key\","        \
    "\"max_in_flight\":4,\"request_timeout_ms\":500,\"max_rows\":7,\"max_bytes\":2048,"            \
    "\"linger_ms\":3,\"updated_at\":\"2026-01-01T00:00:00+00:00\"}"
#define FLEET "{\"name\":\"f\",\"destination\":\"d\",\"time_member\":\"ts\",\"auto_bind\":true}"
#define HUB                                                                                        \
    "{\"name\":\"h\",\"fleet\":\"f\",\"connection_secret\":\"hub-h\",\"consumer_group\":\"$"       \
    "Default\","                                                                                   \
    "\"start_at\":\"latest\",\"start_ms\":null,\"on_new_log\":\"latest\","                         \
    "\"on_invalid_offset\":\"earliest\",\"ca_secret\":\"ca\",\"proxy\":\"p:1\",\"start_"           \
    "sequence\":null,\"enabled\":false}"
#define WHOLE(destinations, fleets, hubs)                                                          \
    "{\"version\":12,\"destinations\":" destinations ",\"fleets\":" fleets ",\"hubs\":" hubs       \
    ",\"settings\":null}"

static struct configuration *accept(const char *json)
{
    struct error err = {0};
    struct configuration *c = configuration_parse(json, &err);
    if (c == NULL)
        print_error("%s\n", err.message);
    assert_non_null(c);
    return c;
}

static void the_whole_is_read(void **state)
{
    (void)state;
    struct configuration *c = accept(WHOLE("[" DESTINATION "]", "[" FLEET "]", "[" HUB "]"));
    assert_int_equal(c->version, 12);
    const struct destination_config *d = configuration_destination(c, "d");
    assert_non_null(d);
    assert_int_equal(d->base_url_count, 2);
    assert_string_equal(d->base_urls[0], "http://a");
    assert_string_equal(d->base_urls[1], "http://b");
    assert_string_equal(d->app_key_secret, "key");
    assert_int_equal(d->max_in_flight, 4);
    assert_int_equal(d->request_timeout_ms, 500);
    assert_int_equal(d->max_rows, 7);
    assert_int_equal(d->max_bytes, 2048);
    assert_int_equal(d->linger_ms, 3);
    const struct fleet_config *f = configuration_fleet(c, "f");
    assert_non_null(f);
    assert_string_equal(f->destination, "d");
    assert_string_equal(f->time_member, "ts");
    assert_int_equal(c->hub_count, 1);
    const struct hub_config *h = &c->hubs[0];
    assert_string_equal(h->connection_secret, "hub-h");
    assert_string_equal(h->consumer_group, "$Default");
    assert_string_equal(h->ca_secret, "ca");
    assert_string_equal(h->proxy, "p:1");
    assert_true(h->start_at_latest && h->new_log_latest);
    assert_int_equal(h->start_ms, -1);
    assert_int_equal(h->start_sequence, -1);
    assert_int_equal(h->on_invalid_offset, INVALID_OFFSET_EARLIEST);
    assert_false(h->enabled);
    assert_null(configuration_destination(c, "f"));
    assert_null(configuration_fleet(c, ""));
    configuration_free(c);
}

static void what_is_null_or_missing_has_a_default(void **state)
{
    (void)state;
    struct configuration *c = accept(WHOLE(
        "[{\"name\":\"d\",\"base_urls\":[],\"app_key_secret\":\"k\",\"max_rows\":null}]",
        "[{\"name\":\"f\",\"destination\":\"d\",\"time_member\":null}]",
        "[{\"name\":\"h\",\"fleet\":\"f\",\"connection_secret\":\"s\",\"consumer_group\":\"g\","
        "\"start_ms\":1767225600000,\"start_sequence\":4711}]"));
    assert_int_equal(c->destinations[0].max_rows, 1000);
    assert_int_equal(c->destinations[0].max_in_flight, 16);
    assert_int_equal(c->destinations[0].base_url_count, 0);
    assert_null(c->fleets[0].time_member);
    assert_null(c->hubs[0].ca_secret);
    assert_null(c->hubs[0].proxy);
    assert_int_equal(c->hubs[0].start_sequence, 4711);
    assert_true(c->hubs[0].start_ms == INT64_C(1767225600000));
    assert_false(c->hubs[0].start_at_latest);
    assert_int_equal(c->hubs[0].on_invalid_offset, INVALID_OFFSET_STOP);
    assert_true(c->hubs[0].enabled);
    configuration_free(c);
}

static void nothing_configured_is_a_configuration(void **state)
{
    (void)state;
    struct configuration *c = accept(WHOLE("[]", "[]", "[]"));
    assert_int_equal(c->destination_count + c->fleet_count + c->hub_count, 0);
    assert_null(configuration_fleet(c, "f"));
    configuration_free(c);
    configuration_free(NULL);
    assert_null(configuration_fleet(NULL, "f"));
    assert_null(configuration_destination(NULL, "d"));
}

static void refuse(const char *json, const char *what)
{
    struct error err = {0};
    struct configuration *c = configuration_parse(json, &err);
    if (c != NULL)
        fail_msg("accepted %s", json);
    if (strstr(err.message, what) == NULL)
        fail_msg("\"%s\" does not say %s", err.message, what);
    assert_true(err.hint[0] != '\0');
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const rows[] = {"",
                                       "null",
                                       "[]",
                                       "5",
                                       "\"x\"",
                                       "{",
                                       "{\"version\":",
                                       "nul",
                                       "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refuse(rows[i], "not a JSON object");
    refuse("{}", "\"destinations\"");
}

/* A list that is missing is not an empty one: the node would stop all its hubs. */
static void a_list_that_is_none_is_refused(void **state)
{
    static const char *const lists[] = {"null", "{}", "5", "\"x\"", "true"};
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char json[256];
        (void)snprintf(json, sizeof json, "{\"destinations\":%s,\"fleets\":[],\"hubs\":[]}",
                       lists[i]);
        refuse(json, "\"destinations\"");
        (void)snprintf(json, sizeof json, "{\"destinations\":[],\"fleets\":%s,\"hubs\":[]}",
                       lists[i]);
        refuse(json, "\"fleets\"");
        (void)snprintf(json, sizeof json, "{\"destinations\":[],\"fleets\":[],\"hubs\":%s}",
                       lists[i]);
        refuse(json, "\"hubs\"");
    }
    refuse("{\"destinations\":[],\"fleets\":[]}", "\"hubs\"");
    refuse("{\"version\":\"1\",\"destinations\":[],\"fleets\":[],\"hubs\":[]}", "\"version\"");
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char json[256];
        (void)snprintf(json, sizeof json, WHOLE("[]", "[]", "[%s]"), lists[i]);
        refuse(json, "lacks \"name\"");
    }
}

/* `whole` with the value of one member replaced must be refused, with the member's name. */
static void refuse_each(const char *whole, const char *name, const char *const *values)
{
    char key[64];
    (void)snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(whole, key);
    assert_non_null(at);
    const char *rest = at + strlen(key);
    rest += *rest == '[' ? strcspn(rest, "]") + 1 : strcspn(rest, ",}");
    for (size_t i = 0; values[i] != NULL; i++) {
        char json[2048];
        (void)snprintf(json, sizeof json, "%.*s%s%s%s", (int)(at - whole), whole, key, values[i],
                       rest);
        refuse(json, name);
    }
}

#define EACH(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_TEXT "5", "true", "[\"x\"]", "{\"x\":1}", "\"a\\u0000b\""
#define NO_NUMBER "\"x\"", "\"5\"", "true", "1.5", "[1]", "{}"
#define NO_LIMIT NO_NUMBER, "-1", "2147483648", "9223372036854775808", "-9223372036854775809"

static void wrong_types_are_refused(void **state)
{
    (void)state;
    static const char destination[] = WHOLE("[" DESTINATION "]", "[]", "[]");
    refuse_each(destination, "name", EACH(NO_TEXT, "null"));
    refuse_each(destination, "app_key_secret", EACH(NO_TEXT, "null"));
    refuse_each(destination, "base_urls",
                EACH("null", "\"http://a\"", "[null]", "[\"http://a\",5]", "[[\"http://a\"]]"));
    refuse_each(destination, "max_in_flight", EACH(NO_LIMIT, "0"));
    refuse_each(destination, "request_timeout_ms", EACH(NO_LIMIT, "0"));
    refuse_each(destination, "max_rows", EACH(NO_LIMIT, "0"));
    refuse_each(destination, "max_bytes", EACH(NO_LIMIT, "0"));
    refuse_each(destination, "linger_ms", EACH(NO_LIMIT));
    static const char fleet[] = WHOLE("[]", "[" FLEET "]", "[]");
    refuse_each(fleet, "name", EACH(NO_TEXT, "null"));
    refuse_each(fleet, "destination", EACH(NO_TEXT, "null"));
    refuse_each(fleet, "time_member", EACH(NO_TEXT));
    static const char hub[] = WHOLE("[]", "[]", "[" HUB "]");
    refuse_each(hub, "name", EACH(NO_TEXT, "null"));
    refuse_each(hub, "fleet", EACH(NO_TEXT, "null"));
    refuse_each(hub, "connection_secret", EACH(NO_TEXT, "null"));
    refuse_each(hub, "consumer_group", EACH(NO_TEXT, "null"));
    refuse_each(hub, "start_at", EACH(NO_TEXT));
    refuse_each(hub, "start_ms", EACH(NO_NUMBER));
    refuse_each(hub, "start_sequence", EACH(NO_NUMBER));
    refuse_each(hub, "proxy", EACH(NO_TEXT));
    refuse_each(hub, "on_new_log", EACH(NO_TEXT));
    refuse_each(hub, "on_invalid_offset", EACH(NO_TEXT));
    refuse_each(hub, "ca_secret", EACH(NO_TEXT));
    refuse_each(hub, "enabled", EACH("\"false\"", "0", "1", "[]", "{}"));
}

static void the_log_level_is_read(void **state)
{
    (void)state;
    struct configuration *c = accept("{\"version\":1,\"destinations\":[],\"fleets\":[],\"hubs\":[],"
                                     "\"log_level\":{\"id\":4,\"level\":\"debug\","
                                     "\"remaining_ms\":1500}}");
    assert_int_equal(c->log_level.id, 4);
    assert_int_equal(c->log_level.level, LOG_DEBUG);
    assert_int_equal(c->log_level.for_us, 1500000);
    configuration_free(c);
    c = accept("{\"version\":1,\"destinations\":[],\"fleets\":[],\"hubs\":[],\"log_level\":null}");
    assert_int_equal(c->log_level.id, 0);
    configuration_free(c);
    struct error err;
    assert_null(configuration_parse("{\"version\":1,\"destinations\":[],\"fleets\":[],\"hubs\":[],"
                                    "\"log_level\":{\"id\":4,\"level\":\"loud\"}}",
                                    &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_level_is_read),
        cmocka_unit_test(the_whole_is_read),
        cmocka_unit_test(what_is_null_or_missing_has_a_default),
        cmocka_unit_test(nothing_configured_is_a_configuration),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(a_list_that_is_none_is_refused),
        cmocka_unit_test(wrong_types_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
