#include "base/log.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log_repeats.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <time.h>

struct log {
    FILE *out;
    enum log_format format;
    enum log_level least;
    char *node;
    const struct log_event *events;
    size_t event_count;
    struct log_repeats *repeats; /* NULL: nothing is known of events */
    int64_t tick_at_us;
    uint64_t lines[LOG_LEVELS], untold;
};

/* A value is cut at TEXT_CEILING; a field that would leave less than END_ROOM of the line is left
 * out. Both are marked with cut=true, for which END_ROOM is kept. */
enum { LINE_CEILING = 16 * 1024, TEXT_CEILING = 2 * 1024, END_ROOM = 32 };
enum { TICK_US = 500000 };

struct line {
    struct buffer text;
    enum log_format format;
    bool cut;
};

struct log *log_open(FILE *out, enum log_format format, enum log_level least, const char *node)
{
    struct log *log = xcalloc(1, sizeof *log);
    *log = (struct log){.out = out, .format = format, .least = least, .node = xstrdup(node)};
    return log;
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    log_tick(log, INT64_MAX);
    log_repeats_free(log->repeats);
    free(log->node);
    free(log);
}

void log_know(struct log *log, const struct log_event *events, size_t count)
{
    log->events = events;
    log->event_count = count;
    log->repeats = log_repeats_create();
}

