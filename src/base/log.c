#include "base/log.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <time.h>

struct log {
    FILE *out;
    enum log_format format;
    enum log_level least;
    char *node;
};

/* A value is cut at TEXT_CEILING; a field that would leave less than END_ROOM of the line is left
 * out. Both are marked with cut=true, for which END_ROOM is kept. */
enum { LINE_CEILING = 16 * 1024, TEXT_CEILING = 2 * 1024, END_ROOM = 32 };

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
    free(log->node);
    free(log);
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return names[level];
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
                      const char *message)
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
    put_text(line, "level", slice_from(level_name(level)));
    put_text(line, "node", slice_from(log->node));
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

void log_failure(struct log *log, enum log_level level, const char *message,
                 const struct error *err, const struct log_field *fields)
{
    if (log == NULL || level < log->least)
        return;
    bool json = log->format == LOG_JSON;
    struct line line = {.format = log->format};
    buffer_init(&line.text, LINE_CEILING);
    put_start(log, &line, level, message);
    put_error(&line, err);
    put_fields(&line, fields);
    if (line.cut)
        (void)buffer_append_text(&line.text, json ? ",\"cut\":true" : " cut=true");
    (void)fprintf(log->out, "%s%s\n", buffer_text(&line.text), json ? "}" : "");
    (void)fflush(log->out);
    buffer_free(&line.text);
}

void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields)
{
    log_failure(log, level, message, NULL, fields);
}
