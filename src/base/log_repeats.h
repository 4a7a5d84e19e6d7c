#pragma once
#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

/* Which lines of a log are the same thing again. Two are, if they tell of one event about one
 * subject (hub, partition, destination, base URL, secret) with one error; digits in the error's
 * texts do not count. The first is told at once; those that follow within an interval are counted,
 * and the next one behind it tells the count. Pure; bounded: what finds no room is told. */
struct log_repeats;

struct log_repeated {
    const struct log_event *event;
    enum log_level level;
    const char *subject; /* as it stands in a line of logfmt: "hub=a partition=0" */
    uint64_t count;
};

enum { LOG_REPEAT_SECONDS = 5, LOG_REPEAT_SUBJECT = 160 };

struct log_repeats *log_repeats_create(void);
void log_repeats_free(struct log_repeats *r);

/* Whether the line is to be told, and how many before it were not. */
bool log_repeats_note(struct log_repeats *r, const struct log_event *event, enum log_level level,
                      const struct log_field *fields, const struct error *err, int64_t now_us,
                      uint64_t *untold);
/* Takes out one whose count waits to be told, as nothing has followed for an interval. False if
 * there is none. INT64_MAX takes out all, one after the other. */
bool log_repeats_due(struct log_repeats *r, int64_t now_us, struct log_repeated *due);
