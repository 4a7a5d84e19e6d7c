/* The metrics registry and its text format. */
#include "base/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct metrics *metrics;
static struct buffer text;

static int set_up(void **state)
{
    (void)state;
    metrics = metrics_create();
    buffer_init(&text, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    metrics_free(metrics);
    buffer_free(&text);
    return 0;
}

/* What is written after the registry's own counter. */
static const char *written(void)
{
    static const char own[] = "holdfast_metrics_series_dropped_total 0\n";
    buffer_clear(&text);
    assert_true(metrics_write(metrics, METRICS_TEXT, &text));
    const char *found = strstr(buffer_text(&text), own);
    assert_non_null(found);
    return found + sizeof own - 1;
}

static void test_counters_only_rise(void **state)
{
    (void)state;
    struct metric *plain = metric_counter(metrics, "a_total", "All of them.", NULL);
    struct metric *labelled = metric_counter(metrics, "a_total", "unused", "hub=\"x\"");
    metric_add(plain, 1);
    metric_add(plain, 2);
    metric_add(plain, -5);
    metric_add(plain, NAN);
    metric_set(labelled, 7);
    assert_true(metric_value(plain) == 3.0);
    assert_string_equal(written(), "# HELP a_total All of them.\n# TYPE a_total counter\n"
                                   "a_total 3\na_total{hub=\"x\"} 7\n");
}

static void test_gauges_rise_and_fall(void **state)
{
    (void)state;
    struct metric *gauge = metric_gauge(metrics, "g_seconds", "One\nline \\ only.", NULL);
    metric_set(gauge, 1.5);
    metric_add(gauge, -2);
    assert_string_equal(
        written(),
        "# HELP g_seconds One\\nline \\\\ only.\n# TYPE g_seconds gauge\ng_seconds -0.5\n");
}

static void test_numbers_read_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {0.1, "0.1"},
        {1.0 / 3, "0.33333333333333331"},
        {9007199254740991.0, "9007199254740991"},
        {1e21, "1e+21"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
        {NAN, "NaN"},
    };
    struct metric *gauge = metric_gauge(metrics, "g", "G.", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "\ng %s\n", cases[i].text);
        metric_set(gauge, cases[i].value);
        assert_non_null(strstr(written(), line));
    }
}

static void test_histograms_are_cumulative(void **state)
{
    (void)state;
    static const double bounds[] = {0.1, 1, 10};
    struct metric *histogram = metric_histogram(metrics, "h_seconds", "H.", "hub=\"x\"", bounds, 3);
    static const double seen[] = {0.05, 0.1, 0.5, 10, 11, NAN};
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++)
        metric_observe(histogram, seen[i]);
    assert_true(metric_value(histogram) == 5.0);
    assert_string_equal(written(), "# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
                                   "h_seconds_bucket{hub=\"x\",le=\"0.1\"} 2\n"
                                   "h_seconds_bucket{hub=\"x\",le=\"1\"} 3\n"
                                   "h_seconds_bucket{hub=\"x\",le=\"10\"} 4\n"
                                   "h_seconds_bucket{hub=\"x\",le=\"+Inf\"} 5\n"
                                   "h_seconds_sum{hub=\"x\"} 21.65\n"
                                   "h_seconds_count{hub=\"x\"} 5\n");
}

static void test_a_histogram_without_labels_and_bounds(void **state)
{
    (void)state;
    struct metric *histogram = metric_histogram(metrics, "h", "H.", NULL, NULL, 0);
    metric_observe(histogram, 2);
    assert_string_equal(written(), "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\n"
                                   "h_sum 2\nh_count 1\n");
}

static void test_same_name_and_labels_are_the_same_metric(void **state)
{
    (void)state;
    struct metric *one = metric_gauge(metrics, "g", "G.", "a=\"1\"");
    assert_ptr_equal(one, metric_gauge(metrics, "g", "G.", "a=\"1\""));
    assert_ptr_not_equal(one, metric_gauge(metrics, "g", "G.", "a=\"2\""));
}

static void test_removed_metrics_are_not_written(void **state)
{
    (void)state;
    struct metric *one = metric_gauge(metrics, "g", "G.", "a=\"1\"");
    struct metric *two = metric_gauge(metrics, "g", "G.", "a=\"2\"");
    metric_remove(metrics, one);
    assert_string_equal(written(), "# HELP g G.\n# TYPE g gauge\ng{a=\"2\"} 0\n");
    metric_remove(metrics, two);
    assert_string_equal(written(), "");
    metric_remove(metrics, NULL);
}

static void test_series_that_are_not_set_again_are_forgotten(void **state)
{
    (void)state;
    struct metric_family *family = metric_family(metrics, false, "g", "G.");
    metric_family_begin(family);
    metric_family_set(family, "a=\"1\"", 1);
    metric_family_set(family, "a=\"2\"", 2);
    metric_family_end(family);
    assert_string_equal(written(), "# HELP g G.\n# TYPE g gauge\ng{a=\"1\"} 1\ng{a=\"2\"} 2\n");
    metric_family_begin(family);
    metric_family_set(family, "a=\"2\"", 3);
    metric_family_end(family);
    assert_string_equal(written(), "# HELP g G.\n# TYPE g gauge\ng{a=\"2\"} 3\n");
    metric_family_begin(family);
    metric_family_end(family);
    assert_string_equal(written(), "");
}

