/* Translate, trackers and lanes together, against a made-up hub and a made-up ThingWorx, by a
 * seed: partitions are read, handed over and lost, requests fail in every way, and a ledger that
 * knows nothing of the code under test says whether anything was lost, repeated or out of order. */
#include "core/lane.h"
#include "core/tracker.h"

#include "base/memory.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PARTITIONS = 4, EVENTS = 250, ROWS = 5, THINGS = 6, WIRE = 4, REQUEST = 64 };

/* What became of one row, counted where it ends up. */
struct fate {
    unsigned accepted, dead;
    bool may_repeat;
};

struct part {
    int id;
    struct tracker *tracker;
    int64_t next;         /* sequence to read next, from 1 */
    int64_t saved;        /* checkpoint */
    bool handing;         /* a planned hand-over is under way */
    int64_t hand_over_at; /* the last sequence that is still to be finished */
    int64_t last[THINGS]; /* the last row that each Thing got first from here */
    struct fate fates[EVENTS + 1][ROWS];
};

struct row_id {
    int part, sequence, row;
};

struct request {
    struct lane *lane;
    uint32_t count;
    struct row_id rows[REQUEST];
};

struct refused {
    struct parcel *parcel;
    struct row_id row;
};

struct model {
    struct random random;
    int64_t now;
    struct lanes *lanes;
    struct rows scratch;
    struct buffer body;
    struct part parts[PARTITIONS];
    struct request wire[WIRE];
    unsigned wire_count;
    struct refused office[4 * REQUEST]; /* rows on their way to the dead letters */
    unsigned office_count;
    bool calm; /* no more faults */
};

static bool chance(struct model *m, unsigned percent)
{
    return !m->calm && random_below(&m->random, 100) < percent;
}

/* --- the hub: the same events whenever they are read --------------------------------------- */

static uint64_t draw(int part, int64_t sequence, int what)
{
    struct random random;
    random_seed(&random, (uint64_t)sequence * 1000 + (uint64_t)part * 10 + (uint64_t)what);
    return random_next(&random);
}

static int row_count(int part, int64_t sequence)
{
    return (int)(draw(part, sequence, 1) % (ROWS + 1));
}

static int thing_of(int part, int64_t sequence)
{
    return (int)(draw(part, sequence, 2) % THINGS);
}

/* Some Things lack a property, and some values are refused wherever they go. */
static bool is_bad(int part, int64_t sequence, int row)
{
    bool no_property = thing_of(part, sequence) == 0 && row == 2;
    return no_property || draw(part, sequence, 3 + row) % 40 == 0;
}

/* --- the platform's ledger ----------------------------------------------------------------- */

static void accept_row(struct model *m, const struct row_id *id)
{
    struct part *part = &m->parts[id->part];
    assert_false(is_bad(id->part, id->sequence, id->row));
    if (part->fates[id->sequence][id->row].accepted++ > 0)
        return;
    int64_t *last = &part->last[thing_of(id->part, id->sequence)];
    int64_t place = (int64_t)id->sequence * ROWS + id->row;
    if (place <= *last)
        fail_msg("partition %d: event %d row %d came late", id->part, id->sequence, id->row);
    *last = place;
}

/* Everything up to the sequence was delivered or is a dead letter. */
static void check_covered(const struct part *part, int64_t upto)
{
    for (int64_t s = part->saved + 1; s <= upto; s++)
        for (int row = 0; row < row_count(part->id, s); row++) {
            const struct fate *fate = &part->fates[s][row];
            if (fate->accepted + fate->dead == 0)
                fail_msg("partition %d: checkpoint %lld, but event %lld row %d is lost", part->id,
                         (long long)upto, (long long)s, row);
        }
}

/* --- handlers ------------------------------------------------------------------------------ */

/* Reads "partition:sequence:row". */
static struct row_id identify(const char *value)
{
    int numbers[3];
    const char *p = value;
    for (int i = 0; i < 3; i++) {
        char *end;
        assert_true(*p == (i == 0 ? '"' : ':'));
        numbers[i] = (int)strtol(p + 1, &end, 10);
        p = end;
    }
    assert_true(*p == '"');
    return (struct row_id){numbers[0], numbers[1], numbers[2]};
}

static const char *value_of(const char *row)
{
    return strstr(row, "\"value\":{\"value\":") + strlen("\"value\":{\"value\":");
}

static void on_completed(void *ctx, struct parcel *parcel)
{
    (void)ctx;
    struct part *part = parcel->partition;
    uint32_t before = tracker_in_flight(part->tracker);
    tracker_complete(part->tracker, parcel->ticket);
    assert_int_equal(tracker_in_flight(part->tracker), before - 1);
}

static void on_refused(void *ctx, struct parcel *parcel, uint32_t row, const char *reason,
                       const char *detail)
{
    struct model *m = ctx;
    (void)detail;
    assert_string_equal(reason, "refused");
    struct buffer text;
    buffer_init(&text, TRANSLATE_TEXT_MAX);
    assert_true(parcel_row(parcel, row, &text));
    struct row_id id = identify(value_of(buffer_text(&text)));
    buffer_free(&text);
    assert_true(is_bad(id.part, id.sequence, id.row));
    m->office[m->office_count++] = (struct refused){parcel, id};
}

