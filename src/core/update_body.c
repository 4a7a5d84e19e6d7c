#include "core/update_body.h"

#include "core/row_write.h"

#define FIELD(name, about, type, aspects)                                                          \
    "\"" name "\":{\"name\":\"" name "\",\"description\":\"" about "\",\"baseType\":\"" type       \
    "\",\"ordinal\":0,\"aspects\":{" aspects "}}"
#define NAME_FIELD FIELD("name", "Property name", "STRING", "\"isPrimaryKey\":true")
#define TIME_FIELD FIELD("time", "time", "DATETIME", "")
#define VALUE_FIELD FIELD("value", "value", "VARIANT", "")
#define QUALITY_FIELD FIELD("quality", "quality", "STRING", "")
#define FIELDS NAME_FIELD "," TIME_FIELD "," VALUE_FIELD "," QUALITY_FIELD
#define BODY_HEAD "{\"values\":{\"dataShape\":{\"fieldDefinitions\":{" FIELDS "}},\"rows\":["
#define BODY_TAIL "]}}"
#define HEAD_N (sizeof BODY_HEAD - 1)
#define TAIL_N (sizeof BODY_TAIL - 1)
_Static_assert(HEAD_N + TAIL_N < UPDATE_BODY_FIXED, "the fixed part of a body");

void update_body_begin(struct buffer *body)
{
    buffer_append(body, BODY_HEAD, HEAD_N);
}

uint32_t update_body_rows(struct buffer *body, const struct parcel *parcel, uint32_t wanted,
                          size_t max_bytes)
{
    struct row_writer writer;
    uint32_t left = parcel->end_row - parcel->next_row;
    uint32_t end = parcel->next_row + (left < wanted ? left : wanted);
    uint32_t row = parcel->next_row;
    row_writer_begin(&writer, parcel);
    for (; row < end; row++) {
        bool first = body->n == HEAD_N;
        size_t n = row_length(&writer, row) + (first ? 1 : 2); /* with a brace and a comma */
        if (!first && body->n + n + TAIL_N > max_bytes)
            break;
        char *to = buffer_reserve(body, n + ROW_SPILL);
        if (to == NULL) {
            buffer_cut(body, body->n);
            break;
        }
        if (!first)
            *to++ = ',';
        *to++ = '{';
        (void)row_write(&writer, row, to);
        body->n += n;
    }
    return row - parcel->next_row;
}

void update_body_end(struct buffer *body)
{
    buffer_append(body, BODY_TAIL, TAIL_N);
}
