#include "core/json_scan.h"

#include <stdint.h>
#include <stdlib.h>

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* 2^53 has 16 digits, INT64_MAX has 19. */
#define DOUBLE_EXACT UINT64_C(9007199254740992)
#define DOUBLE_EXACT_DIGITS 16u
#define LONG_DIGITS 19u

bool json_scan_fail(struct json_cursor *c, const char *why)
{
    c->why = why;
    return false;
}

static void skip_blanks(struct json_cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
        c->p++;
}

bool json_scan_token(struct json_cursor *c, char wanted)
{
    skip_blanks(c);
    if (c->p == c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

bool json_scan_end(struct json_cursor *c)
{
    skip_blanks(c);
    return c->p == c->end;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit, or -1. */
static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* --- strings ------------------------------------------------------------------------------- */

/* Where the first byte stands that is not plain: a quote, a backslash, a control or not ASCII.
 * Eight bytes at a time: a borrow out of a byte can only disturb the bytes above it, so the lowest
 * mark is always right. */
static const char *skip_plain(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
            word = __builtin_bswap64(word);
        uint64_t control = word - ONES * 0x20;
        uint64_t quote = (word ^ (ONES * '"')) - ONES;
        uint64_t backslash = (word ^ (ONES * '\\')) - ONES;
        uint64_t marks = (control | quote | backslash | word) & HIGHS;
        if (marks != 0)
            return p + __builtin_ctzll(marks) / 8;
        p += 8;
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\')
        p++;
    return p;
}

/* Reads four hexadecimal digits; -1 if they are not. */
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

static bool skip_escape(struct json_cursor *c)
{
    if (c->end - c->p < 2)
        return json_scan_fail(c, "unfinished string");
    char kind = c->p[1];
    if (kind == 'u') {
        if (hex4(c->p + 2, c->end) < 0)
            return json_scan_fail(c, "invalid escape");
        c->p += 6;
        return true;
    }
    if (kind == '\0' || strchr("\"\\/bfnrt", kind) == NULL)
        return json_scan_fail(c, "invalid escape");
    c->p += 2;
    return true;
}

/* The length of the well-formed UTF-8 sequence (of two bytes or more) at p; 0 if it is none:
 * no overlong forms, no surrogates, nothing above U+10FFFF. */
static size_t utf8_length(const char *text, const char *end)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t left = (size_t)(end - text);
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t n;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        n = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        n = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        n = 4;
    else
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (left < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool json_scan_string(struct json_cursor *c, struct json_value *value)
{
    if (!json_scan_token(c, '"'))
        return json_scan_fail(c, c->p == c->end ? "unfinished object" : "string expected");
    const char *begin = c->p;
    value->kind = JSON_STRING;
    value->escaped = false;
    for (;;) {
        c->p = skip_plain(c->p, c->end);
        if (c->p == c->end)
            return json_scan_fail(c, "unfinished string");
        if (*c->p == '"')
            break;
        if (*c->p == '\\') {
            value->escaped = true;
            if (!skip_escape(c))
                return false;
        } else if ((unsigned char)*c->p < 0x20) {
            return json_scan_fail(c, "control character in a string");
        } else {
            size_t n = utf8_length(c->p, c->end);
            if (n == 0)
                return json_scan_fail(c, "invalid UTF-8");
            c->p += n;
        }
    }
    value->text = (struct slice){begin, (size_t)(c->p - begin)};
    c->p++;
    return true;
}

/* --- canonical strings --------------------------------------------------------------------- */

static char *put_hex4(char *to, uint32_t code)
{
    static const char digits[] = "0123456789abcdef";
    *to++ = '\\';
    *to++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *to++ = digits[(code >> shift) & 15];
    return to;
}

static char *put_code(char *to, uint32_t code)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *s = shorts; *s != '\0' && code < 0x80; s += 2)
        if (code == (unsigned char)*s) {
            *to++ = '\\';
            *to++ = s[1];
            return to;
        }
    if (code < 0x20 || (code >= 0xd800 && code <= 0xdfff))
        return put_hex4(to, code);
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | (code >> 6));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | (code >> 12));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | (code >> 18));
        *to++ = (char)(0x80 | ((code >> 12) & 0x3f));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

/* Reads the escape at p (checked before) and moves past it, past both halves of a pair. */
static uint32_t take_escape(const char **p, const char *end)
{
    static const char shorts[] = "b\bf\fn\nr\rt\t";
    char kind = (*p)[1];
    if (kind != 'u') {
        *p += 2;
        for (const char *s = shorts; *s != '\0'; s += 2)
            if (kind == *s)
                return (uint32_t)s[1];
        return (uint32_t)kind;
    }
    uint32_t code = (uint32_t)hex4(*p + 2, end);
    *p += 6;
    if (code < 0xd800 || code > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
        return code;
    uint32_t second = (uint32_t)hex4(*p + 2, end);
    if (second < 0xdc00 || second > 0xdfff)
        return code;
    *p += 6;
    return 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
}

size_t json_scan_canonical(struct slice text, char *to)
{
    char *begin = to;
    const char *p = text.p;
    const char *end = text.p + text.n;
    while (p < end) {
        if (*p == '\\')
            to = put_code(to, take_escape(&p, end));
        else
            *to++ = *p++;
    }
    return (size_t)(to - begin);
}

/* --- numbers and words --------------------------------------------------------------------- */

/* An integer's kind by its digits, which have no leading zeros. */
static enum json_kind integer_kind(const char *digits, size_t n, bool negative)
{
    if (n < DOUBLE_EXACT_DIGITS || n > LONG_DIGITS)
        return JSON_NUMBER;
    uint64_t magnitude = 0;
    for (size_t i = 0; i < n; i++)
        magnitude = magnitude * 10 + (uint64_t)(digits[i] - '0');
    uint64_t largest = (uint64_t)INT64_MAX + (negative ? 1u : 0u);
    return magnitude > DOUBLE_EXACT && magnitude <= largest ? JSON_LONG : JSON_NUMBER;
}

/* Whether a checked number is beyond the largest double. */
static bool out_of_range(struct slice text)
{
    char number[JSON_NUMBER_MAX + 1];
    if (text.n > JSON_NUMBER_MAX)
        return true;
    memcpy(number, text.p, text.n);
    number[text.n] = '\0';
    return __builtin_isinf(strtod(number, NULL));
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p))
        p++;
    return p;
}

