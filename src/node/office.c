#include "node/office.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/parcel.h"
#include "core/row_write.h"
#include "node/destination.h"
#include "node/destinations.h"
#include "node/event_context.h"
#include "node/grants.h"
#include "node/membership.h"
#include "node/parts.h"
#include "store/dead_letters.h"

#include <inttypes.h>
#include <stdlib.h>
#include <utlist.h>

/* A statement has an end, and the loop waits while it is written: letters of large events go few at
 * a time, at least one. */
enum { BATCH_MAX = 200, BATCH_BYTES = 1024 * 1024, RETRY_MS = 1000, HELD_RETRY_MS = 1000 };

struct letter {
    struct grant *grant; /* NULL once it is lost */
    uint64_t ticket;
    struct destination *destination; /* set with parcel: a single row */
    struct parcel *parcel;
    struct store_dead_letter row;  /* texts are own copies, behind this struct */
    struct source_message message; /* the same; of a whole event */
    bool sent, held;               /* held: now, or before */
    struct letter *next, *prev;
};

struct office {
    struct node_parts *node;
    struct letter *waiting;
    /* The database says that their devices have too many: the longest held first. A few are tried
     * again now and then, so that they hold up nobody else's. */
    struct letter *held;
    size_t count, held_count;
    bool storing, tried_held;
    int64_t store_at_us, held_at_us;
};

struct office *office_create(struct node_parts *node)
{
    struct office *o = xcalloc(1, sizeof *o);
    o->node = node;
    return o;
}

void office_free(struct office *o)
{
    if (o == NULL)
        return;
    struct letter *letter, *next;
    DL_CONCAT(o->waiting, o->held);
    DL_FOREACH_SAFE(o->waiting, letter, next)
    {
        DL_DELETE(o->waiting, letter);
        free(letter);
    }
    free(o);
}

static struct slice copy(char **to, struct slice from)
{
    struct slice own = {*to, from.n};
    if (from.n > 0)
        memcpy(*to, from.p, from.n);
    *to += from.n;
    return own;
}

/* `message` is that of a whole event, of which the row has only a part; NULL for a single value. */
static struct letter *letter_new(struct office *o, const struct store_dead_letter *row,
                                 const struct source_message *message)
{
    size_t message_n = message != NULL ? source_message_size(message) : 0;
    size_t n = row->device.n + row->module.n + row->offset.n + row->detail.n + row->property.n +
               row->payload.n + message_n;
    struct letter *letter = xcalloc(1, sizeof *letter + n);
    char *to = (char *)(letter + 1);
    letter->row = *row;
    if (message != NULL)
        source_message_copy(&letter->message, message, to);
    to += message_n;
    letter->row.device = copy(&to, row->device);
    letter->row.module = copy(&to, row->module);
    letter->row.offset = copy(&to, row->offset);
    letter->row.detail = copy(&to, row->detail);
    letter->row.property = copy(&to, row->property);
    letter->row.payload = copy(&to, row->payload);
    DL_APPEND(o->waiting, letter);
    o->count++;
    return letter;
}

void office_keep_event(struct office *o, struct grant *grant, uint64_t ticket,
                       const struct source_message *message, const char *reason, const char *detail)
{
    struct store_dead_letter row = {.partition_id = grant_partition_id(grant),
                                    .token = grant_token(grant),
                                    .device = message->device,
                                    .module = message->module,
                                    .offset = message->offset,
                                    .sequence = message->sequence,
                                    .enqueued_ms = message->enqueued_ms,
                                    .reason = reason,
                                    .detail = slice_from(detail),
                                    .payload = message->body,
                                    .attempts = 0};
    struct source_message context = *message;
    /* The row has them. */
    context.body = context.device = context.module = context.offset = (struct slice){NULL, 0};
    struct letter *letter = letter_new(o, &row, &context);
    letter->grant = grant;
    letter->ticket = ticket;
}

/* What tells the dead letters of one event apart: the property, and of events whose properties may
 * have several values, for several Things, the Thing and the number of the value too. */
