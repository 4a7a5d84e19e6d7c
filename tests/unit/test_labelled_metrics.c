/* The metrics with labels, of a node as large as one can be: the node and its client are made up
 * here. */
#include "admin/labelled_metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PAGE_CEILING = 16 * 1024 * 1024, HUBS = 20, DESTINATIONS = 10, BASE_URLS = 32 };

static int partitions, destinations;

void node_visit(const struct node *node, const struct node_visitor *visitor)
{
    (void)node;
    char name[64], other[64];
    for (int i = 0; i < partitions; i++) {
        (void)snprintf(name, sizeof name, "plant-%d", i % HUBS);
        (void)snprintf(other, sizeof other, "%d", i / HUBS);
        visitor->partition(visitor->ctx, &(struct grant_view){.hub = name,
                                                              .partition = other,
                                                              .state = OWNERSHIP_READING,
                                                              .lag_events = i,
                                                              .lag_ms = 1500});
    }
    for (int i = 0; i < destinations; i++) {
        (void)snprintf(name, sizeof name, "thingworx-%d", i);
        visitor->destination(visitor->ctx, &(struct destination_view){.name = name, .state = "ok"});
    }
    for (int i = 0; i < HUBS; i++) {
        (void)snprintf(name, sizeof name, "plant-%d", i);
        visitor->hub(visitor->ctx, &(struct hub_view){.name = name, .up = true});
    }
}

const char *thingworx_base_url(const struct thingworx *tw, size_t number, enum breaker_state *state)
{
    static char url[64];
    (void)tw;
    *state = number == 1 ? BREAKER_OPEN : BREAKER_CLOSED;
    (void)snprintf(url, sizeof url, "https://twx-%zu.example.com/Thingworx", number);
    return number < BASE_URLS ? url : NULL;
}

static struct metrics *metrics;
static struct labelled_metrics *labelled;
static struct buffer text;

static int set_up(void **state)
{
    (void)state;
    metrics = metrics_create();
    labelled = labelled_metrics_create(metrics, 7);
    buffer_init(&text, PAGE_CEILING);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    labelled_metrics_free(labelled);
    metrics_free(metrics);
    buffer_free(&text);
    return 0;
}

static size_t scrape(void)
{
    static const struct node_snapshot snapshot = {.in_state[OWNERSHIP_READING] = 3,
                                                  .counts.hand_overs[HAND_OVER_LOST] = 2};
    size_t lines = 0;
    labelled_metrics_update(labelled, NULL, &snapshot);
    buffer_clear(&text);
    assert_true(metrics_write(metrics, METRICS_TEXT, &text));
    for (const char *line = buffer_text(&text); *line != '\0'; line = strchr(line, '\n') + 1)
        lines += *line != '#';
    return lines;
}

static void has(const char *line)
{
    if (strstr(buffer_text(&text), line) == NULL)
        fail_msg("no line %s", line);
}

static void test_what_a_node_says_of_itself(void **state)
{
    (void)state;
    partitions = 2;
    destinations = 1;
    (void)scrape();
    has("\nholdfast_partition_lag_events{hub=\"plant-1\",partition=\"0\"} 1\n");
    has("\nholdfast_partition_lag_seconds{hub=\"plant-0\",partition=\"0\"} 1.5\n");
    has("\nholdfast_partitions{state=\"in_doubt\"} 0\n");
    has("\nholdfast_partitions{state=\"reading\"} 3\n");
    has("\nholdfast_hand_overs_total{kind=\"lost\"} 2\n");
    has("\nholdfast_dead_letters_total{reason=\"too_large\"} 0\n");
    has("\nholdfast_destination_state{destination=\"thingworx-0\",state=\"ok\"} 1\n");
    has("\nholdfast_destination_state{destination=\"thingworx-0\",state=\"failed\"} 0\n");
    has("\nholdfast_base_url_breaker_state{destination=\"thingworx-0\",base_url=\"https://"
        "twx-1.example.com/Thingworx\",state=\"open\"} 1\n");
    has("schema=\"7\"} 1\n");
}

static void test_what_has_gone_is_shown_no_more(void **state)
{
    (void)state;
    partitions = 40;
    destinations = 2;
    size_t many = scrape();
    partitions = 39;
    destinations = 1;
    size_t fewer = scrape();
    assert_int_equal(many - fewer, 2 + 4 + 5 + ANSWER_CLASSES + BASE_URLS * BREAKER_STATES);
    assert_null(strstr(buffer_text(&text), "thingworx-1\""));
}

static void test_a_thousand_partitions_are_all_shown(void **state)
{
    (void)state;
    partitions = 1000;
    destinations = DESTINATIONS;
    size_t lines = scrape();
    has("\nholdfast_metrics_series_dropped_total 0\n");
    has("{hub=\"plant-19\",partition=\"49\"} 999\n");
    print_message("1,000 partitions, %d hubs, %d destinations of %d base URLs: %zu series, %zu "
                  "bytes\n",
                  HUBS, DESTINATIONS, BASE_URLS, lines, text.n);
    assert_true(lines < 4000);
}

static void test_however_many_there_are_the_page_is_bounded(void **state)
{
    (void)state;
    partitions = 20000;
    destinations = 1000;
    size_t lines = scrape();
    size_t again = scrape();
    assert_int_equal(lines, again);
    assert_true(lines < (size_t)12 * METRICS_SERIES_CEILING);
    assert_true(text.n < PAGE_CEILING / 4);
    assert_null(strstr(buffer_text(&text), "\nholdfast_metrics_series_dropped_total 0\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_a_node_says_of_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_has_gone_is_shown_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_thousand_partitions_are_all_shown, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_however_many_there_are_the_page_is_bounded, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
