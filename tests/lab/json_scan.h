#pragma once
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>

/* A small pull scanner for JSON (RFC 8259, strict). It validates what it passes and hands out
 * slices of the text, so that a number keeps the digits it was written with. Nothing is
 * allocated; the slices live as long as the text. */
enum scan_kind {
    SCAN_NULL,
    SCAN_BOOLEAN,
    SCAN_NUMBER,
    SCAN_STRING,
    SCAN_OBJECT,
    SCAN_ARRAY,
};

/* One value: its text from the first to the last byte, quotes and brackets included. */
struct scan_value {
    enum scan_kind kind;
    bool escaped; /* a string with at least one backslash */
    struct slice text;
};

struct scan {
    const char *p;
    const char *end;
    const char *error; /* what was wrong, NULL as long as all is well */
};

/* Starts to scan `text`. */
struct scan scan_start(struct slice text);

/* Passes one value of any kind with all that it contains. False on bad JSON. */
bool scan_any(struct scan *s, struct scan_value *value);

/* Enters an object or an array: passes the bracket. False if the next value is another kind. */
bool scan_enter(struct scan *s, char bracket);

/* The next member of the object that was entered: `key` is its name (a string value), and the
 * scanner stands before its value, which the caller must pass. False at the end of the object
 * (which is passed) and on bad JSON: look at s->error. `first` is true before the first
 * member; it is set to false. */
bool scan_member(struct scan *s, bool *first, struct scan_value *key);

/* The same for the elements of an array. */
bool scan_element(struct scan *s, bool *first);

/* The kind of the value that comes next, without passing it. */
enum scan_kind scan_peek(struct scan *s);

/* True if only white space is left; else an error is set. */
bool scan_end(struct scan *s);

/* The inside of a string that has no escapes (value->escaped is false). */
struct slice scan_inside(const struct scan_value *value);

/* Appends the characters of a string to `out`, escapes resolved. False past its ceiling. */
bool scan_decode(const struct scan_value *value, struct buffer *out);

/* True if the string value equals `text` (which is compared with the raw inside: an escaped
 * spelling of the same name does not match). */
bool scan_is(const struct scan_value *value, const char *text);
