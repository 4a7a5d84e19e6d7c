#include "core/update_body.h"

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

/* How many of the parcel's next rows, at most `wanted`, are no longer than `room` together. */
static uint32_t rows_within(const struct parcel *parcel, uint32_t wanted, size_t room)
{
    uint32_t next = parcel->next_row;
    if (parcel_rows(parcel, next, next + wanted).n <= room)
        return wanted;
    uint32_t fit = 0;
    while (parcel_rows(parcel, next, next + fit + 1).n <= room)
        fit++;
    return fit;
}

void update_body_begin(struct buffer *body)
{
    buffer_append(body, BODY_HEAD, HEAD_N);
}

uint32_t update_body_rows(struct buffer *body, const struct parcel *parcel, uint32_t wanted,
                          size_t max_bytes)
{
    bool first = body->n == HEAD_N;
    size_t used = body->n + TAIL_N + (first ? 0 : 1);
    uint32_t left = parcel->end_row - parcel->next_row;
    uint32_t n =
        rows_within(parcel, left < wanted ? left : wanted, max_bytes > used ? max_bytes - used : 0);
    if (first && n == 0)
        n = 1;
    if (n == 0)
        return 0;
    if (!first)
        buffer_append(body, ",", 1);
    buffer_append_slice(body, parcel_rows(parcel, parcel->next_row, parcel->next_row + n));
    return n;
}

void update_body_end(struct buffer *body)
{
    buffer_append(body, BODY_TAIL, TAIL_N);
}
