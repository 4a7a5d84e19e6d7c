#pragma once
#include "base/buffer.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* Reading columns of an answer and writing parameters: the text forms of PostgreSQL. */

/* A column as a number; 0 for null. */
int64_t row_number(const PGresult *result, int row, int column);
/* A column as text, NULL for null; valid as long as the result. */
const char *row_text(const PGresult *result, int row, int column);
bool row_bool(const PGresult *result, int row, int column);

/* An array literal is begun with array_begin, grown, ended with array_end. */
void array_begin(struct buffer *to);
void array_number(struct buffer *to, int64_t value);
void array_text(struct buffer *to, struct slice value); /* quoted and escaped */
void array_null(struct buffer *to);
void array_bytes(struct buffer *to, struct slice value); /* an element of bytea[] */
const char *array_end(struct buffer *to);

enum { NUMBER_TEXT = 24 };
/* Writes a number into `to` and returns it. */
const char *number_text(char to[NUMBER_TEXT], int64_t value);
