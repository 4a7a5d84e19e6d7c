/* What happens again and again: told at once, then counted. */
#include "base/clock.h"
#include "base/log_repeats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FLOOD = 100000 };

static const struct log_event known[] = {
    {"source_down", "source down", LOG_REPEATS, "It connects again."},
    {"base_url_left", "base URL left", LOG_REPEATS, "It is probed."},
    {"partition_stolen", "stolen", LOG_EACH, "A promise hangs on it."},
};

static struct log_repeats *repeats;
static int64_t now;

static int set_up(void **state)
{
    (void)state;
    repeats = log_repeats_create();
    now = 1000 * SECOND_US;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    log_repeats_free(repeats);
    return 0;
}

/* How many were not told before this one, which is; -1: it is not told. */
static int note(const char *hub, const char *message)
{
    static int retry_ms;
    uint64_t untold;
    struct error err;
    error_set(&err, "%s", message);
    struct log_field fields[] = {
        F_TEXT("hub", hub), F_NUMBER("retry_ms", ++retry_ms), {.key = NULL}};
    return log_repeats_note(repeats, &known[0], LOG_WARNING, fields, &err, now, &untold)
               ? (int)untold
               : -1;
}

static void the_first_is_told_and_the_count_later(void **state)
{
    (void)state;
    assert_int_equal(note("a", "refused"), 0);
    for (int i = 0; i < 37; i++) {
        now += 100 * MS_US;
        assert_int_equal(note("a", "refused"), -1);
    }
    now += LOG_REPEAT_SECONDS * SECOND_US;
    assert_int_equal(note("a", "refused"), 37);
    assert_int_equal(note("a", "refused"), -1);
    now += LOG_REPEAT_SECONDS * SECOND_US;
    assert_int_equal(note("a", "refused"), 1);
    now += LOG_REPEAT_SECONDS * SECOND_US;
    assert_int_equal(note("a", "refused"), 0);
}

static void another_subject_error_event_or_level_is_another_thing(void **state)
{
    (void)state;
    uint64_t untold;
    assert_int_equal(note("a", "refused"), 0);
    assert_int_equal(note("b", "refused"), 0);
    assert_int_equal(note("a", "unknown"), 0);
    struct error err;
    error_set(&err, "refused");
    struct log_field fields[] = {F_TEXT("hub", "a"), {.key = NULL}};
    assert_true(log_repeats_note(repeats, &known[1], LOG_WARNING, fields, &err, now, &untold));
    assert_true(log_repeats_note(repeats, &known[0], LOG_ERROR, fields, &err, now, &untold));
    assert_false(log_repeats_note(repeats, &known[0], LOG_ERROR, fields, &err, now, &untold));
    assert_true(log_repeats_note(repeats, &known[0], LOG_ERROR, fields, NULL, now, &untold));
}

static void numbers_do_not_make_another_error(void **state)
{
    (void)state;
    assert_int_equal(note("a", "no answer for 17 ms from pid 4711"), 0);
    assert_int_equal(note("a", "no answer for 255 ms from pid 9"), -1);
}

static void what_ends_is_told_in_the_end(void **state)
{
    (void)state;
    struct log_repeated due;
    assert_int_equal(note("a", "refused"), 0);
    assert_false(log_repeats_due(repeats, now + 100 * SECOND_US, &due));
    for (int i = 0; i < 3; i++)
        assert_int_equal(note("a", "refused"), -1);
    assert_false(log_repeats_due(repeats, now + LOG_REPEAT_SECONDS * SECOND_US, &due));
    now += (int64_t)2 * LOG_REPEAT_SECONDS * SECOND_US;
    assert_true(log_repeats_due(repeats, now, &due));
    assert_ptr_equal(due.event, &known[0]);
    assert_int_equal(due.level, LOG_WARNING);
    assert_string_equal(due.subject, "hub=a");
    assert_int_equal(due.count, 3);
    assert_false(log_repeats_due(repeats, now, &due));
    assert_int_equal(note("a", "refused"), 0);
}

/* Memory is bounded, and what finds no room is told. */
static void a_flood_of_subjects_loses_nothing(void **state)
{
    (void)state;
    int told = 0, counted = 0;
    struct log_repeated due;
    for (int i = 0; i < FLOOD; i++) {
        char hub[32];
        (void)snprintf(hub, sizeof hub, "hub-%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
                       'a' + i / 676 % 26);
        int untold = note(hub, "refused");
        told += untold >= 0;
        counted += untold > 0 ? untold : 0;
        now += MS_US;
    }
    while (log_repeats_due(repeats, INT64_MAX, &due))
        counted += (int)due.count;
    assert_int_equal(told + counted, FLOOD);
}

/* The whole log: what is told each time is never counted, and at debug everything is told. */
static size_t lines_of(enum log_level least, int which, const char **text)
{
    static char *kept;
    size_t n = 0, lines = 0;
    free(kept);
    kept = NULL;
    FILE *out = open_memstream(&kept, &n);
    struct log *log = log_open(out, LOG_LOGFMT, least, "n1");
    log_know(log, known, sizeof known / sizeof known[0]);
    for (int i = 0; i < 5; i++)
        log_write(log, LOG_WARNING, known[which].message,
                  LOG_FIELDS(F_TEXT("hub", "a"), F_NUMBER("i", i)));
    assert_int_equal(log_lines(log, LOG_WARNING) + log_untold(log), 5);
    log_close(log);
    (void)fclose(out);
    for (const char *c = kept; *c != '\0'; c++)
        lines += *c == '\n';
    *text = kept;
    return lines;
}

static void a_log_collapses_what_may_be_collapsed(void **state)
{
    (void)state;
    const char *text;
    assert_int_equal(lines_of(LOG_INFO, 0, &text), 2);
    assert_non_null(strstr(text, " event=source_down msg=\"source down\" hub=a i=0\n"));
    assert_non_null(
        strstr(text, " event=source_down msg=\"source down\" repeated=4 subject=\"hub=a\"\n"));
    assert_int_equal(lines_of(LOG_INFO, 2, &text), 5);
    assert_int_equal(lines_of(LOG_DEBUG, 0, &text), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_is_told_and_the_count_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_subject_error_event_or_level_is_another_thing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_do_not_make_another_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_ends_is_told_in_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_of_subjects_loses_nothing, set_up, tear_down),
        cmocka_unit_test(a_log_collapses_what_may_be_collapsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
