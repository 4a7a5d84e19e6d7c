#include "admin/http_request.h"

#include <string.h>
#include <strings.h>

/* Where the reading stands. */
struct reader {
    struct slice bytes;
    size_t at;
    struct http_request *request;
    unsigned fields, hosts, lengths;
    bool old; /* HTTP/1.0 */
};

static enum http_verdict refuse(struct http_request *request, int status, const char *why)
{
    request->status = status;
    request->why = why;
    return HTTP_REFUSED;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_token_char(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
           (c != '\0' && strchr(others, c) != NULL);
}

static size_t token_length(struct slice text)
{
    size_t n = 0;
    while (n < text.n && is_token_char(text.p[n]))
        n++;
    return n;
}

/* A control character in the middle of a line means that somebody else may see a line end there. */
static bool is_line_text(struct slice line)
{
    for (size_t i = 0; i < line.n; i++)
        if (((unsigned char)line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 0x7f)
            return false;
    return true;
}

/* The next line without its end. Only CR LF ends one. */
static enum http_verdict next_line(struct reader *r, struct slice *line)
{
    const char *from = r->bytes.p + r->at;
    size_t left = r->bytes.n - r->at;
    const char *end = left > 0 ? memchr(from, '\n', left) : NULL;
    size_t n = end != NULL ? (size_t)(end - from) : left;
    bool cr = n > 0 && from[n - 1] == '\r';
    *line = (struct slice){from, cr ? n - 1 : n};
    if (!is_line_text(*line) || (end != NULL && !cr))
        return refuse(r->request, 400, "lines end with CR LF, and hold no control characters");
    if (end == NULL)
        return HTTP_MORE;
    r->at += n + 1;
    return HTTP_WHOLE;
}

static bool word_is(struct slice word, const char *text)
{
    return word.n == strlen(text) && strncasecmp(word.p, text, word.n) == 0;
}

static enum http_verdict read_version(struct reader *r, struct slice version)
{
    if (slice_equal(version, SLICE_LITERAL("HTTP/1.1")))
        return HTTP_WHOLE;
    r->old = true;
    if (slice_equal(version, SLICE_LITERAL("HTTP/1.0")))
        return HTTP_WHOLE;
    if (version.n == 8 && memcmp(version.p, "HTTP/", 5) == 0 && is_digit(version.p[5]) &&
        version.p[6] == '.' && is_digit(version.p[7]))
        return refuse(r->request, 505, "only HTTP/1.1 or HTTP/1.0");
    return refuse(r->request, 400, "the request line is: method, path, HTTP/1.1");
}

static enum http_verdict read_request_line(struct reader *r, struct slice line)
{
    struct http_request *request = r->request;
    struct slice method = {line.p, token_length(line)};
    if (method.n == 0 || method.n == line.n || line.p[method.n] != ' ')
        return refuse(request, 400, "the request line is: method, path, HTTP/1.1");
    request->head = slice_equal(method, SLICE_LITERAL("HEAD"));
    if (!request->head && !slice_equal(method, SLICE_LITERAL("GET")))
        return refuse(request, 405, "GET or HEAD only");
    struct slice target = {line.p + method.n + 1, 0};
    size_t left = line.n - method.n - 1;
    while (target.n < left && target.p[target.n] > ' ' && target.p[target.n] < 0x7f)
        target.n++;
    if (target.n == left || target.p[target.n] != ' ' || target.n == 0)
        return refuse(request, 400, "the request line is: method, path, HTTP/1.1");
    if (target.p[0] != '/' || memchr(target.p, '#', target.n) != NULL)
        return refuse(request, 400, "the target is a path that begins with /");
    const char *query = memchr(target.p, '?', target.n);
    request->path = (struct slice){target.p, query != NULL ? (size_t)(query - target.p) : target.n};
    return read_version(r, (struct slice){target.p + target.n + 1, left - target.n - 1});
}

static struct slice trim(struct slice text)
{
    while (text.n > 0 && (text.p[0] == ' ' || text.p[0] == '\t'))
        text = (struct slice){text.p + 1, text.n - 1};
    while (text.n > 0 && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
        text.n--;
    return text;
}

static bool lists(struct slice list, const char *word)
{
    while (list.n > 0) {
        const char *comma = memchr(list.p, ',', list.n);
        size_t n = comma != NULL ? (size_t)(comma - list.p) : list.n;
        if (word_is(trim((struct slice){list.p, n}), word))
            return true;
        size_t step = comma != NULL ? n + 1 : n;
        list = (struct slice){list.p + step, list.n - step};
    }
    return false;
}

/* Whether a media type is among those that are accepted. How much it is liked beside others does
 * not count, but q=0 says that it is not wanted. */
static bool accepts(struct slice list, const char *type)
{
    static const char unwanted[] = "q=0";
    size_t n_unwanted = sizeof unwanted - 1;
    while (list.n > 0) {
        const char *comma = memchr(list.p, ',', list.n);
        size_t n = comma != NULL ? (size_t)(comma - list.p) : list.n;
        struct slice item = trim((struct slice){list.p, n});
        const char *semicolon = item.n > 0 ? memchr(item.p, ';', item.n) : NULL;
        size_t n_type = semicolon != NULL ? (size_t)(semicolon - item.p) : item.n;
        bool refused =
            item.n > n_unwanted && memcmp(item.p + item.n - n_unwanted, unwanted, n_unwanted) == 0;
        if (!refused && word_is(trim((struct slice){item.p, n_type}), type))
            return true;
        size_t step = comma != NULL ? n + 1 : n;
        list = (struct slice){list.p + step, list.n - step};
    }
    return false;
}

/* "0" says that there is no body; anything else would have to be skipped, and how much that is has
 * been the root of most confusions between servers. */
static enum http_verdict read_length(struct reader *r, struct slice value)
{
    if (++r->lengths > 1 || value.n == 0)
        return refuse(r->request, 400, "Content-Length is one number, said once");
    for (size_t i = 0; i < value.n; i++)
        if (!is_digit(value.p[i]))
            return refuse(r->request, 400, "Content-Length is one number, said once");
    if (value.n > 1 || value.p[0] != '0')
        return refuse(r->request, 413, "a request has no body here");
    return HTTP_WHOLE;
}

static enum http_verdict read_field(struct reader *r, struct slice line)
{
    struct http_request *request = r->request;
    if (++r->fields > HTTP_FIELDS_CEILING)
        return refuse(request, 431, "too many header fields");
    struct slice name = {line.p, token_length(line)};
    if (name.n == 0 || name.n == line.n || line.p[name.n] != ':')
        return refuse(request, 400, "a header field is: name, colon, value, on one line");
    struct slice value = trim((struct slice){name.p + name.n + 1, line.n - name.n - 1});
    if (word_is(name, "host")) {
        request->host = value;
        if (++r->hosts > 1 || value.n == 0)
            return refuse(request, 400, "Host names one host, once");
    } else if (word_is(name, "content-length")) {
        return read_length(r, value);
    } else if (word_is(name, "transfer-encoding")) {
        return refuse(request, 400, "a request has no body here");
    } else if (word_is(name, "expect")) {
        return refuse(request, 417, "nothing can be expected here");
    } else if (word_is(name, "accept")) {
        request->openmetrics =
            request->openmetrics || accepts(value, "application/openmetrics-text");
    } else if (word_is(name, "connection") && lists(value, "close")) {
        request->keep = false;
    }
    return HTTP_WHOLE;
}

static enum http_verdict read_head(struct reader *r)
{
    struct slice line;
    enum http_verdict verdict = next_line(r, &line);
    if (verdict != HTTP_REFUSED && line.n > HTTP_TARGET_CEILING)
        return refuse(r->request, 414, "the request line is too long");
    if (verdict == HTTP_WHOLE)
        verdict = read_request_line(r, line);
    r->request->keep = !r->old;
    while (verdict == HTTP_WHOLE) {
        verdict = next_line(r, &line);
        if (verdict == HTTP_WHOLE && line.n == 0)
            break;
        if (verdict == HTTP_WHOLE)
            verdict = read_field(r, line);
    }
    return verdict;
}

enum http_verdict http_request_read(struct slice bytes, struct http_request *request)
{
    *request = (struct http_request){.status = 0};
    if (bytes.n == 0)
        return HTTP_MORE;
    bool cut = bytes.n >= HTTP_HEAD_CEILING;
    struct reader r = {.request = request, .bytes = {bytes.p, cut ? HTTP_HEAD_CEILING : bytes.n}};
    enum http_verdict verdict = read_head(&r);
    if (verdict == HTTP_MORE && cut)
        return refuse(request, 431, "the header fields are too long");
    if (verdict != HTTP_WHOLE)
        return verdict;
    if (r.hosts == 0 && !r.old)
        return refuse(request, 400, "the field Host is missing");
    request->size = r.at;
    return HTTP_WHOLE;
}
