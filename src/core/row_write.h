#pragma once
#include "base/buffer.h"
#include "core/parcel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Writes the rows of a parcel into the body of a request: rows that are texts already are copied,
 * the others are made here, each byte written once. Short pieces are copied with a fixed size,
 * which is much cheaper, and what is too much is written over: so a row may spill. */
#define ROW_SPILL ((size_t)64)

/* At least as long as the part of a row that all rows of an event have in common. */
#define ROW_MIDDLE_MAX 64u

/* One parcel whose rows are to be written. */
struct row_writer {
    const struct parcel *parcel;
    const struct row_place *places; /* NULL: its rows are texts */
    const char *body;
    size_t middle_n;
    char middle[ROW_MIDDLE_MAX];
};

void row_writer_begin(struct row_writer *w, const struct parcel *parcel);

/* The length of row i without its opening brace. */
size_t row_length(const struct row_writer *w, uint32_t i);

/* Writes row i without its opening brace and returns its end. There is room for its length and for
 * ROW_SPILL more. */
char *row_write(const struct row_writer *w, uint32_t i, char *to);
