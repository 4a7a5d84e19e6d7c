#include "core/creation.h"

#include "base/clock.h"
#include "core/json_scan.h"

enum { RETRY_MS = 200, RETRY_MAX_MS = 10000, REFUSED_MS = 5000 };

void creation_begin(struct creation *c, bool missing, uint32_t properties, int64_t now_us)
{
    *c = (struct creation){.step = missing ? CREATION_CREATE : CREATION_ENABLE,
                           .missing = missing,
                           .properties = properties,
                           .alarmed = c->alarmed,
                           .next_us = now_us};
}

static enum creation_news again(struct creation *c, int64_t now_us)
{
    int64_t wait_ms = RETRY_MS;
    for (unsigned i = 0; i < c->attempts && wait_ms < RETRY_MAX_MS; i++)
        wait_ms *= 2;
    c->attempts++;
    c->next_us = now_us + (wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS) * MS_US;
    return CREATION_NOTHING;
}

static enum creation_news refused(struct creation *c, int64_t now_us)
{
    enum creation_news news = c->alarmed ? CREATION_NOTHING : CREATION_REFUSED;
    c->alarmed = true;
    c->attempts = 0;
    c->step = c->missing ? CREATION_CREATE : CREATION_ENABLE;
    c->next_us = now_us + REFUSED_MS * MS_US;
    return news;
}

/* Goes on; what was not accepted was there already, or cannot be had. */
static enum creation_news next(struct creation *c, bool accepted, int64_t now_us)
{
    enum creation_news news = CREATION_NOTHING;
    c->attempts = 0;
    c->next_us = now_us;
    if (accepted)
        c->accepted_us = now_us;
    switch (c->step) {
    case CREATION_CREATE:
        c->made = accepted;
        news = accepted ? CREATION_CREATED : CREATION_NOTHING;
        c->step = CREATION_ENABLE;
        break;
    case CREATION_ENABLE:
        c->step = c->property < c->properties ? CREATION_PROPERTY : CREATION_RESTART;
        break;
    case CREATION_PROPERTY:
        news = accepted ? CREATION_ADDED : CREATION_NOTHING;
        if (++c->property == c->properties)
            c->step = CREATION_RESTART;
        break;
    case CREATION_RESTART:
    case CREATION_DONE:
        c->step = CREATION_DONE;
        c->alarmed = false;
        c->done_us = now_us;
        news = CREATION_FINISHED;
        break;
    }
    return news;
}

enum creation_news creation_answered(struct creation *c, enum answer_class class, int status,
                                     int64_t now_us)
{
    bool syncing = c->accepted_us != 0 && now_us - c->accepted_us < CREATION_SYNC_MS * MS_US;
    if (class == ANSWER_ACCEPTED)
        return next(c, true, now_us);
    if (class != ANSWER_SUSPECT && class != ANSWER_TOO_LARGE)
        return again(c, now_us);
    if (c->step == CREATION_CREATE) {
        c->status = status;
        return status == 403 ? refused(c, now_us) : next(c, false, now_us);
    }
    if (status == 404 && syncing)
        return again(c, now_us);
    if (c->step == CREATION_ENABLE && (status == 404 || status == 403))
        return refused(c, now_us); /* neither made by us nor by another */
    return next(c, false, now_us);
}

bool creation_learn(struct slice row, struct slice *name, struct slice *base_type)
{
    struct json_cursor c = json_scan_begin(row);
    struct json_value key, value = {.kind = JSON_NULL};
    *name = *base_type = (struct slice){NULL, 0};
    while (json_scan_member(&c, &key, &value)) {
        if (slice_equal(key.text, SLICE_LITERAL("name")))
            *name = value.text;
        else if (slice_equal(key.text, SLICE_LITERAL("value")))
            break;
    }
    if (value.kind != JSON_OBJECT)
        return false;
    c = json_scan_begin(value.text);
    while (json_scan_member(&c, &key, &value))
        if (slice_equal(key.text, SLICE_LITERAL("baseType")))
            *base_type = value.text;
    return name->n > 0 && base_type->n > 0;
}
