#include "hub/partition_log.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SEGMENT_EVENTS = 4096 };

struct entry {
    int64_t offset;
    int64_t enqueued_ms;
    size_t at; /* into the segment's bytes */
    uint32_t n;
    struct event_parts parts;
};

/* Events are kept in segments of a fixed number, so that a sequence finds its segment by
 * division, and the oldest can be forgotten cheaply. */
struct segment {
    struct entry entries[SEGMENT_EVENTS];
    struct buffer bytes;
};

struct partition_log {
    struct segment **segments; /* segments[i] holds the sequences from i * SEGMENT_EVENTS */
    size_t segment_n;
    size_t segment_capacity;
    size_t forgotten; /* segments before this one are freed */
    int64_t begin;
    int64_t next;
    int64_t next_offset;
    int64_t last_ms;
    int64_t retain;
    FILE *file;
};

/* What precedes each message in the file, in the machine's own byte order. */
struct record {
    int64_t offset;
    int64_t enqueued_ms;
    struct event_parts parts;
    uint32_t n;
    uint32_t magic;
};
#define RECORD_MAGIC UINT32_C(0x48464c47)
#define MESSAGE_CEILING ((size_t)1 << 22)
#define SEGMENT_CEILING (MESSAGE_CEILING * SEGMENT_EVENTS)

static const struct entry *entry_at(const struct partition_log *log, int64_t sequence)
{
    return &log->segments[sequence / SEGMENT_EVENTS]->entries[sequence % SEGMENT_EVENTS];
}

static struct segment *tail_segment(struct partition_log *log)
{
    size_t index = (size_t)(log->next / SEGMENT_EVENTS);
    if (index == log->segment_n) {
        if (log->segment_n == log->segment_capacity) {
            log->segment_capacity = log->segment_capacity ? log->segment_capacity * 2 : 16;
            log->segments = xrealloc(log->segments, log->segment_capacity * sizeof *log->segments);
        }
        struct segment *segment = xmalloc(sizeof *segment);
        buffer_init(&segment->bytes, SEGMENT_CEILING);
        log->segments[log->segment_n++] = segment;
    }
    return log->segments[index];
}

static void forget_oldest(struct partition_log *log)
{
    if (log->retain <= 0 || log->next - log->begin <= log->retain)
        return;
    log->begin = log->next - log->retain;
    while ((int64_t)(log->forgotten + 1) * SEGMENT_EVENTS <= log->begin) {
        buffer_free(&log->segments[log->forgotten]->bytes);
        free(log->segments[log->forgotten]);
        log->segments[log->forgotten++] = NULL;
    }
}

static void append_in_memory(struct partition_log *log, struct slice message,
                             const struct event_parts *parts, int64_t enqueued_ms)
{
    struct segment *segment = tail_segment(log);
    segment->entries[log->next % SEGMENT_EVENTS] = (struct entry){
        .offset = log->next_offset,
        .enqueued_ms = enqueued_ms,
        .at = segment->bytes.n,
        .n = (uint32_t)message.n,
        .parts = *parts,
    };
    buffer_append_slice(&segment->bytes, message);
    log->next++;
    log->next_offset += (int64_t)message.n;
    log->last_ms = enqueued_ms;
    forget_oldest(log);
}

static bool parts_fit(const struct record *record)
{
    const struct event_parts *p = &record->parts;
    return (uint64_t)p->body_at + p->body_n <= record->n &&
           (uint64_t)p->device_at + p->device_n <= record->n &&
           (uint64_t)p->module_at + p->module_n <= record->n;
}

