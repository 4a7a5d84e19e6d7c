#pragma once
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The log of one partition: every event encoded once, as it will be sent, with what the check
 * needs to find in it. Kept in memory; with a file, also on disk, so that it outlives the process.
 * Sequences count from 0. An offset is the position of the event's first byte: it grows like the
 * sequence but cannot be computed from it, as with the real service. */

/* Where the parts of an event lie in its encoded message. */
struct event_parts {
    uint32_t body_at, body_n;
    uint32_t device_at, device_n; /* device_n 0: the event has none */
    uint32_t module_at, module_n;
};

struct event {
    int64_t sequence;
    int64_t offset;
    int64_t enqueued_ms;
    struct slice message; /* borrowed until the next append */
    struct slice device;
    struct slice module;
    struct slice body;
};

struct partition_log;

/* `path` NULL keeps nothing on disk; else what the file holds is loaded, a torn last record is
 * cut off, and every append is written behind it. `retain` > 0 forgets the oldest events beyond
 * that number (in memory). NULL and err when the file cannot be used. */
struct partition_log *partition_log_open(const char *path, int64_t retain, struct error *err);
void partition_log_close(struct partition_log *log);

int64_t partition_log_begin(const struct partition_log *log); /* the oldest sequence kept */
int64_t partition_log_next(const struct partition_log *log);  /* the next event's sequence */
int64_t partition_log_next_offset(const struct partition_log *log);
int64_t partition_log_last_ms(const struct partition_log *log); /* 0 when nothing came yet */

/* Appends one message, which was encoded with partition_log_next and _next_offset. */
void partition_log_append(struct partition_log *log, struct slice message,
                          const struct event_parts *parts, int64_t enqueued_ms);

/* Hands what was appended to the operating system: a killed process loses nothing that was
 * flushed. False and err once the file cannot be written. */
bool partition_log_flush(struct partition_log *log, struct error *err);

/* The event with this sequence; false if it is not (or no longer) there. */
bool partition_log_at(const struct partition_log *log, int64_t sequence, struct event *event);

/* The first sequence kept whose offset (whose enqueued time) is greater than the given one;
 * partition_log_next if there is none. */
int64_t partition_log_after_offset(const struct partition_log *log, int64_t offset);
int64_t partition_log_after_ms(const struct partition_log *log, int64_t ms);
