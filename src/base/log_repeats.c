#include "base/log_repeats.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 256 };

#define INTERVAL_US (LOG_REPEAT_SECONDS * SECOND_US)

struct slot {
    const struct log_event *event; /* NULL: free */
    uint64_t error;                /* hash of the error's texts */
    int64_t told_us;
    uint64_t untold;
    enum log_level level;
    char subject[LOG_REPEAT_SUBJECT];
};

struct log_repeats {
    struct slot slots[SLOTS];
    size_t next; /* where to look for one that is due */
};

struct log_repeats *log_repeats_create(void)
{
    return xcalloc(1, sizeof(struct log_repeats));
}

void log_repeats_free(struct log_repeats *r)
{
    free(r);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < '0' || *text > '9')
            hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t hash_error(const struct error *err)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    if (err == NULL)
        return hash;
    return hash_text(hash_text(hash_text(hash, err->message), err->detail), err->hint);
}

/* What of it does not fit is left out: then two subjects may count as one. */
static void put_subject(const struct log_field *fields, char *subject)
{
    static const char *const keys[] = {"hub", "partition", "destination", "base_url", "secret"};
    size_t n = 0;
    subject[0] = '\0';
    for (const struct log_field *f = fields; f != NULL && f->key != NULL; f++) {
        if (f->kind != LOG_FIELD_TEXT)
            continue;
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
            if (strcmp(f->key, keys[i]) == 0 && n < LOG_REPEAT_SUBJECT)
                n += (size_t)snprintf(subject + n, LOG_REPEAT_SUBJECT - n, "%s%s=%.*s",
                                      n > 0 ? " " : "", f->key, (int)f->text.n, f->text.p);
    }
}

static bool is_over(const struct slot *slot, int64_t now_us)
{
    return slot->event == NULL || (slot->untold == 0 && now_us - slot->told_us >= INTERVAL_US);
}

/* The slot of the same thing; else one that may be taken; NULL if all are in use. */
static struct slot *find(struct log_repeats *r, const struct slot *like, int64_t now_us, bool *same)
{
    struct slot *unused = NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &r->slots[i];
        *same = slot->event == like->event && slot->error == like->error &&
                slot->level == like->level && strcmp(slot->subject, like->subject) == 0;
        if (*same)
            return slot;
        if (unused == NULL && is_over(slot, now_us))
            unused = slot;
    }
    return unused;
}

bool log_repeats_note(struct log_repeats *r, const struct log_event *event, enum log_level level,
                      const struct log_field *fields, const struct error *err, int64_t now_us,
                      uint64_t *untold)
{
    struct slot like = {
        .event = event, .level = level, .error = hash_error(err), .told_us = now_us};
    bool same;
    put_subject(fields, like.subject);
    struct slot *slot = find(r, &like, now_us, &same);
    *untold = 0;
    if (slot == NULL)
        return true;
    if (same && now_us - slot->told_us < INTERVAL_US) {
        slot->untold++;
        return false;
    }
    if (same)
        *untold = slot->untold;
    *slot = like;
    return true;
}

bool log_repeats_due(struct log_repeats *r, int64_t now_us, struct log_repeated *due)
{
    for (; r->next < SLOTS; r->next++) {
        struct slot *slot = &r->slots[r->next];
        if (slot->event == NULL || slot->untold == 0 || now_us - slot->told_us < 2 * INTERVAL_US)
            continue;
        *due = (struct log_repeated){slot->event, slot->level, slot->subject, slot->untold};
        slot->untold = 0;
        return true;
    }
    r->next = 0;
    return false;
}
