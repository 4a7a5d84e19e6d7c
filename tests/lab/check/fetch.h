#pragma once
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Takes one line (without its end); false, with err set, stops. */
typedef bool (*fetch_line)(void *context, struct slice line, struct error *err);

/* Fetches a text over HTTP and hands it out line by line, so that it never has to fit into
 * memory. False if the server cannot be reached, does not answer 200, stops in the middle, or
 * `take` refused a line. */
bool fetch_lines(const char *url, fetch_line take, void *context, struct error *err);

/* Cuts the next field, up to a tab or the end, off the line. */
struct slice fetch_field(struct slice *line);

/* A whole field as a decimal number. */
bool fetch_number(struct slice field, int64_t *number);

/* Resolves \t \n \r \\ in place: the field must be writable (fields of a line are). */
struct slice fetch_unescape(struct slice field);