static bool load(struct partition_log *log, const char *path, struct error *err)
{
    char *message = xmalloc(MESSAGE_CEILING);
    struct record record;
    long good = 0;
    while (fread(&record, sizeof record, 1, log->file) == 1) {
        if (record.magic != RECORD_MAGIC || record.n > MESSAGE_CEILING || !parts_fit(&record) ||
            record.offset != log->next_offset || fread(message, 1, record.n, log->file) != record.n)
            break;
        append_in_memory(log, (struct slice){message, record.n}, &record.parts, record.enqueued_ms);
        good += (long)(sizeof record + record.n);
    }
    free(message);
    if (ftruncate(fileno(log->file), good) == 0 && fseek(log->file, good, SEEK_SET) == 0)
        return true;
    error_set(err, "cannot cut %s to its last whole record", path);
    return error_detail(err, "%s", strerror(errno));
}

struct partition_log *partition_log_open(const char *path, int64_t retain, struct error *err)
{
    struct partition_log *log = xcalloc(1, sizeof *log);
    log->retain = retain;
    if (path == NULL)
        return log;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    log->file = fd < 0 ? NULL : fdopen(fd, "r+");
    if (log->file == NULL) {
        error_set(err, "cannot open %s", path);
        error_detail(err, "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
    } else if (load(log, path, err)) {
        return log;
    }
    partition_log_close(log);
    return NULL;
}

void partition_log_close(struct partition_log *log)
{
    if (log == NULL)
        return;
    if (log->file != NULL)
        (void)fclose(log->file);
    for (size_t i = log->forgotten; i < log->segment_n; i++) {
        buffer_free(&log->segments[i]->bytes);
        free(log->segments[i]);
    }
    free(log->segments);
    free(log);
}

int64_t partition_log_begin(const struct partition_log *log)
{
    return log->begin;
}

int64_t partition_log_next(const struct partition_log *log)
{
    return log->next;
}

int64_t partition_log_next_offset(const struct partition_log *log)
{
    return log->next_offset;
}

int64_t partition_log_last_ms(const struct partition_log *log)
{
    return log->last_ms;
}

void partition_log_append(struct partition_log *log, struct slice message,
                          const struct event_parts *parts, int64_t enqueued_ms)
{
    if (log->file != NULL) {
        struct record record = {.offset = log->next_offset,
                                .enqueued_ms = enqueued_ms,
                                .parts = *parts,
                                .n = (uint32_t)message.n,
                                .magic = RECORD_MAGIC};
        /* A failed write leaves the error mark on the file, which flush reports. */
        (void)fwrite(&record, sizeof record, 1, log->file);
        (void)fwrite(message.p, 1, message.n, log->file);
    }
    append_in_memory(log, message, parts, enqueued_ms);
}

bool partition_log_flush(struct partition_log *log, struct error *err)
{
    if (log->file == NULL || (fflush(log->file) == 0 && !ferror(log->file)))
        return true;
    error_set(err, "cannot write a partition's log");
    return error_detail(err, "%s", strerror(errno));
}

bool partition_log_at(const struct partition_log *log, int64_t sequence, struct event *event)
{
    if (sequence < log->begin || sequence >= log->next)
        return false;
    const struct entry *e = entry_at(log, sequence);
    const char *p = log->segments[sequence / SEGMENT_EVENTS]->bytes.data + e->at;
    *event = (struct event){
        .sequence = sequence,
        .offset = e->offset,
        .enqueued_ms = e->enqueued_ms,
        .message = {p, e->n},
        .device = {p + e->parts.device_at, e->parts.device_n},
        .module = {p + e->parts.module_at, e->parts.module_n},
        .body = {p + e->parts.body_at, e->parts.body_n},
    };
    return true;
}

/* Offsets and enqueued times never go down, so the place of either is found by halving. */
static int64_t first_above(const struct partition_log *log, bool by_offset, int64_t bound)
{
    int64_t low = log->begin;
    int64_t high = log->next;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const struct entry *e = entry_at(log, middle);
        if ((by_offset ? e->offset : e->enqueued_ms) > bound)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int64_t partition_log_after_offset(const struct partition_log *log, int64_t offset)
{
    return first_above(log, true, offset);
}

int64_t partition_log_after_ms(const struct partition_log *log, int64_t ms)
{
    return first_above(log, false, ms);
}
