#pragma once
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* One line per happening, logfmt or JSON, always with time, level, node and message. What is too
 * long is cut, and the line then says cut=true; it stays one line that a parser can read.
 * Secrets never reach a field: callers pass names of secrets, not their values. */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log;

struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_FIELD_TEXT, LOG_FIELD_NUMBER } kind;
    struct slice text;
    int64_t number;
};

#define F_TEXT(name, value)                                                                        \
    (struct log_field)                                                                             \
    {                                                                                              \
        .key = (name), .kind = LOG_FIELD_TEXT, .text = slice_from(value)                           \
    }
#define F_SLICE(name, value)                                                                       \
    (struct log_field)                                                                             \
    {                                                                                              \
        .key = (name), .kind = LOG_FIELD_TEXT, .text = (value)                                     \
    }
#define F_NUMBER(name, value)                                                                      \
    (struct log_field)                                                                             \
    {                                                                                              \
        .key = (name), .kind = LOG_FIELD_NUMBER, .number = (int64_t)(value)                        \
    }

/* `node` is copied; `out` is borrowed. */
struct log *log_open(FILE *out, enum log_format format, enum log_level least, const char *node);
void log_close(struct log *log);

/* Writes one line. `fields` ends with a field without a key. `log` NULL writes nothing. */
void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields);
/* The same, with error, detail and hint of `err` as fields before the others. */
void log_failure(struct log *log, enum log_level level, const char *message,
                 const struct error *err, const struct log_field *fields);

/* log_info(log, "partition opened", F_TEXT("hub", hub), F_NUMBER("token", token)) */
/* The first one is there so that the list may be empty (cppcheck does not know __VA_OPT__). */
#define LOG_FIELDS(...) ((const struct log_field[]){{.key = ""}, ##__VA_ARGS__, {.key = NULL}} + 1)
#define log_debug(log, message, ...) log_write((log), LOG_DEBUG, (message), LOG_FIELDS(__VA_ARGS__))
#define log_info(log, message, ...) log_write((log), LOG_INFO, (message), LOG_FIELDS(__VA_ARGS__))
#define log_warning(log, message, ...)                                                             \
    log_write((log), LOG_WARNING, (message), LOG_FIELDS(__VA_ARGS__))
#define log_error(log, message, err, ...)                                                          \
    log_failure((log), LOG_ERROR, (message), (err), LOG_FIELDS(__VA_ARGS__))
