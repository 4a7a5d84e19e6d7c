#include "base/log.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>
#include <time.h>

struct log {
    FILE *out;
    enum log_format format;
    enum log_level least;
    char *node;
};

enum { LINE_CEILING = 16 * 1024 };

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
    if (text.n == 0)
        return true;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return false;
}

static void put_text(struct buffer *line, enum log_format format, const char *key,
                     struct slice text)
{
    bool quoted = format == LOG_JSON || needs_quotes(text);
    (void)buffer_printf(line, format == LOG_JSON ? ",\"%s\":" : " %s=", key);
    if (quoted)
        (void)buffer_append_text(line, "\"");
    (void)(quoted ? buffer_append_json(line, text) : buffer_append_slice(line, text));
    if (quoted)
        (void)buffer_append_text(line, "\"");
}

static void put_start(const struct log *log, struct buffer *line, enum log_level level,
                      const char *message)
{
    int64_t now = clock_wall_us();
    time_t seconds = (time_t)(now / SECOND_US);
    struct tm utc;
    char stamp[32];
    (void)gmtime_r(&seconds, &utc);
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)buffer_printf(line, log->format == LOG_JSON ? "{\"time\":\"%s.%06dZ\"" : "time=%s.%06dZ",
                        stamp, (int)(now % SECOND_US));
    put_text(line, log->format, "level", slice_from(level_name(level)));
    put_text(line, log->format, "node", slice_from(log->node));
    put_text(line, log->format, "msg", slice_from(message));
}

static void put_fields(const struct log *log, struct buffer *line, const struct log_field *fields)
{
    for (const struct log_field *f = fields; f != NULL && f->key != NULL; f++) {
        if (f->kind == LOG_FIELD_TEXT)
            put_text(line, log->format, f->key, f->text);
        else
            (void)buffer_printf(line, log->format == LOG_JSON ? ",\"%s\":%lld" : " %s=%lld", f->key,
                                (long long)f->number);
    }
}

static void put_error(const struct log *log, struct buffer *line, const struct error *err)
{
    if (err == NULL)
        return;
    put_text(line, log->format, "error", slice_from(err->message));
    if (err->code[0] != '\0')
        put_text(line, log->format, "sqlstate", slice_from(err->code));
    if (err->detail[0] != '\0')
        put_text(line, log->format, "detail", slice_from(err->detail));
    if (err->hint[0] != '\0')
        put_text(line, log->format, "hint", slice_from(err->hint));
}

void log_failure(struct log *log, enum log_level level, const char *message,
                 const struct error *err, const struct log_field *fields)
{
    if (log == NULL || level < log->least)
        return;
    struct buffer line;
    buffer_init(&line, LINE_CEILING);
    put_start(log, &line, level, message);
    put_error(log, &line, err);
    put_fields(log, &line, fields);
    /* A line that passed its ceiling is cut; the rest of the log must stay readable. */
    (void)fprintf(log->out, "%s%s\n", buffer_text(&line), log->format == LOG_JSON ? "}" : "");
    (void)fflush(log->out);
    buffer_free(&line);
}

void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields)
{
    log_failure(log, level, message, NULL, fields);
}