static void test_openmetrics_tells_units_and_ends(void **state)
{
    (void)state;
    static const double bounds[] = {0.5, 1};
    metric_add(metric_counter(metrics, "a_bytes_total", "All \"of\" them.", NULL), 2);
    metric_set(metric_gauge(metrics, "g", "G.", NULL), 1);
    metric_observe(metric_histogram(metrics, "h_seconds", "H.", NULL, bounds, 2), 0.7);
    buffer_clear(&text);
    assert_true(metrics_write(metrics, METRICS_OPENMETRICS, &text));
    const char *found = strstr(buffer_text(&text), "# HELP a_bytes ");
    assert_non_null(found);
    assert_string_equal(found,
                        "# HELP a_bytes All \\\"of\\\" them.\n# TYPE a_bytes counter\n"
                        "# UNIT a_bytes bytes\na_bytes_total 2\n# HELP g G.\n# TYPE g gauge\ng 1\n"
                        "# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
                        "# UNIT h_seconds seconds\nh_seconds_bucket{le=\"0.5\"} 0\n"
                        "h_seconds_bucket{le=\"1.0\"} 1\nh_seconds_bucket{le=\"+Inf\"} 1\n"
                        "h_seconds_sum 0.7\nh_seconds_count 1\n# EOF\n");
}

static void test_labels_are_escaped(void **state)
{
    (void)state;
    struct buffer labels;
    buffer_init(&labels, 1024);
    assert_true(metrics_label(&labels, "hub", SLICE_LITERAL("a\"b\\c\nd")));
    assert_true(metrics_label(&labels, "partition", SLICE_LITERAL("0")));
    assert_string_equal(buffer_text(&labels), "hub=\"a\\\"b\\\\c\\nd\",partition=\"0\"");
    buffer_free(&labels);
}

static void test_the_number_of_series_is_bounded(void **state)
{
    (void)state;
    struct metric *last = NULL;
    for (int i = 0; i < METRICS_SERIES_CEILING + 3; i++) {
        char labels[32];
        (void)snprintf(labels, sizeof labels, "n=\"%d\"", i);
        last = metric_counter(metrics, "many_total", "Many.", labels);
    }
    metric_add(last, 1);
    assert_true(metric_value(last) == 1.0);
    assert_true(metrics_write(metrics, METRICS_TEXT, &text));
    assert_non_null(strstr(buffer_text(&text), "\nholdfast_metrics_series_dropped_total 3\n"));
    assert_non_null(strstr(buffer_text(&text), "many_total{n=\"1999\"} 0\n"));
    assert_null(strstr(buffer_text(&text), "n=\"2000\""));
    metric_remove(metrics, last);
}

static void test_a_full_buffer_is_noticed(void **state)
{
    (void)state;
    struct buffer small;
    buffer_init(&small, 20);
    assert_false(metrics_write(metrics, METRICS_TEXT, &small));
    buffer_free(&small);
}

static void test_without_a_registry_nothing_happens(void **state)
{
    (void)state;
    static const double bounds[] = {1};
    struct metric *metric = metric_counter(NULL, "a_total", "A.", NULL);
    assert_null(metric);
    assert_null(metric_gauge(NULL, "a", "A.", NULL));
    assert_null(metric_histogram(NULL, "a", "A.", NULL, bounds, 1));
    struct metric_family *family = metric_family(NULL, true, "a_total", "A.");
    assert_null(family);
    metric_family_begin(family);
    metric_family_set(family, "", 1);
    metric_family_end(family);
    metric_add(metric, 1);
    metric_set(metric, 1);
    metric_observe(metric, 1);
    metric_remove(NULL, metric);
    assert_true(metric_value(metric) == 0.0);
    assert_true(metrics_write(NULL, METRICS_TEXT, &text));
    metrics_free(NULL);
}

static void two_kinds(void)
{
    (void)metric_gauge(metrics, "g", "G.", NULL);
    (void)metric_histogram(metrics, "g", "G.", NULL, NULL, 0);
}

static void counter_without_total(void)
{
    (void)metric_counter(metrics, "a", "A.", NULL);
}

static void gauge_with_total(void)
{
    (void)metric_gauge(metrics, "a_total", "A.", NULL);
}

static void upper_case(void)
{
    (void)metric_gauge(metrics, "Gauge", "A.", NULL);
}

static void a_histograms_suffix(void)
{
    (void)metric_gauge(metrics, "a_count", "A.", NULL);
}

static void falling_bounds(void)
{
    static const double bounds[] = {2, 1};
    (void)metric_histogram(metrics, "h", "H.", NULL, bounds, 2);
}

static void two_sets_of_bounds(void)
{
    static const double bounds[] = {1, 2};
    (void)metric_histogram(metrics, "h", "H.", "a=\"1\"", bounds, 2);
    (void)metric_histogram(metrics, "h", "H.", "a=\"2\"", bounds, 1);
}

static void test_mistakes_end_the_process(void **state)
{
    (void)state;
    static void (*const mistakes[])(void) = {
        two_kinds,           counter_without_total, gauge_with_total,  upper_case,
        a_histograms_suffix, falling_bounds,        two_sets_of_bounds};
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        int status = 0;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)signal(SIGABRT, SIG_DFL);
            (void)fclose(stderr);
            mistakes[i]();
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counters_only_rise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gauges_rise_and_fall, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_histograms_are_cumulative, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_histogram_without_labels_and_bounds, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_same_name_and_labels_are_the_same_metric, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_removed_metrics_are_not_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_series_that_are_not_set_again_are_forgotten, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_openmetrics_tells_units_and_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_labels_are_escaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_number_of_series_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_buffer_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_registry_nothing_happens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mistakes_end_the_process, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
