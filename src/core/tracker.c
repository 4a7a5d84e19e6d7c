#include "core/tracker.h"

#include "base/memory.h"

#include <stdlib.h>

/* Long enough for every offset that is a number; one entry is then one cache line. */
#define OFFSET_INLINE 30u
#define CAPACITY_MIN 16u

/* An open event, or a run of completed ones behind an open one: of those only the last counts, for
 * where the prefix will end. */
struct tracked {
    uint64_t ticket; /* of the last event; tickets rise along the ring */
    int64_t sequence;
    int64_t enqueued_ms;
    uint32_t bytes;
    bool completed;
    uint8_t offset_n; /* OFFSET_HEAP: too long to stand here */
    union {
        char text[OFFSET_INLINE];
        struct slice heap;
    } offset;
};

#define OFFSET_HEAP UINT8_MAX

struct tracker {
    struct tracked *ring; /* by position modulo capacity, a power of two */
    uint32_t capacity;
    uint32_t max_events;
    size_t max_bytes;
    uint64_t head; /* position of the oldest open event */
    uint64_t tail; /* position of the next entry */
    uint64_t next_ticket;
    uint32_t open;
    size_t open_bytes;
    int64_t highest_completed;
    bool has_prefix;
    struct tracked prefix; /* the last event of the completed prefix */
    int64_t taken;         /* its sequence that is saved */
};

static struct tracked *at(const struct tracker *t, uint64_t position)
{
    return &t->ring[position & (t->capacity - 1)];
}

static struct slice offset_of(const struct tracked *event)
{
    if (event->offset_n == OFFSET_HEAP)
        return event->offset.heap;
    return (struct slice){event->offset.text, event->offset_n};
}

static void set_offset(struct tracked *event, struct slice offset)
{
    if (offset.n > OFFSET_INLINE) {
        event->offset_n = OFFSET_HEAP;
        event->offset.heap = (struct slice){xstrndup(offset.p, offset.n), offset.n};
        return;
    }
    event->offset_n = (uint8_t)offset.n;
    if (offset.n > 0)
        memcpy(event->offset.text, offset.p, offset.n);
}

static void free_offset(const struct tracked *event)
{
    if (event->offset_n == OFFSET_HEAP)
        free((char *)(uintptr_t)event->offset.heap.p);
}

struct tracker *tracker_create(uint32_t max_events, size_t max_bytes)
{
    struct tracker *t = xcalloc(1, sizeof *t);
    t->next_ticket = 1;
    t->highest_completed = INT64_MIN;
    t->taken = INT64_MIN;
    tracker_set_limits(t, max_events, max_bytes);
    return t;
}

void tracker_free(struct tracker *t)
{
    if (t == NULL)
        return;
    tracker_reset(t);
    free(t);
}

void tracker_set_limits(struct tracker *t, uint32_t max_events, size_t max_bytes)
{
    t->max_events = max_events > 0 ? max_events : 1;
    t->max_bytes = max_bytes;
}

static uint32_t held(const struct tracker *t)
{
    return (uint32_t)(t->tail - t->head);
}

/* Joins completed entries that stand beside each other: at most one is left for each open one. */
static void join_runs(struct tracker *t)
{
    uint64_t to = t->head;
    for (uint64_t from = t->head + 1; from < t->tail; from++) {
        if (at(t, from)->completed && at(t, to)->completed)
            free_offset(at(t, to));
        else
            to++;
        *at(t, to) = *at(t, from);
    }
    t->tail = to + 1;
}

static void grow(struct tracker *t)
{
    uint32_t capacity = t->capacity ? t->capacity * 2 : CAPACITY_MIN;
    struct tracked *ring = xmalloc(capacity * sizeof *ring);
    for (uint64_t position = t->head; position < t->tail; position++)
        ring[position & (capacity - 1)] = *at(t, position);
    free(t->ring);
    t->ring = ring;
    t->capacity = capacity;
}

/* So that a hole does not fill memory however long it lasts: the ring grows only with what is
 * open. Joining pays off when it frees a good part of the ring. */
static void make_room(struct tracker *t)
{
    if (held(t) < t->capacity)
        return;
    if (held(t) - t->open > t->capacity / 2)
        join_runs(t);
    if (held(t) > t->capacity - t->capacity / 4 || t->capacity == 0)
        grow(t);
}

static const struct tracked *newest(const struct tracker *t)
{
    if (t->tail > t->head)
        return at(t, t->tail - 1);
    return t->has_prefix ? &t->prefix : NULL;
}

void tracker_begin_behind(struct tracker *t, const struct tracker_mark *mark)
{
    t->prefix = (struct tracked){
        .sequence = mark->sequence, .enqueued_ms = mark->enqueued_ms, .completed = true};
    set_offset(&t->prefix, mark->offset);
    t->has_prefix = true;
    t->highest_completed = mark->sequence;
}

