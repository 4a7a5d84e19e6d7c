#include "core/row_write.h"

/* A row is HEAD, name, middle, value, tail; the texts of arrays have a box around them. */
#define HEAD "\"name\":\""
#define MIDDLE_BEGIN "\",\"time\":"
#define MIDDLE_END ",\"quality\":\"GOOD\",\"value\":{\"value\":"
#define BOX "{\"array\":"
#define TAIL_ROOM 32u
#define SHORT 16u
#define NUMBER_MAX 20u /* of digits, with its sign */

struct row_tail {
    size_t n;
    char text[TAIL_ROOM];
};

#define TAIL(text)                                                                                 \
    {                                                                                              \
        sizeof(text) - 1, text                                                                     \
    }

static const struct row_tail tails[] = {
    [ROW_NUMBER] = TAIL(",\"baseType\":\"NUMBER\"}}"),
    [ROW_LONG] = TAIL(",\"baseType\":\"LONG\"}}"),
    [ROW_BOOLEAN] = TAIL(",\"baseType\":\"BOOLEAN\"}}"),
    [ROW_STRING] = TAIL(",\"baseType\":\"STRING\"}}"),
    [ROW_JSON] = TAIL(",\"baseType\":\"JSON\"}}"),
    [ROW_ARRAY] = TAIL("},\"baseType\":\"JSON\"}}"),
};
_Static_assert(TAIL_ROOM <= ROW_SPILL && SHORT <= PARCEL_SLACK, "what a copy may write and read");
_Static_assert(sizeof MIDDLE_BEGIN + sizeof MIDDLE_END - 2 + NUMBER_MAX <= ROW_MIDDLE_MAX &&
                   ROW_MIDDLE_MAX <= ROW_SPILL,
               "room for the middle");

static char *put(char *to, const char *from, size_t n)
{
    memcpy(to, from, n);
    return to + n;
}

static char *put_number(char *to, int64_t number)
{
    char digits[NUMBER_MAX];
    char *p = digits + sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    if (number < 0)
        *to++ = '-';
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    return put(to, p, (size_t)(digits + sizeof digits - p));
}

void row_writer_begin(struct row_writer *w, const struct parcel *parcel)
{
    w->parcel = parcel;
    w->places = parcel_places(parcel, &w->body);
    if (w->places == NULL)
        return;
    char *end = put(w->middle, MIDDLE_BEGIN, sizeof MIDDLE_BEGIN - 1);
    end = put_number(end, parcel->time_ms);
    end = put(end, MIDDLE_END, sizeof MIDDLE_END - 1);
    w->middle_n = (size_t)(end - w->middle);
}

size_t row_length(const struct row_writer *w, uint32_t i)
{
    if (w->places == NULL)
        return parcel_text(w->parcel, i, i + 1).n - 1;
    const struct row_place *place = &w->places[i];
    return sizeof HEAD - 1 + place->name_n + w->middle_n + place->value_n +
           (place->type == ROW_ARRAY ? sizeof BOX - 1 : 0) + tails[place->type].n;
}

/* Behind the text of a parcel there is room enough to read on. */
static char *put_piece(char *to, const char *from, size_t n)
{
    if (n > SHORT)
        return put(to, from, n);
    memcpy(to, from, SHORT);
    return to + n;
}

char *row_write(const struct row_writer *w, uint32_t i, char *to)
{
    if (w->places == NULL) {
        struct slice text = parcel_text(w->parcel, i, i + 1);
        return put(to, text.p + 1, text.n - 1);
    }
    const struct row_place *place = &w->places[i];
    const struct row_tail *tail = &tails[place->type];
    to = put(to, HEAD, sizeof HEAD - 1);
    to = put_piece(to, w->body + place->name_at, place->name_n);
    memcpy(to, w->middle, ROW_MIDDLE_MAX);
    to += w->middle_n;
    if (place->type == ROW_ARRAY)
        to = put(to, BOX, sizeof BOX - 1);
    to = put_piece(to, w->body + place->value_at, place->value_n);
    memcpy(to, tail->text, TAIL_ROOM);
    return to + tail->n;
}
