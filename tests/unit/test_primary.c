#include "core/primary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct primary_place known_as(const char *cluster, int timeline)
{
    struct primary_place place = {.timeline = timeline};
    (void)snprintf(place.system_identifier, sizeof place.system_identifier, "%s", cluster);
    return place;
}

static struct primary_answer writable(const char *cluster, int timeline)
{
    return (struct primary_answer){PRIMARY_WRITABLE, known_as(cluster, timeline)};
}

#define STATE(which) ((struct primary_answer){.state = (which)})

static const struct primary_place nothing = {.system_identifier = ""};

static void the_highest_timeline_wins_wherever_it_stands(void **state)
{
    (void)state;
    struct primary_answer old_first[] = {writable("7", 1), writable("7", 2), writable("7", 2)};
    assert_int_equal(primary_choose(&nothing, old_first, 3), 1);
    struct primary_answer new_first[] = {writable("7", 3), writable("7", 2)};
    assert_int_equal(primary_choose(&nothing, new_first, 2), 0);
}

static void only_a_host_that_takes_writes_is_chosen(void **state)
{
    (void)state;
    struct primary_answer answers[] = {STATE(PRIMARY_FAILED), STATE(PRIMARY_READ_ONLY),
                                       writable("7", 1), STATE(PRIMARY_ASKED)};
    assert_int_equal(primary_choose(&nothing, answers, 4), 2);
    assert_int_equal(primary_choose(&nothing, answers, 2), -1);
    assert_int_equal(primary_choose(&nothing, answers, 0), -1);
}

static void a_timeline_that_was_left_behind_is_refused(void **state)
{
    (void)state;
    struct primary_place known = known_as("7", 2);
    struct primary_answer stale[] = {writable("7", 1), STATE(PRIMARY_FAILED)};
    assert_int_equal(primary_choose(&known, stale, 2), -1);
    struct primary_answer same[] = {writable("7", 1), writable("7", 2)};
    assert_int_equal(primary_choose(&known, same, 2), 1);
    assert_true(primary_left_behind(&known, &stale[0].place));
    assert_false(primary_left_behind(&known, &same[1].place));
    assert_false(primary_left_behind(&nothing, &stale[0].place));
}

/* A restored copy has an identifier of its own: it is taken when there is nothing else. */
static void the_cluster_that_is_known_goes_before_another(void **state)
{
    (void)state;
    struct primary_place known = known_as("7", 2);
    struct primary_answer both[] = {writable("8", 9), writable("7", 2)};
    assert_int_equal(primary_choose(&known, both, 2), 1);
    struct primary_answer other[] = {writable("7", 1), writable("8", 1)};
    assert_int_equal(primary_choose(&known, other, 2), 1);
    assert_false(primary_newer(&known, &both[0].place));
    /* Unknown yet: the first that the connection string names says which cluster it is. */
    assert_int_equal(primary_choose(&nothing, both, 2), 0);
}

static void what_was_seen_is_not_forgotten_for_a_lower_one(void **state)
{
    (void)state;
    struct primary_place known = nothing;
    struct primary_place first = known_as("7", 1), second = known_as("7", 2),
                         other = known_as("8", 1);
    primary_saw(&known, &second);
    primary_saw(&known, &first);
    assert_int_equal(known.timeline, 2);
    assert_true(primary_newer(&first, &second));
    assert_false(primary_newer(&second, &second));
    primary_saw(&known, &other);
    assert_string_equal(known.system_identifier, "8");
    assert_int_equal(known.timeline, 1);
}

static void the_first_answer_waits_a_little_for_the_others(void **state)
{
    (void)state;
    struct primary_answer answers[] = {writable("7", 1), STATE(PRIMARY_ASKED)};
    assert_false(primary_settled(&nothing, answers, 2, 1000, 1000));
    assert_false(primary_settled(&nothing, answers, 2, 1000, 1000 + PRIMARY_GRACE_US - 1));
    assert_true(primary_settled(&nothing, answers, 2, 1000, 1000 + PRIMARY_GRACE_US));
    /* With nothing to use there is nothing to hurry for. */
    assert_false(primary_settled(&nothing, answers, 2, 0, INT64_MAX));
    answers[1].state = PRIMARY_FAILED;
    assert_true(primary_settled(&nothing, answers, 2, 0, 0));
}

static void a_later_timeline_than_is_known_needs_no_waiting(void **state)
{
    (void)state;
    struct primary_place known = known_as("7", 1);
    struct primary_answer answers[] = {STATE(PRIMARY_ASKED), writable("7", 2)};
    assert_true(primary_settled(&known, answers, 2, 1000, 1000));
    answers[1] = writable("7", 1);
    assert_false(primary_settled(&known, answers, 2, 1000, 1000));
    answers[1] = writable("8", 2);
    assert_false(primary_settled(&known, answers, 2, 1000, 1000));
}

static void it_says_what_to_do(void **state)
{
    (void)state;
    struct primary_place known = known_as("7", 3), found = known_as("7", 2);
    struct error why;
    primary_explain(&known, &found, &why);
    assert_non_null(strstr(why.detail, "timeline 2;"));
    assert_non_null(strstr(why.detail, "timeline 3 "));
    assert_true(strlen(why.hint) > 0 && strlen(why.hint) < sizeof why.hint - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_timeline_wins_wherever_it_stands),
        cmocka_unit_test(only_a_host_that_takes_writes_is_chosen),
        cmocka_unit_test(a_timeline_that_was_left_behind_is_refused),
        cmocka_unit_test(the_cluster_that_is_known_goes_before_another),
        cmocka_unit_test(what_was_seen_is_not_forgotten_for_a_lower_one),
        cmocka_unit_test(the_first_answer_waits_a_little_for_the_others),
        cmocka_unit_test(a_later_timeline_than_is_known_needs_no_waiting),
        cmocka_unit_test(it_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
