#include "hub/replay.h"

#include "base/memory.h"
#include "hub/pace.h"
#include "hub/replay_json.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { LINE_CEILING = 4096 };

struct series {
    FILE *file; /* NULL: read to its end */
    struct device *device;
};

struct replay {
    struct hub *hub;
    struct pace *pace;
    struct series *series;
    size_t series_n;
    size_t series_next;
    struct replay_json *json; /* instead of the series */
    int64_t skipped;
    struct buffer body;
    char *line;
    size_t line_capacity;
};

/* Whether the text is a number as JSON has it, so that it may stand in a body as it is. */
static bool is_json_number(const char *p)
{
    p += *p == '-';
    if (!isdigit((unsigned char)*p) || (*p == '0' && isdigit((unsigned char)p[1])))
        return false;
    while (isdigit((unsigned char)*p))
        p++;
    if (*p == '.') {
        if (!isdigit((unsigned char)*++p))
            return false;
        while (isdigit((unsigned char)*p))
            p++;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        if (!isdigit((unsigned char)*p))
            return false;
        while (isdigit((unsigned char)*p))
            p++;
    }
    return *p == '\0';
}

/* 2013-07-04 00:00:00, fractions allowed */
static bool is_timestamp(const char *p)
{
    static const char shape[] = "dddd-dd-dd dd:dd:dd";
    size_t n = sizeof shape - 1;
    for (size_t i = 0; i < n; i++)
        if (shape[i] == 'd' ? !isdigit((unsigned char)p[i]) : p[i] != shape[i])
            return false;
    return p[n] == '\0' || (p[n] == '.' && strspn(p + n + 1, "0123456789") == strlen(p + n + 1));
}

/* Cuts a row in its two texts. */
static bool parse_row(char *line, const char **timestamp, const char **value)
{
    line[strcspn(line, "\r\n")] = '\0';
    char *comma = strchr(line, ',');
    if (comma == NULL)
        return false;
    *comma = '\0';
    *timestamp = line;
    *value = comma + 1;
    return is_timestamp(*timestamp) && is_json_number(*value);
}

static void append_row(struct replay *r, struct device *device, const char *timestamp,
                       const char *value)
{
    device->sequence++;
    buffer_clear(&r->body);
    buffer_printf(&r->body, "{\"seq\":%lld,\"timestamp\":\"%s\",\"value\":%s}",
                  (long long)device->sequence, timestamp, value);
    struct telemetry telemetry = {
        .device = {device->name, device->name_n},
        .generation = slice_from(device->generation),
        .body = buffer_slice(&r->body),
    };
    hub_append_telemetry(r->hub, device->partition, &telemetry);
}

/* One row of the next file that still has any; false at the very end. */
static bool next_row(struct replay *r)
{
    for (size_t tried = 0; tried < r->series_n; tried++) {
        struct series *s = &r->series[r->series_next];
        r->series_next = (r->series_next + 1) % r->series_n;
        const char *timestamp;
        const char *value;
        while (s->file != NULL) {
            ssize_t n = getline(&r->line, &r->line_capacity, s->file);
            if (n < 0) {
                (void)fclose(s->file);
                s->file = NULL;
            } else if (n < LINE_CEILING && parse_row(r->line, &timestamp, &value)) {
                append_row(r, s->device, timestamp, value);
                return true;
            } else {
                r->skipped++;
            }
        }
    }
    return false;
}

static int64_t make_events(void *arg, int64_t n)
{
    struct replay *r = arg;
    int64_t made = 0;
    while (made < n && (r->json ? replay_json_next(r->json, r->hub, &r->skipped) : next_row(r)))
        made++;
    return made;
}

static void close_series(struct replay *r)
{
    for (size_t i = 0; i < r->series_n; i++)
        if (r->series[i].file != NULL)
            (void)fclose(r->series[i].file);
    free(r->series);
    r->series = NULL;
    r->series_n = 0;
    r->series_next = 0;
    replay_json_close(r->json);
    r->json = NULL;
}

struct replay *replay_open(struct hub *hub)
{
    struct replay *r = xcalloc(1, sizeof *r);
    r->hub = hub;
    r->pace = pace_open(hub, make_events, r);
    buffer_init(&r->body, (size_t)2 * LINE_CEILING);
    return r;
}

void replay_close(struct replay *r)
{
    close_series(r);
    pace_close(r->pace);
    buffer_free(&r->body);
    free(r->line);
    free(r);
}

static bool open_series(struct replay *r, const char *path, struct series *s, struct error *err)
{
    const char *name = strrchr(path, '/') + 1;
    s->device = devices_get(r->hub->devices, (struct slice){name, strlen(name) - strlen(".csv")});
    s->file = fopen(path, "re");
    if (s->file == NULL) {
        error_set(err, "cannot open %s", path);
        return error_detail(err, "%s", strerror(errno));
    }
    /* The first line is the header; without one it is a row. */
    const char *timestamp;
    const char *value;
    if (getline(&r->line, &r->line_capacity, s->file) > 0 && parse_row(r->line, &timestamp, &value))
        rewind(s->file);
    return true;
}

static bool open_files(struct replay *r, const char *dir, struct error *err)
{
    glob_t found;
    char *pattern = xasprintf("%s/*.csv", dir);
    bool ok = glob(pattern, 0, NULL, &found) == 0;
    free(pattern);
    if (!ok)
        return error_set(err, "no *.csv file in %s", dir);
    r->series = xcalloc(found.gl_pathc, sizeof *r->series);
    for (size_t i = 0; ok && i < found.gl_pathc; i++) {
        ok = open_series(r, found.gl_pathv[i], &r->series[i], err);
        r->series_n += ok;
    }
    globfree(&found);
    if (!ok)
        close_series(r);
    return ok;
}

bool replay_start(struct replay *r, const char *dir, bool json, double rate, struct error *err)
{
    replay_stop(r);
    close_series(r);
    if (json)
        r->json = replay_json_open(dir, err);
    if (json ? r->json == NULL : !open_files(r, dir, err))
        return false;
    pace_start(r->pace, rate, 0, 0);
    return true;
}

void replay_stop(struct replay *r)
{
    pace_stop(r->pace);
}

bool replay_running(const struct replay *r)
{
    return pace_running(r->pace);
}

int64_t replay_skipped(const struct replay *r)
{
    return r->skipped;
}
