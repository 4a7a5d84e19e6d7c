#include "core/heartbeat.h"
#include "core/presence.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Silence of 1000 ms everywhere; PROPERTY stands for the hash of a name. */
enum { SILENCE = 1000, PROPERTY = 7 };
#define BEGIN INT64_C(1000000)

static struct lane_key key(const char *thing)
{
    return lane_key(slice_from(thing));
}

/* An event is read and goes to the Thing; true if "connected" is said with it. */
static bool hear(struct presence *p, const char *thing, int64_t at_ms)
{
    struct lane_key k = key(thing);
    struct presence_source from = {slice_from(thing), {NULL, 0}};
    presence_read(p, at_ms, true);
    return presence_tell(presence_heard(p, &k, &from, at_ms, SILENCE), PROPERTY);
}

static void load(struct presence *p, const char *thing)
{
    struct lane_key k = key(thing);
    struct presence_source from = {slice_from(thing), {NULL, 0}};
    presence_load(p, &k, &from, SILENCE);
}

/* Who is found silent now, one after the other; "" if nobody is. */
static const char *silent(struct presence *p)
{
    static char name[64];
    const struct presence_entry *entry = presence_silent(p);
    (void)snprintf(name, sizeof name, "%.*s", entry != NULL ? (int)entry->thing.n : 0,
                   entry != NULL ? entry->thing.p : "");
    return name;
}

static void told(struct presence *p, const char *thing, uint64_t round)
{
    struct lane_key k = key(thing);
    presence_told(p, &k, round);
}

/* Writes what is to be written; the last that was: "+a" or "-a". */
static const char *save(struct presence *p)
{
    static char last[64];
    struct presence_entry *entry;
    last[0] = '\0';
    while ((entry = presence_next_unsaved(p, UINT64_MAX)) != NULL) {
        (void)snprintf(last, sizeof last, "%c%.*s", entry->wanted ? '+' : '-', (int)entry->thing.n,
                       entry->thing.p);
        presence_saved(p, entry, entry->wanted, true);
    }
    return last;
}

static void said_with_the_first_event_and_after_silence(void **state)
{
    (void)state;
    struct presence p;
    presence_init(&p, PRESENCE_NO_TIME);
    assert_true(hear(&p, "a", BEGIN));
    assert_false(hear(&p, "a", BEGIN + 900));
    assert_true(hear(&p, "b", BEGIN + 1500));
    assert_string_equal(silent(&p), "");
    assert_false(hear(&p, "b", BEGIN + 1900));
    assert_string_equal(silent(&p), "a");
    assert_string_equal(silent(&p), "");
    assert_true(hear(&p, "a", BEGIN + 2000)); /* while "disconnected" is on its way */
    told(&p, "a", 1);
    assert_string_equal(silent(&p), "");
    assert_false(hear(&p, "a", BEGIN + 2100));
    presence_free(&p);
}

static void nothing_but_listening_counts_as_silence(void **state)
{
    (void)state;
    struct presence p;
    int64_t now = 5 * SECOND_US;
    presence_init(&p, PRESENCE_NO_TIME);
    presence_listen(&p, true, now); /* nothing was read yet: there is no time */
    assert_true(hear(&p, "a", BEGIN));
    presence_listen(&p, true, now += 100 * SECOND_US); /* begins here */
    presence_listen(&p, false, now += 100 * SECOND_US);
    presence_listen(&p, true, now += 100 * SECOND_US); /* and again */
    presence_listen(&p, true, now += 999500);
    assert_string_equal(silent(&p), "");
    presence_read(&p, BEGIN + 1, false); /* more is to be read */
    presence_listen(&p, true, now += 100 * SECOND_US);
    presence_read(&p, BEGIN + 2, true);
    presence_listen(&p, true, now += 100 * SECOND_US);
    assert_string_equal(silent(&p), "");
    presence_listen(&p, true, now + 500); /* halves of milliseconds count too */
    assert_string_equal(silent(&p), "a");
    presence_free(&p);
}

static void a_hand_over_is_late_and_never_early(void **state)
{
    (void)state;
    struct presence p;
    presence_init(&p, BEGIN); /* of the checkpoint */
    load(&p, "a");
    load(&p, "b");
    assert_string_equal(silent(&p), "");
    assert_true(hear(&p, "a", BEGIN + 500)); /* said once more */
    presence_read(&p, BEGIN + 999, true);
    assert_string_equal(silent(&p), "");
    presence_read(&p, BEGIN + 1000, true);
    assert_string_equal(silent(&p), "b");
    presence_free(&p);
}

static void a_hand_over_without_a_checkpoint_begins_with_the_first_event(void **state)
{
    (void)state;
    struct presence p;
    presence_init(&p, PRESENCE_NO_TIME);
    load(&p, "a");
    presence_listen(&p, true, SECOND_US);
    presence_listen(&p, true, 100 * SECOND_US);
    assert_string_equal(silent(&p), "");
    presence_read(&p, BEGIN, true);
    assert_string_equal(silent(&p), "");
    presence_read(&p, BEGIN + SILENCE, true);
    assert_string_equal(silent(&p), "a");
    presence_free(&p);
}

