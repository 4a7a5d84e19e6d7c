#include "source/amqp_scan.h"

#include <stdint.h>

/* The descriptors of the sections (AMQP 1.0, 3.2). */
enum section {
    SECTION_DELIVERY_ANNOTATIONS = 0x71,
    SECTION_MESSAGE_ANNOTATIONS = 0x72,
    SECTION_PROPERTIES = 0x73,
    SECTION_APPLICATION_PROPERTIES = 0x74,
    SECTION_DATA = 0x75,
    SECTION_VALUE = 0x77
};

/* Descriptors may be described themselves; nobody does it more than once. */
#define DESCRIPTOR_DEPTH 8

/* Places in the properties list (3.2.4). */
enum {
    PROPERTY_MESSAGE_ID = 0,
    PROPERTY_CORRELATION_ID = 5,
    PROPERTY_CONTENT_TYPE = 6,
    PROPERTY_CONTENT_ENCODING = 7,
    PROPERTY_CREATION_TIME = 9
};

static uint64_t big_endian(const char *p, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | (unsigned char)p[i];
    return value;
}

/* The bytes of a value behind its constructor byte, or SIZE_MAX if they are not all there. The
 * upper half of a constructor says how its length is found (1.2). */
static size_t extent(unsigned char constructor, const char *p, size_t n)
{
    static const unsigned char fixed[16] = {
        [0x4] = 0, [0x5] = 1, [0x6] = 2, [0x7] = 4, [0x8] = 8, [0x9] = 16};
    unsigned kind = constructor >> 4;
    size_t size;
    if (kind >= 0x4 && kind <= 0x9) {
        size = fixed[kind];
    } else if (kind >= 0xa) {
        size_t width = kind & 1 ? 4 : 1;
        if (n < width)
            return SIZE_MAX;
        size = width + (size_t)big_endian(p, width);
    } else {
        return SIZE_MAX;
    }
    return size <= n ? size : SIZE_MAX;
}

struct slice amqp_take(struct slice *rest)
{
    const char *p = rest->p;
    size_t n = rest->n;
    /* A described value is 0x00, a descriptor and a value: two values for one. */
    size_t wanted = 1;
    for (unsigned depth = 0; wanted > 0;) {
        if (n == 0)
            return (struct slice){NULL, 0};
        unsigned char constructor = (unsigned char)*p;
        p++;
        n--;
        if (constructor == 0) {
            if (++depth > DESCRIPTOR_DEPTH)
                return (struct slice){NULL, 0};
            wanted++;
            continue;
        }
        size_t size = extent(constructor, p, n);
        if (size == SIZE_MAX)
            return (struct slice){NULL, 0};
        p += size;
        n -= size;
        wanted--;
    }
    struct slice value = {rest->p, rest->n - n};
    *rest = (struct slice){p, n};
    return value;
}

/* The text of a string, symbol or binary; nothing if the value is of another type. */
static struct slice text_of(struct slice value)
{
    switch ((unsigned char)value.p[0]) {
    case 0xa0: /* binary */
    case 0xa1: /* string */
    case 0xa3: /* symbol */
        return (struct slice){value.p + 2, value.n - 2};
    case 0xb0:
    case 0xb1:
    case 0xb3:
        return (struct slice){value.p + 5, value.n - 5};
    default:
        return (struct slice){NULL, 0};
    }
}

/* A whole number or timestamp of any width. False if the value is of another type, or does not
 * fit. */
static bool integer_of(struct slice value, int64_t *out)
{
    const char *p = value.p + 1;
    switch ((unsigned char)value.p[0]) {
    case 0x43: /* uint 0 */
    case 0x44: /* ulong 0 */
        *out = 0;
        return true;
    case 0x50: /* ubyte */
    case 0x52: /* small uint */
    case 0x53: /* small ulong */
        *out = (int64_t)big_endian(p, 1);
        return true;
    case 0x51: /* byte */
    case 0x54: /* small int */
    case 0x55: /* small long */
        *out = (int8_t)big_endian(p, 1);
        return true;
    case 0x60: /* ushort */
        *out = (int64_t)big_endian(p, 2);
        return true;
    case 0x61: /* short */
        *out = (int16_t)big_endian(p, 2);
        return true;
    case 0x70: /* uint */
        *out = (int64_t)big_endian(p, 4);
        return true;
    case 0x71: /* int */
        *out = (int32_t)big_endian(p, 4);
        return true;
    case 0x80: /* ulong */
    case 0x81: /* long */
    case 0x83: /* timestamp */
        *out = (int64_t)big_endian(p, 8);
        return (unsigned char)value.p[0] != 0x80 || *out >= 0;
    default:
        return false;
    }
}

