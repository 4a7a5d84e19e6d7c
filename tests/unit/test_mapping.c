/* Mapping rules: which event they concern, which value becomes which property. */
#include "core/mapping.h"

#include "base/memory.h"
#include "core/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AT INT64_C(1634630768641)
#define ROW(name, value, type)                                                                     \
    "{\"name\":\"" name                                                                            \
    "\",\"time\":1634630768641,\"quality\":\"GOOD\",\"value\":{\"value\":" value                   \
    ",\"baseType\":\"" type "\"}}"
#define RULE(...) ((struct mapping_rule){.name = (char *)"r", __VA_ARGS__})
#define PROPERTY(at, to, type)                                                                     \
    RULE(.action = MAPPING_PROPERTY, .pointer = (char *)(at), .property = (char *)(to),            \
         .base_type = (char *)(type))
#define DROP(at) RULE(.action = MAPPING_DROP, .pointer = (char *)(at))
#define FLATTEN(at, to)                                                                            \
    RULE(.action = MAPPING_FLATTEN, .pointer = (char *)(at), .property = (char *)(to),             \
         .separator = (char *)"_")
#define CONSTANT(to, what)                                                                         \
    RULE(.action = MAPPING_CONSTANT, .property = (char *)(to), .value = (char *)(what))

static struct rows rows;
static struct error why;

static int set_up(void **state)
{
    (void)state;
    rows_init(&rows);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rows_free(&rows);
    return 0;
}

/* The sender's properties: "name=value". */
static struct slice property_of(void *ctx, struct slice name)
{
    const char *text = ctx;
    if (text == NULL || strncmp(text, name.p, name.n) != 0 || text[name.n] != '=')
        return (struct slice){NULL, 0};
    return slice_from(text + name.n + 1);
}

static struct mapping_event event_of(const char *device, const char *module, const char *property)
{
    return (struct mapping_event){.device = slice_from(device),
                                  .module = slice_from(module),
                                  .subject = {NULL, 0},
                                  .property = property_of,
                                  .ctx = (void *)(uintptr_t)property};
}

static struct mapping *compile(const struct mapping_rule *rules, size_t count)
{
    struct mapping *mapping = mapping_compile(rules, count, &why);
    if (mapping == NULL)
        fail_msg("%s", why.message);
    return mapping;
}

static bool apply_bytes(struct mapping *mapping, const char *body, size_t n, const char *time)
{
    struct mapping_event event = event_of("press-1", "", NULL);
    const struct mapping_program *program = mapping_select(mapping, &event);
    struct translate_rules rules = {slice_from(time)};
    assert_non_null(program);
    /* An exact copy on the heap, so that the sanitizer sees every step beyond it. */
    char *copy = xmalloc(n);
    memcpy(copy, body, n);
    memset(&why, 0, sizeof why);
    bool ok = mapping_apply(mapping, program, (struct slice){copy, n}, AT, &rules, &rows, &why);
    free(copy);
    return ok;
}

static void check_rules(const struct mapping_rule *rules, size_t count, const char *body,
                        const char *expected)
{
    struct mapping *mapping = compile(rules, count);
    /* Twice: the scratch of the first event must not be seen in the second. */
    for (int i = 0; i < 2; i++) {
        if (!apply_bytes(mapping, body, strlen(body), NULL))
            fail_msg("%s: %s", body, why.message);
        assert_string_equal(buffer_text(&rows.text), expected);
    }
    mapping_free(mapping);
}
#define CHECK(body, expected, ...)                                                                 \
    do {                                                                                           \
        struct mapping_rule given[] = {__VA_ARGS__};                                               \
        check_rules(given, sizeof given / sizeof given[0], body, expected);                        \
    } while (0)