static struct slice name_row(const struct parcel *parcel, uint32_t row, struct buffer *name)
{
    if (!parcel->repeats)
        return parcel_property(parcel, row);
    (void)buffer_append_slice(name, parcel->thing);
    (void)buffer_append_text(name, parcel->thing.n > 0 ? "/" : "");
    (void)buffer_append_slice(name, parcel_property(parcel, row));
    (void)buffer_printf(name, "@%" PRIu32, row);
    return buffer_slice(name);
}

void office_keep_row(struct office *o, struct destination *destination, struct parcel *parcel,
                     uint32_t row, const char *reason, const char *detail)
{
    struct grant *grant = parcel->partition;
    struct buffer name, row_text;
    buffer_init(&name, TRANSLATE_BODY_MAX * 2);
    buffer_init(&row_text, TRANSLATE_TEXT_MAX + ROW_SPILL);
    (void)parcel_row(parcel, row, &row_text);
    struct store_dead_letter kept = {.partition_id = grant_partition_id(grant),
                                     .token = grant_token(grant),
                                     .device = parcel->device,
                                     .module = parcel->module,
                                     .offset = parcel->offset,
                                     .sequence = parcel->sequence,
                                     .enqueued_ms = parcel->enqueued_ms,
                                     .reason = reason,
                                     .detail = slice_from(detail),
                                     .property = name_row(parcel, row, &name),
                                     .payload = buffer_slice(&row_text),
                                     .attempts = 1};
    struct letter *letter = letter_new(o, &kept, NULL);
    letter->grant = grant;
    letter->destination = destination;
    letter->parcel = parcel;
    log_warning(o->node->log, "a value is refused and kept as a dead letter",
                F_SLICE("device", parcel->device), F_SLICE("property", kept.property),
                F_TEXT("reason", reason), F_TEXT("detail", detail != NULL ? detail : ""),
                F_NUMBER("sequence", parcel->sequence), F_NUMBER("token", kept.token));
    buffer_free(&name);
    buffer_free(&row_text);
}

/* The only two that move letters between the lists. */
static void hold(struct office *o, struct letter *letter)
{
    DL_DELETE(o->waiting, letter);
    DL_APPEND(o->held, letter);
    if (o->held_count++ == 0 && !letter->held)
        log_warning(o->node->log,
                    "a device has as many dead letters as may be kept: its partition "
                    "pauses until they are replayed or discarded",
                    F_SLICE("device", letter->row.device), F_NUMBER("token", letter->row.token),
                    F_NUMBER("sequence", letter->row.sequence));
    letter->held = true;
}

static void try_held(struct office *o, size_t most)
{
    for (size_t i = 0; i < most && o->held != NULL; i++) {
        struct letter *letter = o->held;
        DL_DELETE(o->held, letter);
        DL_APPEND(o->waiting, letter);
        o->held_count--;
    }
}

/* The letter is stored, or nobody wants it any more: its event may complete. */
static void let_go(struct office *o, struct letter *letter)
{
    struct grant *grant = letter->grant;
    struct parcel *parcel = letter->parcel;
    struct destination *destination = letter->destination;
    uint64_t ticket = letter->ticket;
    DL_DELETE(o->waiting, letter);
    o->count--;
    free(letter);
    if (parcel != NULL)
        destination_row_done(destination, parcel);
    else if (grant != NULL)
        grant_complete(grant, ticket);
}

void office_drop(struct office *o, const struct grant *grant)
{
    struct letter *letter, *next;
    try_held(o, SIZE_MAX);
    DL_FOREACH_SAFE(o->waiting, letter, next)
    {
        if (letter->grant != grant)
            continue;
        letter->grant = NULL;
        if (!letter->sent)
            let_go(o, letter);
    }
}

void office_reset(struct office *o)
{
    struct letter *letter, *next;
    try_held(o, SIZE_MAX);
    DL_FOREACH_SAFE(o->waiting, letter, next)
    {
        letter->grant = NULL;
        letter->parcel = NULL;
        letter->destination = NULL;
        if (!letter->sent)
            let_go(o, letter);
    }
}

