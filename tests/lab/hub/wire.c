#include "hub/wire.h"

#include <string.h>

static uint64_t read_uint(const char *p, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | (unsigned char)p[i];
    return value;
}

static void write_u32(char *to, size_t value)
{
    to[0] = (char)(value >> 24);
    to[1] = (char)(value >> 16);
    to[2] = (char)(value >> 8);
    to[3] = (char)value;
}

static void write_u64(char *to, uint64_t value)
{
    write_u32(to, (size_t)(value >> 32));
    write_u32(to + 4, (size_t)(value & UINT32_MAX));
}

/* The width is in the upper half of the constructor (AMQP 1.0 part 1, section 1.2). */
static bool read_fixed(struct slice in, unsigned char code, struct wire_value *v, size_t *used)
{
    static const size_t widths[] = {[4] = 0, [5] = 1, [6] = 2, [7] = 4, [8] = 8, [9] = 16};
    size_t width = widths[code >> 4];
    if (in.n < 1 + width)
        return false;
    uint64_t raw = width <= 8 ? read_uint(in.p + 1, width) : 0;
    *used = 1 + width;
    switch (code) {
    case 0x40:
        v->kind = WIRE_NULL;
        break;
    case 0x41:
    case 0x42:
        v->kind = WIRE_BOOLEAN;
        v->number = code == 0x41;
        break;
    case 0x45:
        v->kind = WIRE_LIST;
        v->bytes = (struct slice){in.p + 1, 0};
        break;
    case 0x56:
        v->kind = WIRE_BOOLEAN;
        v->number = (int64_t)raw;
        break;
    case 0x51: /* byte, smallint and smalllong are signed */
    case 0x54:
    case 0x55:
        v->kind = WIRE_NUMBER;
        v->number = (int8_t)raw;
        break;
    case 0x61:
        v->kind = WIRE_NUMBER;
        v->number = (int16_t)raw;
        break;
    case 0x71:
        v->kind = WIRE_NUMBER;
        v->number = (int32_t)raw;
        break;
    case 0x43: /* uint0, ulong0, and the unsigned widths */
    case 0x44:
    case 0x50:
    case 0x52:
    case 0x53:
    case 0x60:
    case 0x70:
    case 0x80:
    case 0x81:
        v->kind = WIRE_NUMBER;
        v->number = (int64_t)raw;
        break;
    case 0x83:
        v->kind = WIRE_TIMESTAMP;
        v->number = (int64_t)raw;
        break;
    default:
        v->kind = WIRE_OTHER;
    }
    return true;
}

static bool read_variable(struct slice in, unsigned char code, struct wire_value *v, size_t *used)
{
    size_t width = (code & 0x10) != 0 ? 4 : 1;
    bool compound = code >= 0xc0;
    if (in.n < 1 + width)
        return false;
    size_t size = (size_t)read_uint(in.p + 1, width);
    if (size > in.n - 1 - width || (compound && size < width))
        return false;
    *used = 1 + width + size;
    v->bytes = (struct slice){in.p + 1 + width, size};
    if (compound) {
        v->count = (uint32_t)read_uint(v->bytes.p, width);
        v->bytes.p += width;
        v->bytes.n -= width;
    }
    switch (code) {
    case 0xa0:
    case 0xb0:
        v->kind = WIRE_BINARY;
        break;
    case 0xa1:
    case 0xb1:
    case 0xa3:
    case 0xb3:
        v->kind = WIRE_TEXT;
        break;
    case 0xc0:
    case 0xd0:
        v->kind = WIRE_LIST;
        break;
    case 0xc1:
    case 0xd1:
        v->kind = WIRE_MAP;
        break;
    default:
        v->kind = WIRE_OTHER;
    }
    return true;
}

