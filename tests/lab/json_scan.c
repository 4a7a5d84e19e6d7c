#include "json_scan.h"

#include <stdint.h>

enum { DEPTH_LIMIT = 64 };

static bool pass_value(struct scan *s, struct scan_value *value, int depth);

struct scan scan_start(struct slice text)
{
    return (struct scan){.p = text.p, .end = text.p + text.n, .error = NULL};
}

static bool fail(struct scan *s, const char *error)
{
    if (s->error == NULL)
        s->error = error;
    return false;
}

static void pass_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

static bool is_digit(const struct scan *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static bool pass_digits(struct scan *s)
{
    if (!is_digit(s))
        return fail(s, "a digit is missing in a number");
    while (is_digit(s))
        s->p++;
    return true;
}

static bool pass_number(struct scan *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else if (!pass_digits(s))
        return false;
    if (is_digit(s))
        return fail(s, "a number starts with zero");
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!pass_digits(s))
            return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        return pass_digits(s);
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four hex digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

static bool pass_escape(struct scan *s)
{
    s->p++;
    if (s->p >= s->end)
        return fail(s, "a string is not closed");
    if (*s->p == 'u') {
        if (hex4(s->p + 1, s->end) < 0)
            return fail(s, "four hex digits must follow \\u");
        s->p += 5;
        return true;
    }
    if (strchr("\"\\/bfnrt", *s->p) == NULL || *s->p == '\0')
        return fail(s, "an unknown escape in a string");
    s->p++;
    return true;
}

/* One UTF-8 sequence of two to four bytes: no overlong form, no surrogate. */
static bool pass_utf8(struct scan *s)
{
    const unsigned char *u = (const unsigned char *)s->p;
    size_t left = (size_t)(s->end - s->p);
    size_t n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    bool bad = u[0] < 0xc2 || u[0] > 0xf4 || left < n;
    for (size_t i = 1; !bad && i < n; i++)
        bad = (u[i] & 0xc0) != 0x80;
    if (bad || (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
        (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
        return fail(s, "a string is not valid UTF-8");
    s->p += n;
    return true;
}

static bool pass_string(struct scan *s, bool *escaped)
{
    *escaped = false;
    s->p++;
    while (s->p < s->end) {
        unsigned char c = (unsigned char)*s->p;
        if (c == '"') {
            s->p++;
            return true;
        }
        if (c == '\\') {
            *escaped = true;
            if (!pass_escape(s))
                return false;
        } else if (c < 0x20) {
            return fail(s, "a control character in a string");
        } else if (c >= 0x80) {
            if (!pass_utf8(s))
                return false;
        } else {
            s->p++;
        }
    }
    return fail(s, "a string is not closed");
}

static bool pass_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return fail(s, "an unknown word where a value must stand");
    s->p += n;
    return true;
}

static bool pass_object(struct scan *s, int depth)
{
    bool first = true;
    struct scan_value key;
    struct scan_value value;
    s->p++;
    while (scan_member(s, &first, &key))
        if (!pass_value(s, &value, depth + 1))
            return false;
    return s->error == NULL;
}

static bool pass_array(struct scan *s, int depth)
{
    bool first = true;
    struct scan_value value;
    s->p++;
    while (scan_element(s, &first))
        if (!pass_value(s, &value, depth + 1))
            return false;
    return s->error == NULL;
}

static bool pass_value(struct scan *s, struct scan_value *value, int depth)
{
    pass_space(s);
    if (s->p >= s->end)
        return fail(s, "the text ends where a value must stand");
    if (depth > DEPTH_LIMIT)
        return fail(s, "too deeply nested");
    const char *start = s->p;
    bool ok;
    value->escaped = false;
    value->kind = scan_peek(s);
    switch (value->kind) {
    case SCAN_OBJECT:
        ok = pass_object(s, depth);
        break;
    case SCAN_ARRAY:
        ok = pass_array(s, depth);
        break;
    case SCAN_STRING:
        ok = pass_string(s, &value->escaped);
        break;
    case SCAN_NUMBER:
        ok = pass_number(s);
        break;
    case SCAN_BOOLEAN:
        ok = pass_word(s, *s->p == 't' ? "true" : "false");
        break;
    case SCAN_NULL:
    default:
        ok = pass_word(s, "null");
        break;
    }
    value->text = (struct slice){start, (size_t)(s->p - start)};
    return ok;
}

bool scan_any(struct scan *s, struct scan_value *value)
{
    return s->error == NULL && pass_value(s, value, 0);
}

enum scan_kind scan_peek(struct scan *s)
{
    pass_space(s);
    switch (s->p < s->end ? *s->p : '\0') {
    case '{':
        return SCAN_OBJECT;
    case '[':
        return SCAN_ARRAY;
    case '"':
        return SCAN_STRING;
    case 't':
    case 'f':
        return SCAN_BOOLEAN;
    case '-':
    case '0' ... '9':
        return SCAN_NUMBER;
    default:
        return SCAN_NULL;
    }
}

bool scan_enter(struct scan *s, char bracket)
{
    pass_space(s);
    if (s->error != NULL || s->p >= s->end || *s->p != bracket)
        return false;
    s->p++;
    return true;
}

/* Passes the closing bracket (false, no error) or the comma before the next entry (true). */
static bool pass_separator(struct scan *s, bool *first, char closing)
{
    pass_space(s);
    if (s->error != NULL)
        return false;
    if (s->p >= s->end)
        return fail(s, "an object or array is not closed");
    if (*s->p == closing) {
        s->p++;
        return false;
    }
    if (!*first) {
        if (*s->p != ',')
            return fail(s, "a comma is missing");
        s->p++;
        pass_space(s);
    }
    *first = false;
    return true;
}

bool scan_member(struct scan *s, bool *first, struct scan_value *key)
{
    if (!pass_separator(s, first, '}'))
        return false;
    if (s->p >= s->end || *s->p != '"')
        return fail(s, "a member's name is missing");
    const char *start = s->p;
    if (!pass_string(s, &key->escaped))
        return false;
    key->kind = SCAN_STRING;
    key->text = (struct slice){start, (size_t)(s->p - start)};
    pass_space(s);
    if (s->p >= s->end || *s->p != ':')
        return fail(s, "a colon is missing");
    s->p++;
    return true;
}

bool scan_element(struct scan *s, bool *first)
{
    return pass_separator(s, first, ']');
}

bool scan_end(struct scan *s)
{
    pass_space(s);
    if (s->error == NULL && s->p != s->end)
        return fail(s, "something follows the end");
    return s->error == NULL;
}

struct slice scan_inside(const struct scan_value *value)
{
    return (struct slice){value->text.p + 1, value->text.n - 2};
}

bool scan_is(const struct scan_value *value, const char *text)
{
    return value->kind == SCAN_STRING && slice_equal(scan_inside(value), slice_from(text));
}

static bool put_utf8(struct buffer *out, uint32_t code)
{
    char bytes[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    bytes[0] = (char)(lead[n] | code);
    return buffer_append(out, bytes, n);
}

/* Resolves the \u escape whose digits stand at *p, with its second half if it is a pair. A
 * lone surrogate becomes the replacement character. */
static bool put_unicode(const char **p, const char *end, struct buffer *out)
{
    uint32_t code = (uint32_t)hex4(*p, end);
    *p += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        int32_t low = hex4(*p + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
            *p += 6;
            return put_utf8(out, 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)low - 0xdc00));
        }
    }
    return put_utf8(out, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
}

bool scan_decode(const struct scan_value *value, struct buffer *out)
{
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    struct slice inside = scan_inside(value);
    if (!value->escaped)
        return buffer_append_slice(out, inside);
    const char *end = inside.p + inside.n;
    for (const char *p = inside.p; p < end;) {
        if (*p != '\\') {
            if (!buffer_append(out, p++, 1))
                return false;
            continue;
        }
        char c = p[1];
        p += 2;
        if (c == 'u') {
            if (!put_unicode(&p, end, out))
                return false;
            continue;
        }
        const char *found = strchr(from, c);
        if (!buffer_append(out, found != NULL ? &to[found - from] : &c, 1))
            return false;
    }
    return true;
}
