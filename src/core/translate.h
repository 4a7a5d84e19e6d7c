#pragma once
#include "base/error.h"
#include "base/slice.h"
#include "core/rows.h"

#include <stdbool.h>
#include <stdint.h>

/* Telemetry that no rule concerns into rows. Values are copied as they were written: a number never
 * goes through a double. */

struct translate_rules {
    /* The member that carries the event's own time, by name as it stands in the JSON text; empty
     * for none. It stays a row too. */
    struct slice time_member;
};

/* Translates one flat JSON object. Each member becomes a row by its type: numbers NUMBER (integers
 * beyond 2^53 that fit 64 bits LONG), booleans BOOLEAN, strings STRING, objects JSON, arrays JSON
 * boxed as {"array":[...]}; null becomes no row. Of members with the same name the last wins. The
 * rows carry `time_ms` (milliseconds since 1970) unless the time member says better.
 * False with a reason, and no rows, for a body that is not exactly one valid JSON object or passes
 * a ceiling. An object without rows is a success. */
bool translate(struct slice body, int64_t time_ms, const struct translate_rules *rules,
               struct rows *rows, struct error *why);

/* The same, but makes no text of the rows: they are told by their places in the body, which must
 * stay until a parcel is made of them. (Rows whose names stand there with escapes are made all the
 * same.) */
bool translate_in_place(struct slice body, int64_t time_ms, const struct translate_rules *rules,
                        struct rows *rows, struct error *why);

/* Makes the scratch hold one row that an earlier translation wrote (from a dead letter). False if
 * the text is not such a row. */
bool translate_row(struct slice row, struct rows *rows, struct error *why);

/* Reads the text of a time: milliseconds since 1970, or "YYYY-MM-DD", followed by nothing or by
 * T or a blank and "HH:MM[:SS[.fraction]]" and optionally Z or an offset like +02:00; UTC if no
 * offset is given. Years 1970 to 9999. */
bool translate_time(struct slice text, int64_t *time_ms);