/* --- steps --------------------------------------------------------------------------------- */

static void read_event(struct model *m, struct part *part)
{
    static const struct translate_rules rules;
    if (part->handing || part->next > EVENTS || tracker_room(part->tracker) == 0)
        return;
    struct buffer json;
    char thing[16];
    char offset[16];
    int64_t s = part->next++;
    int count = row_count(part->id, s);
    buffer_init(&json, 4096);
    buffer_append_text(&json, "{\"nothing\":null");
    for (int row = 0; row < count; row++)
        buffer_printf(&json, ",\"p%d\":\"%d:%d:%d\"", row, part->id, (int)s, row);
    buffer_append_text(&json, "}");
    assert_true(translate_in_place(buffer_slice(&json), 1, &rules, &m->scratch, NULL));
    (void)snprintf(offset, sizeof offset, "%lld", (long long)s);
    struct parcel_origin origin = {.partition = part, .sequence = s};
    origin.ticket = tracker_begin(part->tracker, s, slice_from(offset), s, json.n);
    assert_int_not_equal(origin.ticket, 0);
    (void)snprintf(thing, sizeof thing, "thing%d", thing_of(part->id, s));
    if (count > 0)
        lanes_push(m->lanes, slice_from(thing), parcel_create(&m->scratch, &origin));
    else
        tracker_complete(part->tracker, origin.ticket);
    buffer_free(&json);
}

static void send_request(struct model *m)
{
    struct lane *lane = m->wire_count < WIRE ? lanes_next(m->lanes, m->now) : NULL;
    if (lane == NULL)
        return;
    struct request *request = &m->wire[m->wire_count++];
    request->lane = lane;
    request->count = 0;
    buffer_clear(&m->body);
    uint32_t n = lane_take(lane, &m->body);
    const char *p = strstr(buffer_text(&m->body), "\"rows\":[");
    while ((p = strstr(p, "{\"name\":")) != NULL) {
        p = value_of(p);
        request->rows[request->count++] = identify(p);
    }
    assert_int_equal(request->count, n);
}

static bool has_bad(const struct request *request)
{
    for (uint32_t i = 0; i < request->count; i++)
        if (is_bad(request->rows[i].part, request->rows[i].sequence, request->rows[i].row))
            return true;
    return false;
}

static void accept_all(struct model *m, const struct request *request, bool reply_lost)
{
    for (uint32_t i = 0; i < request->count; i++) {
        const struct row_id *id = &request->rows[i];
        accept_row(m, id);
        if (reply_lost)
            m->parts[id->part].fates[id->sequence][id->row].may_repeat = true;
    }
}

static enum lane_verdict judge(struct model *m, const struct request *request)
{
    if (chance(m, 8))
        return LANE_RETRY;
    if (chance(m, 5))
        return LANE_UNPROVEN;
    if (request->count > 20)
        return LANE_SPLIT;
    if (has_bad(request))
        return chance(m, 30) ? LANE_UNPROVEN : LANE_SUSPECT;
    if (chance(m, 5)) {
        accept_all(m, request, true);
        return LANE_RETRY;
    }
    accept_all(m, request, false);
    return LANE_ACCEPTED;
}

static void answer_request(struct model *m)
{
    if (m->wire_count == 0)
        return;
    uint64_t i = random_below(&m->random, m->wire_count);
    struct request request = m->wire[i];
    m->wire[i] = m->wire[--m->wire_count];
    enum lane_verdict verdict = judge(m, &request);
    lane_answer(m->lanes, request.lane, verdict, m->now + (int64_t)random_below(&m->random, 20), "",
                m->now);
}

static void bury_row(struct model *m)
{
    if (m->office_count == 0)
        return;
    uint64_t i = random_below(&m->random, m->office_count);
    struct refused refused = m->office[i];
    m->office[i] = m->office[--m->office_count];
    if (!refused.parcel->dropped)
        m->parts[refused.row.part].fates[refused.row.sequence][refused.row.row].dead++;
    lanes_row_done(m->lanes, refused.parcel);
}

static void save(struct part *part)
{
    struct tracker_mark mark;
    if (!tracker_checkpoint(part->tracker, &mark))
        return;
    assert_true(mark.sequence > part->saved);
    assert_int_equal(strtol(mark.offset.p, NULL, 10), mark.sequence);
    check_covered(part, mark.sequence);
    part->saved = mark.sequence;
    tracker_taken(part->tracker, &mark);
}

static int64_t greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The hand-over rule as lane.h states it. */
static void begin_hand_over(struct model *m, struct part *part)
{
    int64_t keep = greater(lanes_touched(m->lanes, part), tracker_highest_completed(part->tracker));
    (void)lanes_drop(m->lanes, part, keep);
    tracker_cut(part->tracker, keep);
    part->hand_over_at = greater(keep, part->saved);
    part->handing = true;
}