/* None of what was sent may be stored. */
static void not_stored(struct office *o, const struct error *err)
{
    struct letter *letter, *next;
    o->store_at_us = clock_now_us() + RETRY_MS * MS_US;
    membership_refresh(o->node->membership);
    if (strcmp(err->code, HF_SESSION_ENDED) == 0)
        membership_ended(o->node->membership);
    else if (err->code[0] != '\0')
        log_error(o->node->log, "could not store dead letters", err, F_NUMBER("waiting", o->count));
    DL_FOREACH_SAFE(o->waiting, letter, next)
    {
        bool sent = letter->sent;
        letter->sent = false;
        if (sent && letter->grant == NULL)
            let_go(o, letter);
    }
}

static enum letter_reason reason_of(const struct letter *letter)
{
    size_t i = 0;
    while (i < LETTER_REASONS - 1 && strcmp(letter->row.reason, letter_reasons[i]) != 0)
        i++;
    return (enum letter_reason)i;
}

static void stored(struct office *o, struct letter *letter, enum store_filed outcome)
{
    struct node_counts *counts = &o->node->counts;
    switch (outcome) {
    case STORE_FILED_KEPT:
        counts->dead_letters++;
        counts->letters_by_reason[reason_of(letter)]++;
        if (letter->grant != NULL)
            grant_lettered(letter->grant, letter->row.sequence);
        let_go(o, letter);
        break;
    case STORE_FILED_DROPPED:
        counts->dead_letters_dropped++;
        let_go(o, letter);
        break;
    case STORE_FILED_HELD:
        if (letter->grant == NULL)
            let_go(o, letter);
        else
            hold(o, letter);
        break;
    case STORE_FILED_STALE:
        /* A grant that is lost takes its letters along: the next assignment says which. */
        o->store_at_us = clock_now_us() + RETRY_MS * MS_US;
        membership_refresh(o->node->membership);
        if (letter->grant == NULL)
            let_go(o, letter);
        break;
    }
}

static void on_filed(void *ctx, const enum store_filed *outcomes, size_t count,
                     const struct error *err)
{
    struct office *o = ctx;
    struct letter *letter, *next;
    size_t i = 0, held_count = o->held_count;
    o->storing = false;
    if (err != NULL) {
        not_stored(o, err);
        return;
    }
    DL_FOREACH_SAFE(o->waiting, letter, next)
    {
        if (!letter->sent)
            continue;
        letter->sent = false;
        stored(o, letter, i < count ? outcomes[i] : STORE_FILED_STALE);
        i++;
    }
    /* There is room again for one that was held: the others need not wait. */
    if (o->tried_held && o->held_count == held_count)
        o->held_at_us = 0;
}

void office_tick(struct office *o, int64_t now_us)
{
    struct pg_connection *work = membership_work(o->node->membership);
    if (o->storing || work == NULL || now_us < o->store_at_us)
        return;
    o->tried_held = o->held != NULL && now_us >= o->held_at_us;
    if (o->tried_held) {
        try_held(o, BATCH_MAX);
        o->held_at_us = now_us + HELD_RETRY_MS * MS_US;
    }
    if (o->waiting == NULL)
        return;
    struct store_dead_letter rows[BATCH_MAX];
    struct buffer contexts[BATCH_MAX];
    size_t n = 0, bytes = 0;
    for (struct letter *letter = o->waiting; letter != NULL && n < BATCH_MAX && bytes < BATCH_BYTES;
         letter = letter->next) {
        bytes += letter->row.payload.n;
        letter->sent = true;
        rows[n] = letter->row;
        buffer_init(&contexts[n], EVENT_CONTEXT_MAX);
        if (letter->parcel == NULL
                ? event_context_write(&letter->message, &contexts[n])
                : letter->parcel->thing.n > 0 &&
                      event_context_write_thing(letter->parcel->thing, &contexts[n]))
            rows[n].context = buffer_slice(&contexts[n]);
        bytes += rows[n].context.n;
        n++;
    }
    o->storing = true;
    store_file_dead_letters(work, membership_key(o->node->membership), rows, n, on_filed, o);
    while (n > 0)
        buffer_free(&contexts[--n]);
}

size_t office_waiting(const struct office *o)
{
    return o->count;
}

size_t office_held(const struct office *o)
{
    return o->held_count;
}
