#pragma once
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* A growing run of bytes with a ceiling that is given at birth. Once an append would pass the
 * ceiling, nothing is appended, the buffer is marked overflowed, and every later append fails
 * too, so that a caller may check once at the end. Not terminated; see buffer_text. */
struct buffer {
    char *data;
    size_t n;
    size_t capacity;
    size_t ceiling;
    bool overflowed;
};

void buffer_init(struct buffer *b, size_t ceiling);
void buffer_free(struct buffer *b);  /* releases the bytes; the buffer may be used again */
void buffer_clear(struct buffer *b); /* forgets the bytes and the overflow, keeps the memory */

bool buffer_append(struct buffer *b, const void *bytes, size_t n);
bool buffer_append_text(struct buffer *b, const char *text);
bool buffer_append_slice(struct buffer *b, struct slice s);
bool buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for n more bytes and returns where they go (NULL past the ceiling); the caller
 * writes at most n of them and adds what it wrote to b->n. */
char *buffer_reserve(struct buffer *b, size_t n);
/* Drops the first n bytes. */
void buffer_drop(struct buffer *b, size_t n);
/* Keeps only the first n bytes and forgets the overflow: takes back what did not fit. */
void buffer_cut(struct buffer *b, size_t n);
/* Terminates the bytes with NUL (not counted in n) and returns them; "" if there are none. */
const char *buffer_text(struct buffer *b);

/* Appends text as the inside of a JSON string: quotes, backslashes and controls escaped, bytes that
 * are not UTF-8 replaced by U+FFFD. On overflow some of it may have been appended. */
bool buffer_append_json(struct buffer *b, struct slice text);

static inline struct slice buffer_slice(const struct buffer *b)
{
    return (struct slice){b->data, b->n};
}
