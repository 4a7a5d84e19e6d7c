#pragma once
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* One line per happening, logfmt or JSON, always with time, level, node, event and message. What
 * is too long is cut, and the line then says cut=true; it stays one line that a parser can read.
 * Secrets never reach a field: callers pass names of secrets, not their values. */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_LEVELS };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log;

/* A happening by its stable name, which machines go by; the message is for people. One name has
 * one message, and one message one name. */
struct log_event {
    const char *name, *message;
    enum { LOG_EACH, LOG_REPEATS } kind; /* LOG_REPEATS: see log_repeats.h */
    const char *meaning;                 /* for the documentation */
};

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
/* The happenings that the log will be told of; borrowed. Without it lines have no event, and
 * nothing is told less often than it happens. At most once. */
void log_know(struct log *log, const struct log_event *events, size_t count);

/* What is below that level is left out from now on. */
void log_set_level(struct log *log, enum log_level least);
enum log_level log_level(const struct log *log);
const char *log_level_name(enum log_level level);
/* False if no level is called that. */
bool log_level_read(const char *name, enum log_level *level);

/* From time to time: tells how often happened what has not been told each time. */
void log_tick(struct log *log, int64_t now_us);

/* Lines of that level so far; and how often something happened without a line. */
uint64_t log_lines(const struct log *log, enum log_level level);
uint64_t log_untold(const struct log *log);

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
