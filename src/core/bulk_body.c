#include "core/bulk_body.h"

#include "core/row_write.h"

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

/* The beginning of every row, with the Thing's name. */
struct prefix {
    size_t at, n; /* where it stands in the body, once it does */
};

/* Appends the prefix and makes room for so many bytes behind it. NULL if the buffer's ceiling is in
 * the way. */
static char *begin_row(struct buffer *body, struct slice thing, struct prefix *prefix, size_t room)
{
    size_t most = prefix->n > 0 ? prefix->n : thing.n * ESCAPED_MAX + THING_HEAD_N + THING_TAIL_N;
    if (buffer_reserve(body, 1 + most + room + ROW_SPILL) == NULL)
        return NULL;
    if (body->data[body->n - 1] != '[')
        body->data[body->n++] = ',';
    if (prefix->n == 0) {
        prefix->at = body->n;
        buffer_append(body, THING_HEAD, THING_HEAD_N);
        buffer_append_json(body, thing);
        buffer_append(body, THING_TAIL, THING_TAIL_N);
        prefix->n = body->n - prefix->at;
        return body->data + body->n;
    }
    char *to = body->data + body->n;
    const char *from = body->data + prefix->at;
    if (prefix->n <= ROW_SPILL)
        memmove(to, from, ROW_SPILL); /* a fixed size is cheaper; the row is written over it */
    else
        memcpy(to, from, prefix->n);
    body->n += prefix->n;
    return to + prefix->n;
}

uint32_t bulk_body_rows(struct buffer *body, struct slice thing, const struct parcel *parcel,
                        uint32_t wanted, size_t max_bytes)
{
    struct prefix prefix = {0, 0};
    struct row_writer writer;
    uint32_t left = parcel->end_row - parcel->next_row;
    uint32_t end = parcel->next_row + (left < wanted ? left : wanted);
    uint32_t row = parcel->next_row;
    row_writer_begin(&writer, parcel);
    for (; row < end; row++) {
        size_t was = body->n, n = row_length(&writer, row);
        char *to = begin_row(body, thing, &prefix, n);
        if (to == NULL || (body->n + n + TAIL_N > max_bytes && was != HEAD_N)) {
            buffer_cut(body, was);
            break;
        }
        (void)row_write(&writer, row, to);
        body->n += n;
    }
    return row - parcel->next_row;
}

void bulk_body_end(struct buffer *body)
{
    buffer_append(body, BODY_TAIL, TAIL_N);
}
