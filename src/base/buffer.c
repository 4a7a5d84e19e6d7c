#include "base/buffer.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buffer_init(struct buffer *b, size_t ceiling)
{
    *b = (struct buffer){.ceiling = ceiling};
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    buffer_init(b, b->ceiling);
}

void buffer_clear(struct buffer *b)
{
    b->n = 0;
    b->overflowed = false;
}

char *buffer_reserve(struct buffer *b, size_t n)
{
    if (b->overflowed || n > b->ceiling || b->n > b->ceiling - n) {
        b->overflowed = true;
        return NULL;
    }
    /* One byte more than counted, so that buffer_text can always terminate. */
    if (b->n + n + 1 > b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 256;
        if (capacity < b->n + n + 1)
            capacity = b->n + n + 1;
        if (capacity - 1 > b->ceiling)
            capacity = b->ceiling + 1;
        b->data = xrealloc(b->data, capacity);
        b->capacity = capacity;
    }
    return b->data + b->n;
}

bool buffer_append(struct buffer *b, const void *bytes, size_t n)
{
    char *to = buffer_reserve(b, n);
    if (to == NULL)
        return false;
    if (n > 0)
        memcpy(to, bytes, n);
    b->n += n;
    return true;
}

bool buffer_append_text(struct buffer *b, const char *text)
{
    return buffer_append(b, text, strlen(text));
}

bool buffer_append_slice(struct buffer *b, struct slice s)
{
    return buffer_append(b, s.p, s.n);
}

bool buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *to = n < 0 ? NULL : buffer_reserve(b, (size_t)n);
    if (to == NULL)
        return false;
    va_start(arguments, format);
    (void)vsnprintf(to, (size_t)n + 1, format, arguments);
    va_end(arguments);
    b->n += (size_t)n;
    return true;
}

void buffer_cut(struct buffer *b, size_t n)
{
    if (n < b->n)
        b->n = n;
    b->overflowed = false;
}

void buffer_drop(struct buffer *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->data, b->data + n, b->n - n);
    b->n -= n;
}

const char *buffer_text(struct buffer *b)
{
    if (b->data == NULL)
        return "";
    b->data[b->n] = '\0';
    return b->data;
}

/* How many bytes at the beginning are ASCII that needs no escape. */
static size_t plain_run(struct slice text)
{
    size_t n = 0;
    while (n < text.n && text.p[n] >= 0x20 && text.p[n] < 0x7f && text.p[n] != '"' &&
           text.p[n] != '\\')
        n++;
    return n;
}

/* A quote, a backslash or a control character. */
static bool append_escape(struct buffer *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    const char marked[] = {'\\', (char)c};
    const char control[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    return c < 0x20 ? buffer_append(b, control, sizeof control)
                    : buffer_append(b, marked, sizeof marked);
}

bool buffer_append_json(struct buffer *b, struct slice text)
{
    size_t n;
    for (size_t i = 0; i < text.n; i += n) {
        n = plain_run((struct slice){text.p + i, text.n - i});
        if (n > 0) {
            if (!buffer_append(b, text.p + i, n))
                return false;
            continue;
        }
        unsigned char c = (unsigned char)text.p[i];
        n = utf8_length((struct slice){text.p + i, text.n - i});
        bool ok = c == '"' || c == '\\' || c < 0x20 ? append_escape(b, c)
                  : n == 0                          ? buffer_append_text(b, "\\ufffd")
                                                    : buffer_append(b, text.p + i, n);
        if (!ok)
            return false;
        n = n > 0 ? n : 1;
    }
    return !b->overflowed;
}