uint64_t tracker_begin(struct tracker *t, int64_t sequence, struct slice offset,
                       int64_t enqueued_ms, size_t bytes)
{
    const struct tracked *last = newest(t);
    if (t->open >= t->max_events || (last != NULL && sequence <= last->sequence))
        return 0;
    make_room(t);
    struct tracked *event = at(t, t->tail++);
    event->ticket = t->next_ticket++;
    event->sequence = sequence;
    event->enqueued_ms = enqueued_ms;
    event->bytes = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
    event->completed = false;
    set_offset(event, offset);
    t->open++;
    t->open_bytes += event->bytes;
    return event->ticket;
}

/* The entry of a ticket. As long as nothing was joined or cut it stands as far from the head as
 * its ticket is from the head's, and never further. */
static struct tracked *find(const struct tracker *t, uint64_t ticket)
{
    if (t->tail == t->head || ticket < at(t, t->head)->ticket)
        return NULL;
    uint64_t low = t->head, high = t->tail - 1;
    uint64_t guess = ticket - at(t, t->head)->ticket;
    if (guess < high - low)
        high = low + guess;
    if (at(t, high)->ticket == ticket)
        return at(t, high);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (at(t, middle)->ticket < ticket)
            low = middle + 1;
        else
            high = middle;
    }
    return at(t, low)->ticket == ticket ? at(t, low) : NULL;
}

/* Moves the head over what is completed; the last of it becomes the prefix. */
static void advance(struct tracker *t)
{
    uint64_t from = t->head;
    while (t->head < t->tail && at(t, t->head)->completed)
        t->head++;
    if (t->head == from)
        return;
    for (uint64_t position = from; position < t->head - 1; position++)
        free_offset(at(t, position));
    free_offset(&t->prefix);
    t->prefix = *at(t, t->head - 1);
    t->has_prefix = true;
}

void tracker_complete(struct tracker *t, uint64_t ticket)
{
    struct tracked *event = find(t, ticket);
    if (event == NULL || event->completed)
        return;
    event->completed = true;
    t->open--;
    t->open_bytes -= event->bytes;
    if (event->sequence > t->highest_completed)
        t->highest_completed = event->sequence;
    advance(t);
}

static void describe(const struct tracked *event, struct tracker_mark *mark)
{
    *mark = (struct tracker_mark){offset_of(event), event->sequence, event->enqueued_ms};
}

bool tracker_checkpoint(const struct tracker *t, struct tracker_mark *mark)
{
    if (!t->has_prefix)
        return false;
    describe(&t->prefix, mark);
    return t->prefix.sequence > t->taken;
}

void tracker_taken(struct tracker *t, const struct tracker_mark *mark)
{
    if (mark->sequence > t->taken)
        t->taken = mark->sequence;
}

void tracker_untaken(struct tracker *t)
{
    t->taken = INT64_MIN;
}

bool tracker_newest(const struct tracker *t, struct tracker_mark *mark)
{
    const struct tracked *last = newest(t);
    if (last == NULL)
        return false;
    describe(last, mark);
    return true;
}

bool tracker_oldest(const struct tracker *t, struct tracker_mark *mark)
{
    if (t->tail == t->head)
        return false;
    describe(at(t, t->head), mark); /* whatever is completed before it has become the prefix */
    return true;
}

uint32_t tracker_in_flight(const struct tracker *t)
{
    return t->open;
}

uint32_t tracker_held(const struct tracker *t)
{
    return held(t);
}

size_t tracker_bytes(const struct tracker *t)
{
    return t->open_bytes;
}

uint32_t tracker_room(const struct tracker *t)
{
    if (t->open_bytes >= t->max_bytes || t->open >= t->max_events)
        return 0;
    return t->max_events - t->open;
}

int64_t tracker_highest_completed(const struct tracker *t)
{
    return t->highest_completed;
}

void tracker_cut(struct tracker *t, int64_t above_sequence)
{
    while (t->tail > t->head && at(t, t->tail - 1)->sequence > above_sequence) {
        const struct tracked *event = at(t, --t->tail);
        if (!event->completed) {
            t->open--;
            t->open_bytes -= event->bytes;
        }
        free_offset(event);
    }
}

void tracker_reset(struct tracker *t)
{
    tracker_cut(t, INT64_MIN);
    free_offset(&t->prefix);
    free(t->ring);
    t->ring = NULL;
    t->capacity = 0;
    t->prefix = (struct tracked){.sequence = 0};
    t->has_prefix = false;
    t->highest_completed = INT64_MIN;
    t->taken = INT64_MIN;
}
