#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Telemetry into rows of ThingWorx's NamedVTQ data shape, as ready JSON text:
 * {"name":"p1","time":1634630768641,"quality":"GOOD","value":{"value":21.5,"baseType":"NUMBER"}}
 * Values are copied as they were written: a number never goes through a double. */

#define TRANSLATE_BODY_MAX ((size_t)1 << 20)
#define TRANSLATE_ROWS_MAX 4096u
/* More than the row text of any event. */
#define TRANSLATE_TEXT_MAX (TRANSLATE_BODY_MAX + TRANSLATE_ROWS_MAX * (size_t)256)

struct translate_rules {
    /* The member that carries the event's own time, by name as it stands in the JSON text; empty
     * for none. It stays a row too. */
    struct slice time_member;
};

struct translate_member;

/* The rows of one event; a scratch that is used again for every event. */
struct rows {
    struct buffer text; /* the rows, joined by commas */
    uint32_t *ends;     /* where each row ends in it; the next begins one byte later */
    uint32_t count;
    int64_t time_ms;    /* the time that the rows carry */
    bool time_unusable; /* the time member was there but is no time: the given time was used */
    /* private */
    struct translate_member *members;
    uint32_t member_capacity;
    uint16_t *slots;
    struct buffer names;
};

void rows_init(struct rows *rows);
void rows_free(struct rows *rows);

/* Row i of the text; borrowed until the scratch is used again. */
struct slice rows_row(const struct rows *rows, uint32_t i);

/* Translates one flat JSON object. Each member becomes a row by its type: numbers NUMBER (integers
 * beyond 2^53 that fit 64 bits LONG), booleans BOOLEAN, strings STRING, objects JSON, arrays JSON
 * boxed as {"array":[...]}; null becomes no row. Of members with the same name the last wins. The
 * rows carry `time_ms` (milliseconds since 1970) unless the time member says better.
 * False with a reason, and no rows, for a body that is not exactly one valid JSON object or passes
 * a ceiling. An object without rows is a success. */
bool translate(struct slice body, int64_t time_ms, const struct translate_rules *rules,
               struct rows *rows, struct error *why);

/* Makes the scratch hold one row that an earlier translation wrote (from a dead letter). False if
 * the text is not such a row. */
bool translate_row(struct slice row, struct rows *rows, struct error *why);

/* Reads the text of a time: milliseconds since 1970, or "YYYY-MM-DD", followed by nothing or by
 * T or a blank and "HH:MM[:SS[.fraction]]" and optionally Z or an offset like +02:00; UTC if no
 * offset is given. Years 1970 to 9999. */
bool translate_time(struct slice text, int64_t *time_ms);
