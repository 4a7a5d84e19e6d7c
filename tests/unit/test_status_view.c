/* The inside of the status page: nothing foreign is understood as HTML, its size is bounded, and it
 * says what it does not know. */
#include "admin/status_html.h"
#include "admin/status_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CEILING = 1 << 20, BOUND = 400 * 1000 };

#define EVIL "</td><script>alert(1)</script>\\u0001\\\"'&amp;<!--"

static struct view_own own;
static struct status_view view;
static struct buffer html;

static int set_up(void **state)
{
    (void)state;
    own = (struct view_own){.node = {.name = "node-1", .session_state = "live", .trusted = true}};
    view = (struct status_view){
        .own = &own, .cluster_ms = -1, .history = status_history_create(), .wall_ms = 3723000};
    buffer_init(&html, CEILING);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_free(&html);
    status_history_free((struct status_history *)view.history);
    return 0;
}

static const char *written(void)
{
    buffer_clear(&html);
    status_view_write(&view, &html);
    assert_false(html.overflowed);
    return buffer_text(&html);
}

static void says(const char *text)
{
    if (strstr(buffer_text(&html), text) == NULL)
        fail_msg("\"%s\" is not in %s", text, buffer_text(&html));
}

static void hides(const char *text)
{
    if (strstr(buffer_text(&html), text) != NULL)
        fail_msg("\"%s\" is in %s", text, buffer_text(&html));
}

/* Every element that is opened is closed, in order; attributes hold no quotes of others. */
static void check_nesting(const char *text)
{
    static const char *const empty[] = {"path", "rect"};
    char open[64][16];
    size_t depth = 0;
    for (const char *p = strchr(text, '<'); p != NULL; p = strchr(p, '<')) {
        bool closes = p[1] == '/';
        const char *name = p + (closes ? 2 : 1), *end = strchr(p, '>');
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");
        assert_non_null(end);
        assert_true(n > 0 && n < sizeof open[0]);
        bool is_empty = false;
        for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
            is_empty |= strlen(empty[i]) == n && strncmp(empty[i], name, n) == 0;
        if (closes) {
            assert_true(depth > 0);
            depth--;
            if (strlen(open[depth]) != n || strncmp(open[depth], name, n) != 0)
                fail_msg("%s is closed by %.30s", open[depth], p);
        } else if (!is_empty) {
            assert_true(depth < sizeof open / sizeof open[0]);
            (void)snprintf(open[depth++], sizeof open[0], "%.*s", (int)n, name);
        }
        p = end;
    }
    assert_int_equal(depth, 0);
}

static void test_before_the_database_has_answered(void **state)
{
    (void)state;
    own.partitions[0] = (struct view_partition){"demo", "7", "reading", 12, 3400};
    own.partition_count = own.partitions_total = 1;
    own.destinations[0] = (struct view_place){"plant", "unreachable", false};
    own.destination_count = own.destinations_total = 1;
    check_nesting(written());
    says("Asking the database");
    says("data-again=\"400\"");
    says("Partitions of this node");
    says("3.4\xc2\xa0s");
    says("unreachable");
    says("As of 01:02:03 UTC");
}

static void test_the_database_is_away(void **state)
{
    (void)state;
    struct error why, err;
    error_set(&why, "could not connect");
    (void)error_detail(&why, "server <b> is \"away\"\n");
    (void)error_hint(&why, "Look at it.");
    view.problem = &why;
    check_nesting(written());
    says("The database is away");
    says("could not connect: server &lt;b&gt; is &quot;away&quot;.</p>");
    says("Only what this node knows");
    struct cluster *cluster = cluster_parse("{\"nodes\":{\"live\":3}}", &err);
    view.cluster = cluster;
    view.cluster_ms = 125000;
    check_nesting(written());
    says("<b>2\xc2\xa0min 5\xc2\xa0s</b> old");
    says("data-again=\"2000\"");
    view.problem = NULL; /* it hangs: nobody has said so yet */
    check_nesting(written());
    says("What the database said is <b>2\xc2\xa0min 5\xc2\xa0s</b> old");
    cluster_free(cluster);
}