static bool read_plain(struct slice in, struct wire_value *v, size_t *used)
{
    if (in.n == 0)
        return false;
    unsigned char code = (unsigned char)in.p[0];
    if (code >= 0x40 && code < 0xa0)
        return read_fixed(in, code, v, used);
    return code >= 0xa0 && read_variable(in, code, v, used);
}

bool wire_read(struct slice *in, struct wire_value *value)
{
    *value = (struct wire_value){.whole = {in->p, 0}};
    struct slice rest = *in;
    size_t used = 0;
    if (rest.n > 0 && rest.p[0] == 0) {
        struct wire_value descriptor = {0};
        rest = (struct slice){rest.p + 1, rest.n - 1};
        if (!read_plain(rest, &descriptor, &used))
            return false;
        rest = (struct slice){rest.p + used, rest.n - used};
        value->described = true;
        if (descriptor.kind == WIRE_NUMBER)
            value->descriptor = (uint64_t)descriptor.number;
    }
    if (!read_plain(rest, value, &used))
        return false;
    rest = (struct slice){rest.p + used, rest.n - used};
    value->whole.n = in->n - rest.n;
    *in = rest;
    return true;
}

/* A value of variable width: constructor `narrow`, or `narrow | 0x10` for four bytes of size. */
static void put_variable(struct buffer *b, unsigned char narrow, struct slice s)
{
    char *to = buffer_reserve(b, s.n + 5);
    if (to == NULL)
        return;
    size_t head = s.n <= UINT8_MAX ? 2 : 5;
    if (head == 2) {
        to[0] = (char)narrow;
        to[1] = (char)s.n;
    } else {
        to[0] = (char)(narrow | 0x10);
        write_u32(to + 1, s.n);
    }
    if (s.n > 0)
        memcpy(to + head, s.p, s.n);
    b->n += head + s.n;
}

void wire_put_symbol(struct buffer *b, struct slice text)
{
    put_variable(b, 0xa3, text);
}

void wire_put_string(struct buffer *b, struct slice text)
{
    put_variable(b, 0xa1, text);
}

void wire_put_binary(struct buffer *b, struct slice bytes)
{
    put_variable(b, 0xa0, bytes);
}

static void put_eight(struct buffer *b, unsigned char code, uint64_t value)
{
    char *to = buffer_reserve(b, 9);
    if (to == NULL)
        return;
    to[0] = (char)code;
    write_u64(to + 1, value);
    b->n += 9;
}

void wire_put_long(struct buffer *b, int64_t number)
{
    put_eight(b, 0x81, (uint64_t)number);
}

void wire_put_timestamp(struct buffer *b, int64_t ms)
{
    put_eight(b, 0x83, (uint64_t)ms);
}

void wire_put_uint(struct buffer *b, uint32_t number)
{
    char bytes[5] = {0x70};
    write_u32(bytes + 1, number);
    buffer_append(b, bytes, sizeof bytes);
}

void wire_put_boolean(struct buffer *b, bool value)
{
    buffer_append(b, value ? "\x41" : "\x42", 1);
}

void wire_put_null(struct buffer *b)
{
    buffer_append(b, "\x40", 1);
}

void wire_put_descriptor(struct buffer *b, uint8_t code)
{
    buffer_append(b, (const char[]){0x00, 0x53, (char)code}, 3);
}

static size_t begin(struct buffer *b, unsigned char code)
{
    size_t mark = b->n;
    buffer_append(b, (const char[]){(char)code, 0, 0, 0, 0, 0, 0, 0, 0}, 9);
    return mark;
}

size_t wire_begin_map(struct buffer *b)
{
    return begin(b, 0xd1);
}

size_t wire_begin_list(struct buffer *b)
{
    return begin(b, 0xd0);
}

void wire_end(struct buffer *b, size_t mark, uint32_t count)
{
    if (b->overflowed)
        return;
    /* The size counts what follows it: the count's four bytes and the items. */
    write_u32(b->data + mark + 1, b->n - mark - 5);
    write_u32(b->data + mark + 5, count);
}
