#pragma once
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The AMQP 1.0 type system, as far as the hub handles encoded bytes itself: it writes each
 * event once, and it looks into frames and messages without taking them apart. */

enum wire_kind {
    WIRE_NULL,
    WIRE_BOOLEAN,   /* number is 0 or 1 */
    WIRE_NUMBER,    /* whole numbers of every width; number */
    WIRE_TIMESTAMP, /* number: ms since 1970 */
    WIRE_TEXT,      /* string and symbol; bytes */
    WIRE_BINARY,    /* bytes */
    WIRE_LIST,      /* bytes: the encoded items; count */
    WIRE_MAP,       /* the same; count counts keys and values */
    WIRE_OTHER      /* skipped: array, float, decimal, char, uuid */
};

struct wire_value {
    enum wire_kind kind;
    bool described;
    uint64_t descriptor; /* when described by a number, else 0 */
    int64_t number;
    struct slice bytes; /* borrowed from what is read */
    uint32_t count;
    struct slice whole; /* the value as it is encoded, descriptor included */
};

/* Reads the value at the start of *in and moves *in behind it. False, and *in untouched, when
 * the bytes are cut short or are no AMQP. */
bool wire_read(struct slice *in, struct wire_value *value);

/* Each appends one encoded value. */
void wire_put_symbol(struct buffer *b, struct slice text);
void wire_put_string(struct buffer *b, struct slice text);
void wire_put_long(struct buffer *b, int64_t number);
void wire_put_timestamp(struct buffer *b, int64_t ms);
void wire_put_uint(struct buffer *b, uint32_t number);
void wire_put_boolean(struct buffer *b, bool value);
void wire_put_null(struct buffer *b);
void wire_put_binary(struct buffer *b, struct slice bytes);

/* The descriptor of a section or performative (a small ulong); its value must follow. */
void wire_put_descriptor(struct buffer *b, uint8_t code);

/* A map or list: begin returns a mark, end fills in size and count (a map's count is of keys and
 * values together). */
size_t wire_begin_map(struct buffer *b);
size_t wire_begin_list(struct buffer *b);
void wire_end(struct buffer *b, size_t mark, uint32_t count);