static void test_verdicts(void **state)
{
    (void)state;
    struct error err;
    static const struct {
        const char *findings, *verdict;
    } cases[] = {
        {"{\"total\":0,\"rows\":[]}", "All is well"},
        {"{\"total\":1,\"rows\":[{\"severity\":\"notice\"}]}", "All is well"},
        {"{\"total\":1,\"rows\":[{\"severity\":\"warning\"}]}", ">1 warning<"},
        {"{\"total\":3,\"rows\":[{\"severity\":\"error\"},{\"severity\":\"warning\"},"
         "{\"severity\":\"warning\"}]}",
         ">1 error and 2 warnings<"},
        {"{\"total\":0,\"rows\":[]},\"nodes\":{\"rows\":[{\"state\":\"live\"},{\"state\":\"died\"}]"
         "}",
         ">1 node has died<"},
        {"null", "Looking"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[256] = "";
        (void)snprintf(json, sizeof json, "{\"findings\":%s}", cases[i].findings);
        struct cluster *cluster = cluster_parse(json, &err);
        assert_non_null(cluster);
        view.cluster = cluster;
        view.findings = cluster->findings_total >= 0 ? cluster : NULL;
        check_nesting(written());
        says(cases[i].verdict);
        cluster_free(cluster);
    }
}

static const char evil[] =
    "{\"leader\":{\"node\":\"" EVIL "\",\"since_ms\":61000},"
    "\"nodes\":{\"total\":2,\"live\":1,\"versions\":1,\"rows\":[{\"node\":\"" EVIL
    "\",\"state\":\"" EVIL "\",\"leader\":true,\"partitions\":1},"
    "{\"node\":\"node-1\",\"state\":\"live\",\"report_ms\":60000,\"partitions\":1234567}]},"
    "\"partitions\":{\"total\":1,\"rows\":[{\"hub\":\"" EVIL "\",\"partition\":\"" EVIL
    "\",\"owner\":\"" EVIL "\",\"state\":\"" EVIL "\",\"lag_ms\":5}]},"
    "\"hubs\":{\"total\":1,\"rows\":[{\"name\":\"" EVIL "\",\"problem\":\"" EVIL
    "\",\"enabled\":true,\"down\":1}]},"
    "\"destinations\":{\"total\":1,\"rows\":[{\"name\":\"" EVIL "\",\"state\":\"" EVIL
    "\",\"reason\":\"" EVIL "\"}]},"
    "\"letters\":{\"waiting\":5,\"more\":true,\"reasons\":[{\"reason\":\"" EVIL "\",\"count\":5}]},"
    "\"events\":[{\"ago_ms\":1,\"kind\":\"" EVIL "\",\"text\":\"" EVIL "\"}],"
    "\"findings\":{\"total\":1,\"rows\":[{\"severity\":\"" EVIL "\",\"subject\":\"" EVIL
    "\",\"error\":\"" EVIL "\",\"detail\":\"" EVIL "\",\"hint\":\"" EVIL "\"}]}}";

static void test_hostile_names(void **state)
{
    (void)state;
    struct error err;
    struct cluster *cluster = cluster_parse(evil, &err);
    assert_non_null(cluster);
    view.cluster = view.findings = cluster;
    own.node.name = cluster->leader;
    check_nesting(written());
    hides("<script");
    hides("<!--");
    says("&lt;script&gt;alert(1)&lt;/script&gt;\xef\xbf\xbd&quot;&#39;&amp;amp;");
    says("1,234,567");
    says("silent");
    cluster_free(cluster);
    /* And what this node tells by itself. */
    static const char name[] = "<script>\xff\n";
    own.node.name = name;
    view.cluster = view.findings = NULL;
    own.partitions[0] = (struct view_partition){name, name, name, 1, 1};
    own.hubs[0] = own.destinations[0] = (struct view_place){name, name, true};
    own.partition_count = own.hub_count = own.destination_count = 1;
    check_nesting(written());
    hides("<script");
    says("&lt;script&gt;\xef\xbf\xbd ");
}

/* As many rows of as long texts as the reading of the database's answer lets through. */
static char *flood(void)
{
    struct buffer json;
    char text[2001] = "";
    memset(text, '<', sizeof text - 1);
    buffer_init(&json, (size_t)1 << 26);
    (void)buffer_append_text(&json, "{");
    static const char *const lists[] = {"nodes", "partitions", "hubs", "destinations", "findings"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        (void)buffer_printf(&json, "\"%s\":{\"total\":10000,\"live\":1000,\"rows\":[", lists[i]);
        for (int row = 0; row < 1000; row++)
            (void)buffer_printf(&json,
                                "%s{\"node\":\"%s\",\"name\":\"%s\",\"hub\":\"%s\",\"partition\":"
                                "\"%d\",\"owner\":\"%s\",\"state\":\"owned\",\"detail\":\"%s\"}",
                                row > 0 ? "," : "", text, text, text, row, text, text);
        (void)buffer_append_text(&json, "]},");
    }
    (void)buffer_append_text(&json, "\"leader\":null}");
    char *copy = strdup(buffer_text(&json));
    buffer_free(&json);
    return copy;
}

static void test_size_is_bounded(void **state)
{
    (void)state;
    struct error err;
    char *json = flood();
    struct cluster *cluster = cluster_parse(json, &err);
    free(json);
    assert_non_null(cluster);
    view.cluster = view.findings = cluster;
    struct status_history *history = (struct status_history *)view.history;
    for (int step = 0; step < HISTORY_POINTS; step++) {
        status_history_step(history);
        for (int i = 0; i < 10000; i += 7) {
            char partition[16] = "";
            (void)snprintf(partition, sizeof partition, "%d", i);
            status_history_put_partition(history, cluster->partitions[0].hub, partition, step);
        }
    }
    check_nesting(written());
    says("20 of 10,000");
    print_message("%zu bytes\n", html.n);
    assert_in_range(html.n, 10000, BOUND);
    cluster_free(cluster);
}

static void test_parsing(void **state)
{
    (void)state;
    struct error err;
    static const char *const bad[] = {"", "[]", "null", "{", "17", "\"x\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_null(cluster_parse(bad[i], &err));
        assert_string_not_equal(err.hint, "");
    }
    assert_null(cluster_parse(NULL, &err));
    struct cluster *c = cluster_parse(
        "{\"leader\":7,\"nodes\":[],\"partitions\":{\"rows\":{}},\"events\":[1]}", &err);
    assert_non_null(c);
    assert_null(c->leader);
    assert_int_equal(c->nodes_live, -1);
    assert_int_equal(c->partition_count, 0);
    assert_int_equal(c->event_count, 1);
    assert_int_equal(c->findings_total, -1);
    view.cluster = c;
    check_nesting(written());
    cluster_free(c);
    cluster_free(NULL);
}

static const char *form(void (*put)(struct buffer *, int64_t), int64_t value)
{
    buffer_clear(&html);
    put(&html, value);
    return buffer_text(&html);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_string_equal(form(html_count, 0), "0");
    assert_string_equal(form(html_count, 999), "999");
    assert_string_equal(form(html_count, 1000), "1,000");
    assert_string_equal(form(html_count, 12034005), "12,034,005");
    assert_string_equal(form(html_count, -1), "\xe2\x80\x93");
    assert_string_equal(form(html_count, INT64_MAX), "9,223,372,036,854,775,807");
    assert_string_equal(form(html_duration, 0), "0\xc2\xa0ms");
    assert_string_equal(form(html_duration, 9999), "9.9\xc2\xa0s");
    assert_string_equal(form(html_duration, 59999), "59\xc2\xa0s");
    assert_string_equal(form(html_duration, 60000), "1\xc2\xa0min");
    assert_string_equal(form(html_duration, 3661000), "1\xc2\xa0h 1\xc2\xa0min");
    assert_string_equal(form(html_duration, INT64_C(90000000)), "1\xc2\xa0"
                                                                "d 1\xc2\xa0h");
    assert_string_equal(form(html_duration, -1), "\xe2\x80\x93");
    assert_string_equal(form(html_age, 59999), "59\xc2\xa0s");
    assert_string_equal(form(html_age, 3599999), "59\xc2\xa0min");
    assert_string_equal(form(html_age, 3600000), "1\xc2\xa0h");
    assert_string_equal(form(html_age, INT64_C(172800000)), "2\xc2\xa0"
                                                            "d");
    assert_string_equal(form(html_age, -1), "\xe2\x80\x93");
    assert_string_equal(form(html_size, 2048), "2\xc2\xa0MiB");
    assert_string_equal(form(html_size, INT64_C(20) << 20), "20\xc2\xa0GiB");
}

static void test_history(void **state)
{
    (void)state;
    struct status_history *h = (struct status_history *)view.history;
    int64_t points[HISTORY_POINTS];
    assert_false(status_history_get_partition(h, "a", "1", points));
    for (int i = 0; i < 3 * HISTORY_POINTS; i++) {
        status_history_step(h);
        if (i % 2 == 0)
            status_history_put(h, HISTORY_NODE_RATE, i);
        if (i < HISTORY_POINTS)
            status_history_put_partition(h, "a", "1", i);
        status_history_put_partition(h, "a", "2", i);
    }
    status_history_get(h, HISTORY_NODE_RATE, points);
    assert_int_equal(points[HISTORY_POINTS - 1], -1);
    assert_int_equal(points[HISTORY_POINTS - 2], 3 * HISTORY_POINTS - 2);
    assert_int_equal(points[0], 2 * HISTORY_POINTS);
    /* What is not read here any more is forgotten with its last point. */
    assert_false(status_history_get_partition(h, "a", "1", points));
    assert_true(status_history_get_partition(h, "a", "2", points));
    assert_int_equal(points[0], 2 * HISTORY_POINTS);
    for (int i = 0; i < 2 * HISTORY_PARTITIONS_CEILING; i++) {
        char partition[16] = "";
        (void)snprintf(partition, sizeof partition, "%d", i);
        status_history_put_partition(h, "b", partition, 1);
    }
    assert_true(status_history_get_partition(h, "b", "9", points));
    assert_false(status_history_get_partition(h, "b", "2000", points));
    assert_false(status_history_get_partition(h, "", "9", points));
}

static void test_lines(void **state)
{
    (void)state;
    static const int64_t points[] = {-1, 5, -1, -1, 10, 20, 0};
    html_spark(&html, points, 7, 1, "what", true);
    says("class=\"spark small\"");
    says("d=\"M40 29h.1L 40 29M160 20h.1L 160 20 200 2 240 38\"");
    hides("area");
    buffer_clear(&html);
    html_spark(&html, points, 7, 40, "what", false);
    says("d=\"M40 39V33.5L 40 33.5V39ZM160 39V29L 160 29 200 20 240 38V39Z\"");
    buffer_clear(&html);
    static const int64_t none[] = {-1, -1};
    html_spark(&html, none, 2, 0, "what", false);
    says("d=\"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_before_the_database_has_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_database_is_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_verdicts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_size_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parsing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_history, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