static void end_hand_over(struct model *m, struct part *part)
{
    if (chance(m, 2)) {
        /* Called off: reading goes on behind what was kept. */
        struct tracker_mark mark;
        part->handing = false;
        part->next = tracker_newest(part->tracker, &mark) ? mark.sequence + 1 : part->saved + 1;
        return;
    }
    if (lanes_pending(m->lanes, part) > 0 || tracker_in_flight(part->tracker) > 0)
        return;
    save(part);
    assert_int_equal(part->saved, part->hand_over_at);
    for (int64_t s = part->saved + 1; s <= EVENTS; s++)
        for (int row = 0; row < ROWS; row++)
            if (!part->fates[s][row].may_repeat)
                assert_int_equal(part->fates[s][row].accepted + part->fates[s][row].dead, 0);
    tracker_reset(part->tracker);
    part->next = part->saved + 1;
    part->handing = false;
}

static void lose(struct model *m, struct part *part)
{
    lanes_abandon(m->lanes, part);
    assert_int_equal(lanes_pending(m->lanes, part), 0);
    tracker_reset(part->tracker);
    for (int64_t s = part->saved + 1; s < part->next; s++)
        for (int row = 0; row < ROWS; row++)
            part->fates[s][row].may_repeat = true;
    part->next = part->saved + 1;
    part->handing = false;
}

static void step(struct model *m)
{
    struct part *part = &m->parts[random_below(&m->random, PARTITIONS)];
    m->now++;
    switch (random_below(&m->random, 6)) {
    case 0:
    case 1:
        read_event(m, part);
        break;
    case 2:
        send_request(m);
        break;
    case 3:
        answer_request(m);
        break;
    case 4:
        bury_row(m);
        break;
    default:
        save(part);
        break;
    }
    if (part->handing)
        end_hand_over(m, part);
    else if (chance(m, 1) && chance(m, 30))
        begin_hand_over(m, part);
    else if (chance(m, 1) && chance(m, 10))
        lose(m, part);
}

static bool all_saved(const struct model *m)
{
    for (int p = 0; p < PARTITIONS; p++)
        if (m->parts[p].saved < EVENTS)
            return false;
    return true;
}

static void check_ledger(const struct model *m)
{
    for (int p = 0; p < PARTITIONS; p++)
        for (int64_t s = 1; s <= EVENTS; s++)
            for (int row = 0; row < row_count(p, s); row++) {
                const struct fate *fate = &m->parts[p].fates[s][row];
                unsigned wanted = is_bad(p, s, row) ? fate->dead : fate->accepted;
                unsigned other = is_bad(p, s, row) ? fate->accepted : fate->dead;
                assert_int_equal(other, 0);
                if (wanted != 1 && !(wanted > 1 && fate->may_repeat))
                    fail_msg("partition %d event %lld row %d: %u times", p, (long long)s, row,
                             wanted);
            }
}

static void run(uint64_t seed)
{
    struct model *m = xcalloc(1, sizeof *m);
    struct lane_handlers handlers = {m, on_completed, on_refused};
    random_seed(&m->random, seed);
    rows_init(&m->scratch);
    struct lane_limits limits = {(uint32_t)(1 + random_below(&m->random, REQUEST - 1)),
                                 1000 + random_below(&m->random, 5000)};
    m->lanes = lanes_create(&limits, &handlers);
    buffer_init(&m->body, lanes_body_ceiling(m->lanes));
    for (int p = 0; p < PARTITIONS; p++) {
        m->parts[p].id = p;
        m->parts[p].next = 1;
        m->parts[p].tracker = tracker_create((uint32_t)(1 + random_below(&m->random, 60)), 100000);
    }
    for (int steps = 0; !all_saved(m); steps++) {
        m->calm = steps > 60000;
        assert_true(steps < 200000);
        step(m);
    }
    /* Late answers to what was lost meanwhile. */
    while (m->wire_count > 0 || m->office_count > 0) {
        answer_request(m);
        bury_row(m);
    }
    check_ledger(m);
    struct lanes_counts counts = lanes_counts(m->lanes);
    assert_int_equal(counts.parcels, 0);
    assert_int_equal(counts.rows, 0);
    assert_int_equal(counts.lanes, 0);
    assert_int_equal(counts.bytes, 0);
    for (int p = 0; p < PARTITIONS; p++)
        tracker_free(m->parts[p].tracker);
    lanes_free(m->lanes);
    rows_free(&m->scratch);
    buffer_free(&m->body);
    free(m);
}

/* HOLDFAST_SEED runs one seed alone. */
static void nothing_is_lost_repeated_or_out_of_order(void **state)
{
    (void)state;
    const char *one = getenv("HOLDFAST_SEED");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    uint64_t last = one ? first : 60;
    for (uint64_t seed = first; seed <= last; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        run(seed);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_repeated_or_out_of_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