static bool scan_number(struct json_cursor *c, struct json_value *value)
{
    const char *begin = c->p;
    const char *p = begin + (*begin == '-' ? 1 : 0);
    const char *digits = p;
    p = skip_digits(p, c->end);
    if (p == digits || (*digits == '0' && p - digits > 1))
        return json_scan_fail(c, "invalid number");
    value->kind = integer_kind(digits, (size_t)(p - digits), digits != begin);
    if (p < c->end && *p == '.') {
        value->kind = JSON_NUMBER;
        const char *fraction = ++p;
        p = skip_digits(p, c->end);
        if (p == fraction)
            return json_scan_fail(c, "invalid number");
    }
    bool exponent = p < c->end && (*p == 'e' || *p == 'E');
    if (exponent) {
        value->kind = JSON_NUMBER;
        p++;
        if (p < c->end && (*p == '+' || *p == '-'))
            p++;
        const char *power = p;
        p = skip_digits(p, c->end);
        if (p == power)
            return json_scan_fail(c, "invalid number");
    }
    value->text = (struct slice){begin, (size_t)(p - begin)};
    if ((exponent || value->text.n > JSON_NUMBER_MAX) && out_of_range(value->text))
        return json_scan_fail(c, "number out of range");
    c->p = p;
    return true;
}

static bool scan_word(struct json_cursor *c, struct slice word, enum json_kind kind,
                      struct json_value *value)
{
    if ((size_t)(c->end - c->p) < word.n || memcmp(c->p, word.p, word.n) != 0)
        return json_scan_fail(c, "unknown word");
    *value = (struct json_value){.kind = kind, .text = {c->p, word.n}};
    c->p += word.n;
    return true;
}

/* --- objects and arrays -------------------------------------------------------------------- */

static bool scan_members(struct json_cursor *c, unsigned depth_left)
{
    struct json_value ignored;
    if (json_scan_token(c, '}'))
        return true;
    do {
        if (!json_scan_string(c, &ignored))
            return false;
        if (!json_scan_token(c, ':'))
            return json_scan_fail(c, "colon expected");
        if (!json_scan_value(c, depth_left, &ignored))
            return false;
    } while (json_scan_token(c, ','));
    return json_scan_token(c, '}') || json_scan_fail(c, "unfinished object");
}

static bool scan_elements(struct json_cursor *c, unsigned depth_left)
{
    struct json_value ignored;
    if (json_scan_token(c, ']'))
        return true;
    do {
        if (!json_scan_value(c, depth_left, &ignored))
            return false;
    } while (json_scan_token(c, ','));
    return json_scan_token(c, ']') || json_scan_fail(c, "unfinished array");
}

static bool scan_nested(struct json_cursor *c, unsigned depth_left, struct json_value *value)
{
    if (depth_left == 0)
        return json_scan_fail(c, "nested too deep");
    const char *begin = c->p;
    bool object = *c->p++ == '{';
    if (!(object ? scan_members(c, depth_left - 1) : scan_elements(c, depth_left - 1)))
        return false;
    value->kind = object ? JSON_OBJECT : JSON_ARRAY;
    value->text = (struct slice){begin, (size_t)(c->p - begin)};
    return true;
}

bool json_scan_value(struct json_cursor *c, unsigned depth_left, struct json_value *value)
{
    skip_blanks(c);
    if (c->p == c->end)
        return json_scan_fail(c, "value missing");
    value->escaped = false;
    switch (*c->p) {
    case '"':
        return json_scan_string(c, value);
    case '{':
    case '[':
        return scan_nested(c, depth_left, value);
    case 't':
        return scan_word(c, SLICE_LITERAL("true"), JSON_BOOLEAN, value);
    case 'f':
        return scan_word(c, SLICE_LITERAL("false"), JSON_BOOLEAN, value);
    case 'n':
        return scan_word(c, SLICE_LITERAL("null"), JSON_NULL, value);
    default:
        if (*c->p == '-' || is_digit(*c->p))
            return scan_number(c, value);
        return json_scan_fail(c, "unknown word");
    }
}

/* --- step by step -------------------------------------------------------------------------- */

bool json_scan_member(struct json_cursor *c, struct json_value *name, struct json_value *value)
{
    if (!json_scan_token(c, '{') && !json_scan_token(c, ','))
        return false;
    return json_scan_string(c, name) && json_scan_token(c, ':') &&
           json_scan_value(c, JSON_DEPTH_MAX, value);
}

bool json_scan_element(struct json_cursor *c, struct json_value *value)
{
    if (!json_scan_token(c, '[') && !json_scan_token(c, ','))
        return false;
    return json_scan_value(c, JSON_DEPTH_MAX, value);
}
