#pragma once
#include <stdbool.h>

/* An error as a value, in PostgreSQL's three parts: what happened, why, what to do.
 * Filled by the layer that fails; callers pass it on untouched. */
struct error {
    char message[256];
    char detail[512];
    char hint[256];
    char code[8]; /* SQLSTATE where the error came from the database, else empty */
};

/* Each sets one part, printf style, cutting what does not fit. `err` may be NULL.
 * error_set also clears the other parts. All return false, so that a function can
 * `return error_set(err, ...)`. */
bool error_set(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool error_detail(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool error_hint(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
