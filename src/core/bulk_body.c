#include "core/bulk_body.h"

#define FIELD(name, type)                                                                          \
    "\"" name "\":{\"name\":\"" name "\",\"description\":\"\",\"baseType\":\"" type                \
    "\",\"ordinal\":0,\"aspects\":{}}"
#define FIELDS                                                                                     \
    FIELD("thing", "THINGNAME")                                                                    \
    "," FIELD("name", "STRING") "," FIELD("time", "DATETIME") "," FIELD(                           \
        "value", "VARIANT") "," FIELD("quality", "STRING")
#define BODY_HEAD "{\"values\":{\"dataShape\":{\"fieldDefinitions\":{" FIELDS "}},\"rows\":["
#define BODY_TAIL "]}}"
#define HEAD_N (sizeof BODY_HEAD - 1)
#define TAIL_N (sizeof BODY_TAIL - 1)
#define THING_HEAD "{\"thing\":\""
#define THING_TAIL "\","
#define THING_HEAD_N (sizeof THING_HEAD - 1)
#define THING_TAIL_N (sizeof THING_TAIL - 1)
_Static_assert(HEAD_N + TAIL_N < BULK_BODY_FIXED, "the fixed part of a body");

/* An escaped byte grows to six at most, and a byte that is no UTF-8 to three. */
#define ESCAPED_MAX 6

void bulk_body_begin(struct buffer *body)
{
    buffer_append(body, BODY_HEAD, HEAD_N);
}

/* Appends one row; the prefix is copied from where it stands in the body already, if it does. False
 * if the buffer's ceiling is in the way. */
static bool append_row(struct buffer *body, struct slice thing, struct slice row, size_t *prefix_at,
                       size_t *prefix_n)
{
    size_t most = thing.n * ESCAPED_MAX + THING_HEAD_N + THING_TAIL_N + row.n + 1;
    if (buffer_reserve(body, most) == NULL)
        return false;
    if (body->data[body->n - 1] != '[')
        buffer_append(body, ",", 1);
    if (*prefix_n == 0) {
        *prefix_at = body->n;
        buffer_append(body, THING_HEAD, THING_HEAD_N);
        buffer_append_json(body, thing);
        buffer_append(body, THING_TAIL, THING_TAIL_N);
        *prefix_n = body->n - *prefix_at;
    } else {
        buffer_append(body, body->data + *prefix_at, *prefix_n);
    }
    buffer_append(body, row.p + 1, row.n - 1); /* without its brace */
    return true;
}

uint32_t bulk_body_rows(struct buffer *body, struct slice thing, const struct parcel *parcel,
                        uint32_t wanted, size_t max_bytes)
{
    size_t prefix_at = 0, prefix_n = 0;
    uint32_t left = parcel->end_row - parcel->next_row;
    uint32_t end = parcel->next_row + (left < wanted ? left : wanted);
    uint32_t row = parcel->next_row;
    for (; row < end; row++) {
        size_t was = body->n;
        bool fits = append_row(body, thing, parcel_row(parcel, row), &prefix_at, &prefix_n);
        if (fits && (body->n + TAIL_N <= max_bytes || was == HEAD_N))
            continue;
        buffer_cut(body, was);
        break;
    }
    return row - parcel->next_row;
}

void bulk_body_end(struct buffer *body)
{
    buffer_append(body, BODY_TAIL, TAIL_N);
}