/* Opens a list or map: its members and their number. */
static bool compound(struct slice value, unsigned char wide, unsigned char narrow,
                     unsigned char none, struct slice *members, size_t *count)
{
    unsigned char constructor = (unsigned char)value.p[0];
    if (none != 0 && constructor == none) {
        *members = (struct slice){value.p + 1, 0};
        *count = 0;
        return true;
    }
    size_t width = constructor == wide ? 4 : constructor == narrow ? 1 : 0;
    if (width == 0 || value.n < 1 + 2 * width)
        return false;
    *count = (size_t)big_endian(value.p + 1 + width, width);
    *members = (struct slice){value.p + 1 + 2 * width, value.n - 1 - 2 * width};
    return true;
}

static bool open_map(struct slice value, struct slice *members, size_t *count)
{
    return compound(value, 0xd1, 0xc1, 0, members, count) && *count % 2 == 0;
}

static bool open_list(struct slice value, struct slice *members, size_t *count)
{
    return compound(value, 0xd0, 0xc0, 0x45, members, count);
}

static int digits(const char **p, const char *end, int n)
{
    int value = 0;
    for (; n > 0; n--, (*p)++) {
        if (*p == end || **p < '0' || **p > '9')
            return -1;
        value = value * 10 + (**p - '0');
    }
    return value;
}

static bool expect(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    (*p)++;
    return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3; /* March is the first month */
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* "2021-10-19T10:12:48.641Z" as epoch milliseconds; 0 if it is anything else. IoT Hub gives the
 * creation time as text, in UTC. */
static int64_t utc_text_ms(struct slice text)
{
    const char *p = text.p;
    const char *end = p + text.n;
    int year = digits(&p, end, 4);
    int month = expect(&p, end, '-') ? digits(&p, end, 2) : -1;
    int day = expect(&p, end, '-') ? digits(&p, end, 2) : -1;
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || p == end ||
        (*p != 'T' && *p != ' '))
        return 0;
    p++;
    int hour = digits(&p, end, 2);
    int minute = expect(&p, end, ':') ? digits(&p, end, 2) : -1;
    int second = expect(&p, end, ':') ? digits(&p, end, 2) : -1;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return 0;
    int64_t ms = 0;
    if (expect(&p, end, '.'))
        for (int64_t unit = 100; p != end && *p >= '0' && *p <= '9'; p++, unit /= 10)
            ms += unit * (*p - '0');
    bool utc = p == end || (*p == 'Z' && p + 1 == end) ||
               slice_equal((struct slice){p, (size_t)(end - p)}, SLICE_LITERAL("+00:00"));
    if (!utc)
        return 0;
    int64_t minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute;
    return (minutes * 60 + second) * 1000 + ms;
}

static void creation_time(struct slice value, struct source_message *out)
{
    struct slice text = text_of(value);
    if (text.p != NULL)
        out->creation_ms = utc_text_ms(text);
    else
        (void)integer_of(value, &out->creation_ms);
}

#define IS(name) slice_equal(key, SLICE_LITERAL(name))

/* What the hub wrote to the event. The length of a name tells most of them apart already. */
static void message_annotation(struct slice key, struct slice value, struct source_message *out)
{
    switch (key.n) {
    case sizeof "x-opt-offset" - 1:
        if (IS("x-opt-offset"))
            out->offset = text_of(value);
        break;
    case sizeof "x-opt-sequence-number" - 1: /* and iothub-message-source */
        if (IS("x-opt-sequence-number"))
            (void)integer_of(value, &out->sequence);
        else if (IS("iothub-message-source"))
            out->message_source = text_of(value);
        break;
    case sizeof "x-opt-enqueued-time" - 1:
        if (IS("x-opt-enqueued-time"))
            (void)integer_of(value, &out->enqueued_ms);
        break;
    case sizeof "iothub-connection-device-id" - 1: /* and ...module-id */
        if (IS("iothub-connection-device-id"))
            out->device = text_of(value);
        else if (IS("iothub-connection-module-id"))
            out->module = text_of(value);
        break;
    case sizeof "iothub-connection-auth-method" - 1:
        if (IS("iothub-connection-auth-method"))
            out->auth_method = text_of(value);
        break;
    case sizeof "iothub-connection-auth-generation-id" - 1:
        if (IS("iothub-connection-auth-generation-id"))
            out->auth_generation = text_of(value);
        break;
    case sizeof "iothub-creation-time-utc" - 1:
        if (IS("iothub-creation-time-utc"))
            creation_time(value, out);
        break;
    case sizeof "dt-subject" - 1:
        if (IS("dt-subject"))
            out->subject = text_of(value);
        break;
    default:
        break;
    }
}