static void patterns(void **state)
{
    static const struct {
        const char *text, *pattern;
        bool like;
    } cases[] = {
        {"", "", true},
        {"", "*", true},
        {"a", "", false},
        {"a", "a", true},
        {"a", "b", false},
        {"ab", "a", false},
        {"a", "ab", false},
        {"abc", "a*", true},
        {"abc", "*c", true},
        {"abc", "a*c", true},
        {"abc", "*b*", true},
        {"abc", "**", true},
        {"abc", "a*b", false},
        {"aXbXc", "a*X*c", true},
        {"aab", "*ab", true},
        {"abab", "*ab", true},
        {"a*c", "a*c", true},
        {"press-1", "press-*", true},
        {"press-1", "*-2", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(mapping_like(slice_from(cases[i].text), cases[i].pattern), cases[i].like);
    assert_true(mapping_like(SLICE_LITERAL("x"), NULL));
}

static void rules_choose_their_events(void **state)
{
    struct mapping_rule given[] = {DROP("/a"), DROP("/b"), DROP("/c"), DROP("/d")};
    given[0].devices = (char *)"press-*";
    given[1].modules = (char *)"";
    given[1].devices = (char *)"oven";
    given[2].modules = (char *)"opc*";
    given[2].devices = (char *)"edge";
    given[3].with_property = (char *)"kind";
    given[3].with_value = (char *)"a*";
    given[3].devices = (char *)"x";
    (void)state;
    struct mapping *mapping = compile(given, 4);
    static const struct {
        const char *device, *module, *property;
        bool concerned;
    } cases[] = {{"press-1", "", NULL, true},
                 {"pres", "", NULL, false},
                 {"oven", "", NULL, true},
                 {"oven", "m", NULL, false},
                 {"edge", "opcpublisher", NULL, true},
                 {"edge", "", NULL, false},
                 {"x", "", NULL, false},
                 {"x", "", "kind=abc", true},
                 {"x", "", "kind=bc", false},
                 {"x", "", "kin=a", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mapping_event event = event_of(cases[i].device, cases[i].module, cases[i].property);
        assert_int_equal(mapping_select(mapping, &event) != NULL, cases[i].concerned);
    }
    mapping_free(mapping);
}

static void a_program_has_the_rules_that_concern_it_only(void **state)
{
    struct mapping_rule given[] = {PROPERTY("/a", "A", NULL), PROPERTY("/a", "B", NULL)};
    given[1].devices = (char *)"other";
    (void)state;
    struct mapping *mapping = compile(given, 2);
    assert_true(apply_bytes(mapping, "{\"a\":1}", 7, NULL));
    assert_string_equal(buffer_text(&rows.text), ROW("A", "1", "NUMBER"));
    mapping_free(mapping);
    /* A device may be concerned in any way; the programs are made, and made again. */
    struct mapping_rule many[12];
    char patterns_of[12][4];
    for (int i = 0; i < 12; i++) {
        many[i] = PROPERTY("/a", NULL, NULL);
        memcpy(patterns_of[i], "*a*", 4);
        patterns_of[i][1] = (char)('a' + i);
        many[i].devices = patterns_of[i];
    }
    mapping = compile(many, 12);
    for (unsigned i = 0; i < 4096; i++) {
        char device[16];
        size_t n = 0;
        for (unsigned bit = 0; bit < 12; bit++)
            if (i & (1u << bit))
                device[n++] = (char)('a' + bit);
        struct mapping_event event = event_of("", "", NULL);
        event.device = (struct slice){device, n};
        assert_int_equal(mapping_select(mapping, &event) != NULL, i > 0);
    }
    mapping_free(mapping);
}

static void values_are_renamed_dropped_and_moved(void **state)
{
    (void)state;
    CHECK("{\"a\":1,\"b\":2}", ROW("A", "1", "NUMBER") "," ROW("b", "2", "NUMBER"),
          PROPERTY("/a", "A", NULL));
    CHECK("{\"a\":1,\"b\":2}", ROW("b", "2", "NUMBER"), DROP("/a"));
    /* What is nested arrives as JSON as ever, and what is named in it besides. */
    CHECK("{\"a\":{\"b\":{\"c\":1}}}",
          ROW("a", "{\"b\":{\"c\":1}}", "JSON") "," ROW("c", "1", "NUMBER"),
          PROPERTY("/a/b/c", NULL, NULL));
    CHECK("{\"a\":{\"b\":1,\"x\":2}}", ROW("b", "1", "NUMBER"), DROP("/a"),
          PROPERTY("/a/b", NULL, NULL));
    CHECK("{\"a\":{\"b\":1}}", ROW("a", "{\"b\":1}", "JSON"), PROPERTY("/a/c", "x", NULL));
    CHECK("{\"a\":[1,{\"b\":2},3]}", ROW("B", "2", "NUMBER"), DROP("/a"),
          PROPERTY("/a/1/b", "B", NULL));
    CHECK("[1,2]", ROW("first", "1", "NUMBER"), PROPERTY("/0", "first", NULL));
    CHECK("{\"a\":1}", ROW("all", "{\"a\":1}", "JSON"), PROPERTY("", "all", NULL));
    CHECK("{\"a\":1,\"b\":2}", ROW("b", "2", "NUMBER"), DROP(""), PROPERTY("/b", NULL, NULL));
    CHECK("{\"a\":null}", "", PROPERTY("/a", "A", "NUMBER"));
    /* Names of members are found however they are escaped; ~0 and ~1 stand for ~ and /. */
    CHECK("{\"\\u0061/b~\":1}", ROW("x", "1", "NUMBER"), PROPERTY("/a~1b~0", "x", NULL));
    CHECK("{\"q\\\"\":1}", ROW("x\\\"", "1", "NUMBER"), PROPERTY("/q\"", "x\"", NULL));
    CHECK("{\"\":1}", ROW("x", "1", "NUMBER"), PROPERTY("/", "x", NULL));
}

static void objects_are_flattened(void **state)
{
    (void)state;
    CHECK("{\"a\":{\"b\":1,\"c\":{\"d\":true}},\"e\":\"x\"}",
          ROW("e", "\"x\"", "STRING") "," ROW("a_b", "1", "NUMBER") "," ROW("a_c_d", "true",
                                                                            "BOOLEAN"),
          FLATTEN("", NULL));
    CHECK("{\"a\":{\"b\":1},\"c\":{\"d\":2}}",
          ROW("c", "{\"d\":2}", "JSON") "," ROW("a_b", "1", "NUMBER"), FLATTEN("/a", NULL));
    CHECK("{\"a\":{\"b\":{\"c\":1}}}", ROW("x_b_c", "1", "NUMBER"), FLATTEN("/a", "x"));
    CHECK("{\"a\":{\"b\":{\"c\":1}}}", ROW("b_c", "1", "NUMBER"), FLATTEN("/a", ""));
    CHECK("{\"a\":{\"b\":1,\"c\":2,\"d\":3}}",
          ROW("a_b", "1", "NUMBER") "," ROW("D", "3", "NUMBER"), FLATTEN("/a", NULL), DROP("/a/c"),
          PROPERTY("/a/d", "D", NULL));
    /* An array stays one value, an object without members and a null become nothing. */
    CHECK("{\"a\":{\"b\":[1],\"c\":{},\"d\":null}}", ROW("a_b", "{\"array\":[1]}", "JSON"),
          FLATTEN("", NULL));
    CHECK("{\"a\":7}", ROW("a", "7", "NUMBER"), FLATTEN("/a", NULL));
}

static void constants_are_in_every_event(void **state)
{
    (void)state;
    CHECK("{\"a\":1}", ROW("a", "1", "NUMBER") "," ROW("site", "\"north\"", "STRING"),
          CONSTANT("site", "\"north\""));
    CHECK("{}", ROW("n", "9007199254740993", "LONG"), CONSTANT("n", "9007199254740993"));
    struct mapping_rule place = CONSTANT("where", "\"12.5, -7\"");
    place.base_type = (char *)"LOCATION";
    CHECK("{}",
          ROW("where", "{\"latitude\":12.5,\"longitude\":-7,\"elevation\":0,\"units\":\"WGS84\"}",
              "LOCATION"),
          place);
}

static void one_property_has_one_value(void **state)
{
    (void)state;
    /* Of equal names in one object the last wins, with all that is in it. */
    CHECK("{\"a\":{\"t\":1},\"a\":{\"t\":2,\"t\":3}}", ROW("T", "3", "NUMBER"), DROP("/a"),
          PROPERTY("/a/t", "T", NULL));
    CHECK("{\"a\":{\"t\":1},\"a\":5}", "", DROP("/a"), PROPERTY("/a/t", "T", NULL));
    /* Of two values for one property, what a rule names. */
    CHECK("{\"a\":1,\"x\":2}", ROW("x", "1", "NUMBER"), PROPERTY("/a", "x", NULL));
    CHECK("{\"x\":2,\"a\":1}", ROW("x", "1", "NUMBER"), PROPERTY("/a", "x", NULL));
    CHECK("{\"a\":1,\"b\":2}", ROW("x", "2", "NUMBER"), PROPERTY("/a", "x", NULL),
          PROPERTY("/b", "x", NULL));
    /* Of two rules for one pointer the later one. */
    CHECK("{\"a\":1}", ROW("second", "1", "NUMBER"), PROPERTY("/a", "first", NULL),
          PROPERTY("/a", "second", NULL));
}

static void the_time_member_counts(void **state)
{
    struct mapping_rule given[] = {DROP("/ts")};
    (void)state;
    struct mapping *mapping = compile(given, 1);
    assert_true(apply_bytes(mapping, "{\"ts\":1000,\"a\":1}", 17, "ts"));
    assert_int_equal(rows.time_ms, 1000);
    assert_int_equal(rows.count, 1);
    assert_non_null(strstr(buffer_text(&rows.text), "\"time\":1000,"));
    assert_true(apply_bytes(mapping, "{\"ts\":true,\"a\":1}", 17, "ts"));
    assert_int_equal(rows.time_ms, AT);
    assert_true(rows.time_unusable);
    mapping_free(mapping);
}

/* Value, base type wanted, what is sent, its base type. */
/* NOLINTNEXTLINE(readability-function-size): it is a table */
static void every_base_type_takes_what_fits(void **state)
{
#define PLACE(lat, lon, up)                                                                        \
    "{\"latitude\":" lat ",\"longitude\":" lon ",\"elevation\":" up ",\"units\":\"WGS84\"}"
    static const struct {
        const char *value, *wanted, *sent, *type;
    } cases[] = {
        {"1.50", "NUMBER", "1.50", "NUMBER"},
        {"\"1.5e3\"", "NUMBER", "1.5e3", "NUMBER"},
        {"true", "NUMBER", "1", "NUMBER"},
        {"\"NaN\"", "NUMBER", "\"NaN\"", "STRING"},
        {"\"Infinity\"", "NUMBER", "\"Infinity\"", "STRING"},
        {"\"\"", "NUMBER", "\"\"", "STRING"},
        {"\" 1\"", "NUMBER", "\" 1\"", "STRING"},
        {"\"1e999\"", "NUMBER", "\"1e999\"", "STRING"},
        {"{}", "NUMBER", "{}", "JSON"},
        {"9007199254740993", "NUMBER", "9007199254740993", "NUMBER"},
        {"21", "INTEGER", "21", "INTEGER"},
        {"21.00", "INTEGER", "21", "INTEGER"},
        {"21.5", "INTEGER", "21.5", "NUMBER"},
        {"2147483647", "INTEGER", "2147483647", "INTEGER"},
        {"2147483648", "INTEGER", "2147483648", "NUMBER"},
        {"-2147483648", "INTEGER", "-2147483648", "INTEGER"},
        {"false", "INTEGER", "0", "INTEGER"},
        {"\"-7\"", "INTEGER", "-7", "INTEGER"},
        {"1e3", "INTEGER", "1e3", "NUMBER"},
        {"9223372036854775807", "LONG", "9223372036854775807", "LONG"},
        {"\"9223372036854775807\"", "LONG", "9223372036854775807", "LONG"},
        {"9223372036854775808", "LONG", "9223372036854775808", "NUMBER"},
        {"99999999999999999999999999999", "LONG", "99999999999999999999999999999", "NUMBER"},
        {"1", "TIMESPAN", "1", "TIMESPAN"},
        {"\"TRUE\"", "BOOLEAN", "true", "BOOLEAN"},
        {"\"yes\"", "BOOLEAN", "false", "BOOLEAN"},
        {"\"0.0\"", "BOOLEAN", "false", "BOOLEAN"},
        {"0e5", "BOOLEAN", "false", "BOOLEAN"},
        {"-0.1", "BOOLEAN", "true", "BOOLEAN"},
        {"[]", "BOOLEAN", "{\"array\":[]}", "JSON"},
        {"1634630768641", "DATETIME", "1634630768641", "DATETIME"},
        {"1634630768641.0", "DATETIME", "1634630768641", "DATETIME"},
        {"\"1634630768641\"", "DATETIME", "1634630768641", "DATETIME"},
        {"\"2021-10-19T10:06:08.641+02:00\"", "DATETIME", "1634630768641", "DATETIME"},
        {"\"yesterday\"", "DATETIME", "\"yesterday\"", "STRING"},
        {"true", "DATETIME", "true", "BOOLEAN"},
        {"{\"longitude\":14.0,\"latitude\":12.50}", "LOCATION", PLACE("12.50", "14.0", "0"),
         "LOCATION"},
        {"{\"latitude\":1,\"longitude\":\"2\",\"elevation\":3,\"x\":[]}", "LOCATION",
         PLACE("1", "2", "3"), "LOCATION"},
        {"\"12.0,14.0\"", "LOCATION", PLACE("12.0", "14.0", "0"), "LOCATION"},
        {"\"12.0, 14.0, 16\"", "LOCATION", PLACE("12.0", "14.0", "16"), "LOCATION"},
        {"\"91,0\"", "LOCATION", "\"91,0\"", "STRING"},
        {"\"0,181\"", "LOCATION", "\"0,181\"", "STRING"},
        {"\"1,2,3,4\"", "LOCATION", "\"1,2,3,4\"", "STRING"},
        {"\"1\"", "LOCATION", "\"1\"", "STRING"},
        {"{\"latitude\":1}", "LOCATION", "{\"latitude\":1}", "JSON"},
        {"{\"latitude\":true,\"longitude\":1}", "LOCATION", "{\"latitude\":true,\"longitude\":1}",
         "JSON"},
        {"[1,2]", "LOCATION", "{\"array\":[1,2]}", "JSON"},
        {"{\"a\":1}", "JSON", "{\"a\":1}", "JSON"},
        {"[1]", "JSON", "{\"array\":[1]}", "JSON"},
        {"1", "JSON", "1", "NUMBER"},
        {"{\"a\":1}", "QUERY", "{\"a\":1}", "QUERY"},
        {"{\"dataShape\":{},\"rows\":[]}", "INFOTABLE", "{\"dataShape\":{},\"rows\":[]}",
         "INFOTABLE"},
        {"{\"rows\":[]}", "INFOTABLE", "{\"rows\":[]}", "JSON"},
        {"\"x\"", "VARIANT", "\"x\"", "VARIANT"},
        {"\"x\\n\"", "TEXT", "\"x\\n\"", "TEXT"},
        {"1.50", "STRING", "\"1.50\"", "STRING"},
        {"{\"a\":\"b\\\\\"}", "STRING", "\"{\\\"a\\\":\\\"b\\\\\\\\\\\"}\"", "STRING"},
        {"\"T1\"", "THINGNAME", "\"T1\"", "THINGNAME"},
        {"\"aGk=\"", "BLOB", "\"aGk=\"", "BLOB"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *body = xasprintf("{\"a\":%s}", cases[i].value);
        char *expected =
            xasprintf("{\"name\":\"a\",\"time\":1634630768641,\"quality\":\"GOOD\",\"value\":{"
                      "\"value\":%s,\"baseType\":\"%s\"}}",
                      cases[i].sent, cases[i].type);
        struct mapping_rule rule = PROPERTY("/a", NULL, cases[i].wanted);
        struct mapping *mapping = compile(&rule, 1);
        assert_true(apply_bytes(mapping, body, strlen(body), NULL));
        assert_string_equal(buffer_text(&rows.text), expected);
        struct mapping_origin origin = mapping_origin(mapping, 0);
        assert_ptr_equal(origin.rule, &rule);
        assert_int_equal(origin.wanted == NULL, strcmp(cases[i].wanted, cases[i].type) == 0);
        mapping_free(mapping);
        free(body);
        free(expected);
    }
}

static void what_is_no_json_is_refused(void **state)
{
    static const char *const bodies[] = {"",
                                         "{",
                                         "[",
                                         "1",
                                         "{\"a\":}",
                                         "{\"a\":1}x",
                                         "{\"a\":NaN}",
                                         "{\"a\":{\"b\":1e999}}",
                                         "{\"a\":{\"b\":\"\xff\"}}",
                                         "{\"a\" 1}"};
    struct mapping_rule given[] = {FLATTEN("", NULL), PROPERTY("/a/b", "x", "INTEGER")};
    (void)state;
    struct mapping *mapping = compile(given, 2);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_false(apply_bytes(mapping, bodies[i], strlen(bodies[i]), NULL));
        assert_int_equal(rows.count, 0);
        assert_true(strlen(why.message) > 0);
    }
    mapping_free(mapping);
}

/* The ceilings hold, and nothing is read beyond the body. */
static void ceilings(void **state)
{
    struct mapping_rule given[] = {FLATTEN("", NULL)};
    struct buffer body;
    (void)state;
    struct mapping *mapping = compile(given, 1);
    buffer_init(&body, TRANSLATE_BODY_MAX * 2);
    for (unsigned depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        buffer_clear(&body);
        for (unsigned i = 0; i < depth; i++)
            buffer_printf(&body, "{\"a\":");
        buffer_printf(&body, "1");
        for (unsigned i = 0; i < depth; i++)
            buffer_printf(&body, "}");
        assert_int_equal(apply_bytes(mapping, body.data, body.n, NULL), depth <= JSON_DEPTH_MAX);
    }
    assert_non_null(strstr(why.message, "nested too deep"));
    buffer_clear(&body);
    for (unsigned i = 0; i < TRANSLATE_ROWS_MAX; i++)
        buffer_printf(&body, "%s\"m%u\":%u", i ? "," : "{", i, i);
    buffer_printf(&body, "}");
    assert_false(apply_bytes(mapping, body.data, body.n, NULL));
    assert_non_null(strstr(why.message, "too many members"));
    /* A long name below which much is flattened: the names grow faster than the body. */
    buffer_clear(&body);
    buffer_printf(&body, "{\"%0*d\":{", 2000, 0);
    for (unsigned i = 0; i < 4000; i++)
        buffer_printf(&body, "%s\"m%u\":%u", i ? "," : "", i, i);
    buffer_printf(&body, "}}");
    assert_false(apply_bytes(mapping, body.data, body.n, NULL));
    assert_non_null(strstr(why.message, "names too long"));
    /* A huge string goes as it came. */
    buffer_clear(&body);
    buffer_printf(&body, "{\"a\":\"%0*d\"}", 1000000, 0);
    assert_true(apply_bytes(mapping, body.data, body.n, NULL));
    assert_int_equal(rows.count, 1);
    buffer_free(&body);
    mapping_free(mapping);
}

static void wide_events_and_many_rules(void **state)
{
    enum { MANY = 1000 };
    struct mapping_rule *given = xcalloc(MANY, sizeof *given);
    struct buffer body;
    (void)state;
    buffer_init(&body, 1 << 20);
    for (unsigned i = 0; i < MANY; i++) {
        given[i] = PROPERTY("", "", NULL);
        given[i].pointer = xasprintf("/m%u/v", i);
        given[i].property = xasprintf("p%u", i);
        buffer_printf(&body, "%s\"m%u\":{\"v\":%u}", i ? "," : "{", i, i);
    }
    buffer_printf(&body, "}");
    struct mapping *mapping = compile(given, MANY);
    assert_true(apply_bytes(mapping, body.data, body.n, NULL));
    assert_int_equal(rows.count, 2 * MANY);
    assert_true(
        slice_equal(rows_row(&rows, 2 * MANY - 1), SLICE_LITERAL(ROW("p999", "999", "NUMBER"))));
    mapping_free(mapping);
    for (unsigned i = 0; i < MANY; i++) {
        free(given[i].pointer);
        free(given[i].property);
    }
    free(given);
    buffer_free(&body);
}

static void rules_that_make_no_sense(void **state)
{
    (void)state;
    struct mapping_rule rule = PROPERTY("/a", NULL, "DOUBLE");
    assert_null(mapping_compile(&rule, 1, &why));
    assert_true(strlen(why.hint) > 0);
    rule = CONSTANT("a", "[1");
    assert_null(mapping_compile(&rule, 1, &why));
    struct mapping_rule many[MAPPING_SELECTORS_MAX + 1];
    char names[MAPPING_SELECTORS_MAX + 1][8];
    for (int i = 0; i <= MAPPING_SELECTORS_MAX; i++) {
        many[i] = DROP("/a");
        many[i].devices = names[i];
        names[i][0] = (char)(' ' + i);
        names[i][1] = '\0';
    }
    assert_null(mapping_compile(many, MAPPING_SELECTORS_MAX + 1, &why));
    struct mapping *mapping = compile(many, MAPPING_SELECTORS_MAX);
    mapping_free(mapping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(rules_choose_their_events),
        cmocka_unit_test(a_program_has_the_rules_that_concern_it_only),
        cmocka_unit_test(values_are_renamed_dropped_and_moved),
        cmocka_unit_test(objects_are_flattened),
        cmocka_unit_test(constants_are_in_every_event),
        cmocka_unit_test(one_property_has_one_value),
        cmocka_unit_test(the_time_member_counts),
        cmocka_unit_test(every_base_type_takes_what_fits),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(ceilings),
        cmocka_unit_test(wide_events_and_many_rules),
        cmocka_unit_test(rules_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