static void what_may_not_have_arrived_is_said_again(void **state)
{
    (void)state;
    struct presence p;
    presence_init(&p, PRESENCE_NO_TIME);
    assert_true(hear(&p, "a", BEGIN));
    assert_true(hear(&p, "b", BEGIN));
    assert_false(hear(&p, "b", BEGIN + 1000));
    assert_string_equal(silent(&p), "a");
    presence_doubt(&p);
    assert_true(hear(&p, "b", BEGIN + 1500));
    told(&p, "a", 1); /* of the round before: it counts no more */
    assert_string_equal(silent(&p), "");
    assert_false(hear(&p, "b", BEGIN + 2000));
    assert_string_equal(silent(&p), "a");
    told(&p, "a", 1);
    assert_int_equal(p.count, 2);
    assert_string_equal(save(&p), "+b");
    told(&p, "a", 2);
    assert_string_equal(save(&p), "-a");
    assert_int_equal(p.count, 1);
    presence_free(&p);
}

static void a_row_for_each_that_is_heard_of(void **state)
{
    (void)state;
    struct presence p;
    presence_init(&p, PRESENCE_NO_TIME);
    assert_true(hear(&p, "a", BEGIN));
    assert_true(presence_has_unsaved(&p, 0));
    struct presence_entry *entry = presence_next_unsaved(&p, 0);
    assert_null(presence_next_unsaved(&p, 0));
    assert_true(presence_has_unsaved(&p, 0)); /* on its way is not there */
    presence_saved(&p, entry, true, false);
    assert_true(presence_has_unsaved(&p, 0));
    assert_string_equal(save(&p), "+a");
    assert_false(presence_has_unsaved(&p, UINT64_MAX));
    assert_false(hear(&p, "a", BEGIN + 900)); /* no write for an event */
    assert_string_equal(save(&p), "");
    p.epoch = 3;
    assert_true(hear(&p, "b", BEGIN + 1901));
    assert_false(presence_has_unsaved(&p, 2));
    assert_true(presence_has_unsaved(&p, 3));
    assert_string_equal(silent(&p), "a");
    assert_true(presence_has_unsaved(&p, 3));
    assert_string_equal(save(&p), "+b");
    /* Heard of again while its row is being deleted: it is written anew. */
    told(&p, "a", 1);
    entry = presence_next_unsaved(&p, UINT64_MAX);
    assert_false(entry->wanted);
    assert_true(hear(&p, "a", BEGIN + 1950));
    presence_saved(&p, entry, false, true);
    assert_string_equal(save(&p), "+a");
    /* The database was restored: all of them again. */
    presence_unsaved(&p);
    assert_true(presence_has_unsaved(&p, UINT64_MAX));
    assert_string_not_equal(save(&p), "");
    assert_string_equal(save(&p), "");
    presence_free(&p);
}

static void rules_change(void **state)
{
    (void)state;
    struct presence p;
    presence_init(&p, PRESENCE_NO_TIME);
    assert_true(hear(&p, "a", BEGIN));
    struct lane_key k = key("a");
    struct presence_entry *entry = presence_find(&p, &k);
    presence_allow(&p, entry, 100, PROPERTY);
    assert_false(hear(&p, "a", BEGIN + 50));
    presence_allow(&p, entry, 200, PROPERTY + 1); /* another property is told */
    assert_true(hear(&p, "a", BEGIN + 60));
    presence_allow(&p, entry, 200, PROPERTY);
    presence_read(&p, BEGIN + 259, true);
    assert_string_equal(silent(&p), "");
    presence_read(&p, BEGIN + 260, true);
    assert_string_equal(silent(&p), "a");
    assert_string_equal(save(&p), "+a");
    presence_drop(&p, entry);
    assert_string_equal(save(&p), "-a");
    assert_int_equal(p.count, 0);
    assert_true(hear(&p, "a", BEGIN + 300));
    presence_drop(&p, presence_find(&p, &k)); /* before it was ever written */
    assert_int_equal(p.count, 0);
    presence_free(&p);
}

static void the_last_rule_that_fits_decides(void **state)
{
    (void)state;
    static char all[] = "all", edge[] = "edge", edges[] = "edge-*", none[] = "";
    struct heartbeat_rule rules[] = {{.name = all},
                                     {.name = edge, .devices = edges, .modules = none}};
    struct slice device = slice_from("edge-1"), module = slice_from("m"), no = {NULL, 0};
    assert_ptr_equal(heartbeat_select(rules, 2, device, no), &rules[1]);
    assert_ptr_equal(heartbeat_select(rules, 2, device, module), &rules[0]);
    assert_ptr_equal(heartbeat_select(rules, 2, slice_from("x"), no), &rules[0]);
    assert_null(heartbeat_select(&rules[1], 1, slice_from("x"), no));
    assert_null(heartbeat_select(NULL, 0, device, no));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(said_with_the_first_event_and_after_silence),
        cmocka_unit_test(nothing_but_listening_counts_as_silence),
        cmocka_unit_test(a_hand_over_is_late_and_never_early),
        cmocka_unit_test(a_hand_over_without_a_checkpoint_begins_with_the_first_event),
        cmocka_unit_test(what_may_not_have_arrived_is_said_again),
        cmocka_unit_test(a_row_for_each_that_is_heard_of),
        cmocka_unit_test(rules_change),
        cmocka_unit_test(the_last_rule_that_fits_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
