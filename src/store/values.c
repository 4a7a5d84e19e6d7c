#include "store/values.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAY_CEILING = 64 * 1024 * 1024 };

const char *row_text(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

int64_t row_number(const PGresult *result, int row, int column)
{
    const char *text = row_text(result, row, column);
    return text == NULL ? 0 : strtoll(text, NULL, 10);
}

bool row_bool(const PGresult *result, int row, int column)
{
    const char *text = row_text(result, row, column);
    return text != NULL && text[0] == 't';
}

void array_begin(struct buffer *to)
{
    buffer_init(to, ARRAY_CEILING);
    (void)buffer_append_text(to, "{");
}

static void separate(struct buffer *to)
{
    if (to->n > 1)
        (void)buffer_append_text(to, ",");
}

void array_number(struct buffer *to, int64_t value)
{
    separate(to);
    (void)buffer_printf(to, "%" PRId64, value);
}

void array_null(struct buffer *to)
{
    separate(to);
    (void)buffer_append_text(to, "NULL");
}

/* Writes the text with what an array's element needs; returns the end. */
static char *put_escaped(char *to, struct slice text)
{
    while (text.n > 0) {
        /* PostgreSQL refuses a whole statement for one byte that is not UTF-8, or a NUL. */
        size_t n = text.p[0] == '\0' ? 0 : utf8_length(text);
        if (n == 0)
            *to++ = '?';
        else if (text.p[0] == '"' || text.p[0] == '\\')
            *to++ = '\\';
        memcpy(to, text.p, n);
        to += n;
        text.p += n > 0 ? n : 1;
        text.n -= n > 0 ? n : 1;
    }
    return to;
}

void array_text(struct buffer *to, struct slice value)
{
    separate(to);
    (void)buffer_append_text(to, "\"");
    char *at = buffer_reserve(to, value.n * 2);
    if (at != NULL)
        to->n += (size_t)(put_escaped(at, value) - at);
    (void)buffer_append_text(to, "\"");
}

void array_bytes(struct buffer *to, struct slice value)
{
    static const char hex[] = "0123456789abcdef";
    separate(to);
    (void)buffer_append_text(to, "\"\\\\x");
    char *at = buffer_reserve(to, value.n * 2);
    if (at != NULL) {
        for (size_t i = 0; i < value.n; i++) {
            unsigned char c = (unsigned char)value.p[i];
            at[2 * i] = hex[c >> 4];
            at[2 * i + 1] = hex[c & 15];
        }
        to->n += value.n * 2;
    }
    (void)buffer_append_text(to, "\"");
}

const char *array_end(struct buffer *to)
{
    (void)buffer_append_text(to, "}");
    return buffer_text(to);
}

const char *number_text(char to[NUMBER_TEXT], int64_t value)
{
    (void)snprintf(to, NUMBER_TEXT, "%" PRId64, value);
    return to;
}