static const char *const level_names[LOG_LEVELS] = {"debug", "info", "warning", "error"};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_read(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < LOG_LEVELS; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

void log_set_level(struct log *log, enum log_level least)
{
    if (log != NULL)
        log->least = least;
}

enum log_level log_level(const struct log *log)
{
    return log != NULL ? log->least : LOG_INFO;
}

uint64_t log_lines(const struct log *log, enum log_level level)
{
    return log->lines[level];
}

uint64_t log_untold(const struct log *log)
{
    return log->untold;
}

static const struct log_event *find_event(const struct log *log, const char *message)
{
    for (size_t i = 0; i < log->event_count; i++)
        if (strcmp(log->events[i].message, message) == 0)
            return &log->events[i];
    return NULL;
}

static bool needs_quotes(struct slice text)
{
    size_t n;
    for (size_t i = 0; i < text.n; i += n) {
        unsigned char c = (unsigned char)text.p[i];
        n = utf8_length((struct slice){text.p + i, text.n - i});
        if (n == 0 || c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return text.n == 0;
}

/* At most TEXT_CEILING bytes of it, not ending inside a character. */
static struct slice shortened(struct slice text)
{
    if (text.n <= TEXT_CEILING)
        return text;
    size_t n = TEXT_CEILING;
    while (n > TEXT_CEILING - 4 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    return (struct slice){text.p, n};
}

/* Takes back the field that began at `start` if it did not fit: the line must stay readable. */
static void end_field(struct line *line, size_t start)
{
    if (!line->text.overflowed && line->text.n <= LINE_CEILING - END_ROOM)
        return;
    buffer_cut(&line->text, start);
    line->cut = true;
}

static void put_text(struct line *line, const char *key, struct slice text)
{
    struct buffer *to = &line->text;
    size_t start = to->n;
    struct slice value = shortened(text);
    bool json = line->format == LOG_JSON;
    bool quoted = json || needs_quotes(value);
    line->cut = line->cut || value.n < text.n;
    (void)buffer_printf(to, json ? ",\"%s\":" : " %s=", key);
    if (quoted)
        (void)buffer_append_text(to, "\"");
    (void)(quoted ? buffer_append_json(to, value) : buffer_append_slice(to, value));
    if (quoted)
        (void)buffer_append_text(to, "\"");
    end_field(line, start);
}

static void put_number(struct line *line, const char *key, int64_t number)
{
    size_t start = line->text.n;
    (void)buffer_printf(&line->text, line->format == LOG_JSON ? ",\"%s\":%lld" : " %s=%lld", key,
                        (long long)number);
    end_field(line, start);
}

static void put_start(const struct log *log, struct line *line, enum log_level level,
                      const struct log_event *event, const char *message)
{
    int64_t now = clock_wall_us();
    time_t seconds = (time_t)(now / SECOND_US);
    struct tm utc;
    char stamp[32];
    (void)gmtime_r(&seconds, &utc);
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)buffer_printf(&line->text,
                        log->format == LOG_JSON ? "{\"time\":\"%s.%06dZ\"" : "time=%s.%06dZ", stamp,
                        (int)(now % SECOND_US));
    put_text(line, "level", slice_from(level_names[level]));
    put_text(line, "node", slice_from(log->node));
    if (event != NULL)
        put_text(line, "event", slice_from(event->name));
    put_text(line, "msg", slice_from(message));
}

static void put_fields(struct line *line, const struct log_field *fields)
{
    for (const struct log_field *f = fields; f != NULL && f->key != NULL; f++) {
        if (f->kind == LOG_FIELD_TEXT)
            put_text(line, f->key, f->text);
        else
            put_number(line, f->key, f->number);
    }
}

static void put_error(struct line *line, const struct error *err)
{
    if (err == NULL)
        return;
    put_text(line, "error", slice_from(err->message));
    if (err->code[0] != '\0')
        put_text(line, "sqlstate", slice_from(err->code));
    if (err->detail[0] != '\0')
        put_text(line, "detail", slice_from(err->detail));
    if (err->hint[0] != '\0')
        put_text(line, "hint", slice_from(err->hint));
}

static void end_line(struct log *log, struct line *line, enum log_level level)
{
    bool json = line->format == LOG_JSON;
    if (line->cut)
        (void)buffer_append_text(&line->text, json ? ",\"cut\":true" : " cut=true");
    (void)fprintf(log->out, "%s%s\n", buffer_text(&line->text), json ? "}" : "");
    (void)fflush(log->out);
    buffer_free(&line->text);
    log->lines[level]++;
}

/* Whoever asks for debug wants to see everything. */
static bool is_told(struct log *log, const struct log_event *event, enum log_level level,
                    const struct log_field *fields, const struct error *err, uint64_t *untold)
{
    *untold = 0;
    if (event == NULL || event->kind == LOG_EACH || log->least == LOG_DEBUG ||
        log_repeats_note(log->repeats, event, level, fields, err, clock_now_us(), untold))
        return true;
    log->untold++;
    return false;
}

void log_failure(struct log *log, enum log_level level, const char *message,
                 const struct error *err, const struct log_field *fields)
{
    uint64_t untold;
    if (log == NULL || level < log->least)
        return;
    const struct log_event *event = find_event(log, message);
    if (!is_told(log, event, level, fields, err, &untold))
        return;
    struct line line = {.format = log->format};
    buffer_init(&line.text, LINE_CEILING);
    put_start(log, &line, level, event, message);
    if (untold > 0)
        put_number(&line, "repeated", (int64_t)untold);
    put_error(&line, err);
    put_fields(&line, fields);
    end_line(log, &line, level);
}

void log_tick(struct log *log, int64_t now_us)
{
    struct log_repeated due;
    if (log == NULL || log->repeats == NULL || now_us < log->tick_at_us)
        return;
    log->tick_at_us = now_us < INT64_MAX ? now_us + TICK_US : now_us;
    while (log_repeats_due(log->repeats, now_us, &due)) {
        struct line line = {.format = log->format};
        buffer_init(&line.text, LINE_CEILING);
        put_start(log, &line, due.level, due.event, due.event->message);
        put_number(&line, "repeated", (int64_t)due.count);
        if (due.subject[0] != '\0')
            put_text(&line, "subject", slice_from(due.subject));
        end_line(log, &line, due.level);
    }
}

void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields)
{
    log_failure(log, level, message, NULL, fields);
}
