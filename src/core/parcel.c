#include "core/parcel.h"

#include "base/memory.h"
#include "core/pool.h"
#include "core/row_write.h"

#include <stdlib.h>

/* Copies the bytes to where *end stands and moves it behind them. */
static struct slice place(char **end, struct slice from)
{
    struct slice to = {*end, from.n};
    if (from.n > 0)
        memcpy(*end, from.p, from.n);
    *end += from.n;
    return to;
}

_Static_assert(_Alignof(struct row_place) == _Alignof(uint32_t), "both stand in `rows`");

struct parcel *parcel_create(const struct rows *rows, const struct parcel_origin *origin)
{
    bool in_places = rows->places != NULL;
    size_t each = in_places ? sizeof(struct row_place) : sizeof rows->ends[0];
    struct slice text = in_places ? rows->body : buffer_slice(&rows->text);
    size_t bytes = sizeof(struct parcel) + rows->count * each + text.n + origin->offset.n +
                   origin->device.n + origin->module.n + origin->body.n + origin->thing.n +
                   PARCEL_SLACK;
    struct parcel *parcel = pool_take(origin->pool, bytes);
    *parcel = (struct parcel){
        .partition = origin->partition,
        .ticket = origin->ticket,
        .sequence = origin->sequence,
        .enqueued_ms = origin->enqueued_ms,
        .pool = origin->pool,
        .time_ms = rows->time_ms,
        .in_places = in_places,
        .row_count = rows->count,
        .end_row = rows->count,
        .bytes = bytes,
    };
    if (rows->count > 0)
        memcpy(parcel->rows, in_places ? (const void *)rows->places : rows->ends,
               rows->count * each);
    char *end = (char *)parcel->rows + rows->count * each;
    (void)place(&end, text);
    parcel->offset = place(&end, origin->offset);
    parcel->device = place(&end, origin->device);
    parcel->module = place(&end, origin->module);
    parcel->body = place(&end, origin->body);
    parcel->thing = place(&end, origin->thing);
    memset(end, 0, PARCEL_SLACK);
    return parcel;
}

void parcel_free(struct parcel *parcel)
{
    if (parcel->bundle != NULL && --parcel->bundle->parcels == 0)
        free(parcel->bundle);
    pool_give(parcel->pool, parcel, parcel->bytes);
}

void parcel_join(struct parcel *parcel, struct bundle **bundle)
{
    if (*bundle == NULL)
        *bundle = xcalloc(1, sizeof **bundle);
    (*bundle)->parcels++;
    (*bundle)->open++;
    parcel->bundle = *bundle;
}

bool parcel_completes(struct parcel *parcel)
{
    return parcel->bundle == NULL || --parcel->bundle->open == 0;
}

const struct row_place *parcel_places(const struct parcel *parcel, const char **body)
{
    if (!parcel->in_places)
        return NULL;
    const struct row_place *places = (const void *)parcel->rows;
    *body = (const char *)(places + parcel->row_count);
    return places;
}

struct slice parcel_text(const struct parcel *parcel, uint32_t from, uint32_t to)
{
    const char *text = (const char *)(parcel->rows + parcel->row_count);
    uint32_t begin = from == 0 ? 0 : parcel->rows[from - 1] + 1;
    return (struct slice){text + begin, parcel->rows[to - 1] - begin};
}

bool parcel_row(const struct parcel *parcel, uint32_t i, struct buffer *to)
{
    struct row_writer writer;
    row_writer_begin(&writer, parcel);
    size_t n = row_length(&writer, i) + 1;
    char *row = buffer_reserve(to, n + ROW_SPILL);
    if (row == NULL)
        return false;
    *row = '{';
    (void)row_write(&writer, i, row + 1);
    to->n += n;
    return true;
}

struct slice parcel_property(const struct parcel *parcel, uint32_t i)
{
    const char *body;
    const struct row_place *places = parcel_places(parcel, &body);
    if (places != NULL)
        return (struct slice){body + places[i].name_at, places[i].name_n};
    const char *begin = parcel_text(parcel, i, i + 1).p + strlen(ROW_HEAD);
    const char *p = begin;
    while (*p != '"')
        p += *p == '\\' ? 2 : 1;
    return (struct slice){begin, (size_t)(p - begin)};
}