/* What the hub says about the end of the partition's log, when asked to. */
static void delivery_annotation(struct slice key, struct slice value, struct source_message *out)
{
    if (IS("last_enqueued_sequence_number"))
        (void)integer_of(value, &out->last_sequence);
    else if (IS("last_enqueued_time_utc"))
        (void)integer_of(value, &out->last_enqueued_ms);
}

static bool scan_map(struct slice value, struct source_message *out,
                     void (*member)(struct slice, struct slice, struct source_message *))
{
    struct slice members;
    size_t count;
    if (!open_map(value, &members, &count))
        return (unsigned char)value.p[0] == 0x40; /* null: an empty section */
    for (size_t i = 0; i < count; i += 2) {
        struct slice key = amqp_take(&members);
        struct slice what = key.p ? amqp_take(&members) : key;
        if (what.p == NULL)
            return false;
        member(text_of(key), what, out);
    }
    return members.n == 0;
}

static bool scan_properties(struct slice value, struct source_message *out)
{
    struct slice members;
    size_t count;
    if (!open_list(value, &members, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct slice what = amqp_take(&members);
        if (what.p == NULL)
            return false;
        switch (i) {
        case PROPERTY_MESSAGE_ID:
            out->message_id = text_of(what);
            break;
        case PROPERTY_CORRELATION_ID:
            out->correlation_id = text_of(what);
            break;
        case PROPERTY_CONTENT_TYPE:
            out->content_type = text_of(what);
            break;
        case PROPERTY_CONTENT_ENCODING:
            out->content_encoding = text_of(what);
            break;
        case PROPERTY_CREATION_TIME:
            if (out->creation_ms == 0)
                (void)integer_of(what, &out->creation_ms);
            break;
        default:
            break;
        }
    }
    return members.n == 0;
}

/* The map is opened, but its members are looked at only when somebody asks. */
static bool open_properties(struct slice value, struct source_message *out)
{
    size_t count;
    return open_map(value, &out->properties, &count) || (unsigned char)value.p[0] == 0x40;
}

static bool scan_body(struct slice value, struct buffer *joined, struct source_message *out)
{
    struct slice text = text_of(value);
    if (out->body.p == NULL) {
        out->body = text;
        return true;
    }
    if (joined->n == 0 && !buffer_append_slice(joined, out->body))
        return false;
    if (!buffer_append_slice(joined, text))
        return false;
    out->body = buffer_slice(joined);
    return true;
}

static bool scan_section(uint64_t descriptor, struct slice value, struct buffer *joined,
                         struct source_message *out)
{
    switch (descriptor) {
    case SECTION_DELIVERY_ANNOTATIONS:
        return scan_map(value, out, delivery_annotation);
    case SECTION_MESSAGE_ANNOTATIONS:
        return scan_map(value, out, message_annotation);
    case SECTION_PROPERTIES:
        return scan_properties(value, out);
    case SECTION_APPLICATION_PROPERTIES:
        return open_properties(value, out);
    case SECTION_DATA:
        return text_of(value).p != NULL && scan_body(value, joined, out);
    case SECTION_VALUE:
        return scan_body(value, joined, out);
    default:
        return true;
    }
}

/* The number of a section's descriptor; 0, which is no section, for one that is no number. */
static uint64_t descriptor_of(struct slice value)
{
    int64_t number;
    return integer_of(value, &number) ? (uint64_t)number : 0;
}

bool amqp_scan(struct slice bytes, struct buffer *joined, struct source_message *out)
{
    *out = (struct source_message){
        .sequence = -1, .last_sequence = -1, .last_enqueued_ms = -1, .wire_bytes = bytes.n};
    buffer_clear(joined);
    bool ok = true;
    while (bytes.n > 0) {
        if (bytes.p[0] != 0)
            return false;
        bytes.p++;
        bytes.n--;
        struct slice descriptor = amqp_take(&bytes);
        struct slice value = descriptor.p ? amqp_take(&bytes) : descriptor;
        if (value.p == NULL)
            return false;
        /* Behind a section without sense the others are still to be found. */
        ok = scan_section(descriptor_of(descriptor), value, joined, out) && ok;
    }
    return ok;
}

static bool boolean_of(struct slice value, int64_t *out)
{
    unsigned char constructor = (unsigned char)value.p[0];
    *out = constructor == 0x41 || (constructor == 0x56 && value.p[1] != 0);
    return constructor == 0x41 || constructor == 0x42 || constructor == 0x56;
}

static bool number_of(struct slice value, double *out)
{
    if ((unsigned char)value.p[0] == 0x72) {
        uint32_t bits = (uint32_t)big_endian(value.p + 1, 4);
        float narrow;
        memcpy(&narrow, &bits, sizeof narrow);
        *out = (double)narrow;
        return true;
    }
    if ((unsigned char)value.p[0] != 0x82)
        return false;
    uint64_t bits = big_endian(value.p + 1, 8);
    memcpy(out, &bits, sizeof *out);
    return true;
}

bool amqp_next_property(struct slice *rest, struct source_property *out)
{
    *out = (struct source_property){0};
    struct slice name = amqp_take(rest);
    struct slice value = name.p ? amqp_take(rest) : name;
    if (value.p == NULL)
        return false;
    out->name = text_of(name);
    out->text = text_of(value);
    if (out->text.p != NULL)
        out->kind = SOURCE_VALUE_TEXT;
    else if ((unsigned char)value.p[0] == 0x40)
        out->kind = SOURCE_VALUE_NULL;
    else if (boolean_of(value, &out->integer))
        out->kind = SOURCE_VALUE_BOOLEAN;
    else if (integer_of(value, &out->integer))
        out->kind = (unsigned char)value.p[0] == 0x83 ? SOURCE_VALUE_TIME : SOURCE_VALUE_INTEGER;
    else if (number_of(value, &out->number))
        out->kind = SOURCE_VALUE_NUMBER;
    else {
        out->kind = SOURCE_VALUE_OTHER;
        out->text = value;
    }
    return true;
}

static bool put_wide(struct buffer *to, unsigned char constructor, uint64_t value, size_t n)
{
    unsigned char bytes[9] = {constructor};
    for (size_t i = 0; i < n; i++)
        bytes[1 + i] = (unsigned char)(value >> 8 * (n - 1 - i));
    return buffer_append(to, bytes, 1 + n);
}

static bool put_text(struct buffer *to, struct slice text)
{
    bool ok = text.n <= UINT8_MAX ? put_wide(to, 0xa1, text.n, 1)
                                  : text.n <= UINT32_MAX && put_wide(to, 0xb1, text.n, 4);
    return ok && buffer_append_slice(to, text);
}

bool amqp_put_property(struct buffer *to, const struct source_property *property)
{
    uint64_t bits;
    if (property->kind == SOURCE_VALUE_OTHER || !put_text(to, property->name))
        return false;
    switch (property->kind) {
    case SOURCE_VALUE_NULL:
        return put_wide(to, 0x40, 0, 0);
    case SOURCE_VALUE_BOOLEAN:
        return put_wide(to, property->integer ? 0x41 : 0x42, 0, 0);
    case SOURCE_VALUE_INTEGER:
        return put_wide(to, 0x81, (uint64_t)property->integer, 8);
    case SOURCE_VALUE_TIME:
        return put_wide(to, 0x83, (uint64_t)property->integer, 8);
    case SOURCE_VALUE_NUMBER:
        memcpy(&bits, &property->number, sizeof bits);
        return put_wide(to, 0x82, bits, 8);
    case SOURCE_VALUE_TEXT:
        return put_text(to, property->text);
    case SOURCE_VALUE_OTHER:
        break;
    }
    return false;
}
