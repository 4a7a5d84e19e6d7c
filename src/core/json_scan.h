#pragma once
#include "base/slice.h"

#include <stdbool.h>

/* Reads JSON in place: no tree, no allocation, no conversion. Values come back as the text they
 * stand in, checked against RFC 8259 (grammar, escapes, UTF-8), so that they can be copied on. */

enum json_kind {
    JSON_NULL,
    JSON_BOOLEAN,
    JSON_NUMBER, /* what an IEEE double is good enough for */
    JSON_LONG,   /* an integer beyond 2^53 that fits 64 bits */
    JSON_STRING,
    JSON_OBJECT,
    JSON_ARRAY,
};

/* How deep objects and arrays may nest, the outermost counted. */
#define JSON_DEPTH_MAX 64u
/* How long the text of a number may be; without an exponent that is surely below the largest
 * double, about 1.8e308. */
#define JSON_NUMBER_MAX 300u

/* Where the reader stands. After a failure `why` says what is wrong at `p`. */
struct json_cursor {
    const char *p;
    const char *end;
    const char *why;
};

struct json_value {
    enum json_kind kind;
    bool escaped;      /* a string with at least one backslash in it */
    struct slice text; /* as written; of a string the inside, without its quotes */
};

/* Skips blanks and reads one value, which may nest `depth_left` levels deep. A number beyond the
 * range of a double is refused, so that nobody downstream makes an infinity of it. */
bool json_scan_value(struct json_cursor *c, unsigned depth_left, struct json_value *value);

/* Skips blanks and reads one string. */
bool json_scan_string(struct json_cursor *c, struct json_value *value);

/* Skips blanks, then takes `wanted` if it comes next. A miss is not a failure. */
bool json_scan_token(struct json_cursor *c, char wanted);

/* Skips blanks and tells whether nothing follows. */
bool json_scan_end(struct json_cursor *c);

/* Marks the cursor as failed with a static text. Always false. */
bool json_scan_fail(struct json_cursor *c, const char *why);

/* Writes the text of a checked string in its one canonical form, so that equal strings have equal
 * bytes: plain UTF-8, with only quotes, backslashes, controls and lone surrogates escaped.
 * `to` has room for text.n bytes, which is always enough. Returns the bytes written. */
size_t json_scan_canonical(struct slice text, char *to);

static inline struct json_cursor json_scan_begin(struct slice text)
{
    /* An empty text may be nowhere. */
    return (struct json_cursor){.p = text.p, .end = text.n > 0 ? text.p + text.n : text.p};
}

/* Step through an object or an array whose text was read before, from its bracket on. False behind
 * the last one. */
bool json_scan_member(struct json_cursor *c, struct json_value *name, struct json_value *value);
bool json_scan_element(struct json_cursor *c, struct json_value *value);
