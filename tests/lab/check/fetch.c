#include "check/fetch.h"

#include "base/buffer.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>

enum { LINE_CEILING = 64 * 1024 * 1024, STALL_SECONDS = 60 };

struct fetch {
    fetch_line take;
    void *context;
    struct error *err;
    struct buffer rest; /* of a line that is not complete yet */
    bool refused;
};

static bool take_lines(struct fetch *f)
{
    size_t start = 0;
    char *end;
    while (start < f->rest.n &&
           (end = memchr(f->rest.data + start, '\n', f->rest.n - start)) != NULL) {
        struct slice line = {f->rest.data + start, (size_t)(end - (f->rest.data + start))};
        if (!f->take(f->context, line, f->err))
            return false;
        start += line.n + 1;
    }
    buffer_drop(&f->rest, start);
    return true;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct fetch *f = context;
    size_t n = size * count;
    f->refused = true;
    if (!buffer_append(&f->rest, bytes, n)) {
        (void)error_set(f->err, "a line is longer than %d bytes", LINE_CEILING);
        return 0;
    }
    if (memchr(bytes, '\n', n) != NULL && !take_lines(f))
        return 0;
    f->refused = false;
    return n;
}

static bool perform(CURL *curl, const char *url, struct fetch *f)
{
    long status = 0;
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
    (void)curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    CURLcode code = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (f->refused)
        return error_detail(f->err, "while reading %s", url);
    if (code != CURLE_OK || status != 200)
        return error_set(f->err, "cannot fetch %s: %s (status %ld)", url, curl_easy_strerror(code),
                         status);
    if (f->rest.n > 0)
        return error_set(f->err, "the text of %s ends in the middle of a line", url);
    return true;
}

bool fetch_lines(const char *url, fetch_line take, void *context, struct error *err)
{
    struct fetch f = {.take = take, .context = context, .err = err};
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return error_set(err, "libcurl does not start");
    buffer_init(&f.rest, LINE_CEILING);
    bool ok = perform(curl, url, &f);
    buffer_free(&f.rest);
    curl_easy_cleanup(curl);
    return ok;
}

struct slice fetch_field(struct slice *line)
{
    const char *tab = line->n > 0 ? memchr(line->p, '\t', line->n) : NULL;
    struct slice field = {line->p, tab != NULL ? (size_t)(tab - line->p) : line->n};
    size_t passed = field.n + (tab != NULL ? 1 : 0);
    line->p += passed;
    line->n -= passed;
    return field;
}

bool fetch_number(struct slice field, int64_t *number)
{
    char text[24];
    char *end;
    if (field.n == 0 || field.n >= sizeof text || field.p[0] == ' ' || field.p[0] == '+')
        return false;
    memcpy(text, field.p, field.n);
    text[field.n] = '\0';
    errno = 0;
    *number = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

struct slice fetch_unescape(struct slice field)
{
    char *to = (char *)(uintptr_t)field.p;
    size_t n = 0;
    for (size_t i = 0; i < field.n; i++) {
        char c = field.p[i];
        if (c == '\\' && i + 1 < field.n) {
            c = field.p[++i];
            c = (char)(c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c);
        }
        to[n++] = c;
    }
    field.n = n;
    return field;
}
