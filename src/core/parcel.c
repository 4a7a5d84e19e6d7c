#include "core/parcel.h"

#include "base/memory.h"

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

struct parcel *parcel_create(const struct rows *rows, const struct parcel_origin *origin)
{
    size_t ends = rows->count * sizeof rows->ends[0];
    size_t bytes = sizeof(struct parcel) + ends + rows->text.n + origin->offset.n +
                   origin->device.n + origin->module.n + origin->body.n + origin->thing.n;
    struct parcel *parcel = xmalloc(bytes);
    *parcel = (struct parcel){
        .partition = origin->partition,
        .ticket = origin->ticket,
        .sequence = origin->sequence,
        .enqueued_ms = origin->enqueued_ms,
        .row_count = rows->count,
        .end_row = rows->count,
        .text_n = (uint32_t)rows->text.n,
        .bytes = bytes,
    };
    if (rows->count > 0)
        memcpy(parcel->ends, rows->ends, ends);
    char *end = (char *)parcel->ends + ends;
    (void)place(&end, buffer_slice(&rows->text));
    parcel->offset = place(&end, origin->offset);
    parcel->device = place(&end, origin->device);
    parcel->module = place(&end, origin->module);
    parcel->body = place(&end, origin->body);
    parcel->thing = place(&end, origin->thing);
    return parcel;
}

void parcel_free(struct parcel *parcel)
{
    if (parcel->bundle != NULL && --parcel->bundle->parcels == 0)
        free(parcel->bundle);
    free(parcel);
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

struct slice parcel_rows(const struct parcel *parcel, uint32_t from, uint32_t to)
{
    const char *text = (const char *)(parcel->ends + parcel->row_count);
    uint32_t begin = from == 0 ? 0 : parcel->ends[from - 1] + 1;
    return (struct slice){text + begin, parcel->ends[to - 1] - begin};
}

struct slice parcel_row(const struct parcel *parcel, uint32_t i)
{
    return parcel_rows(parcel, i, i + 1);
}

struct slice parcel_property(const struct parcel *parcel, uint32_t i)
{
    struct slice row = parcel_row(parcel, i);
    const char *begin = row.p + strlen("{\"name\":\"");
    const char *p = begin;
    while (*p != '"')
        p += *p == '\\' ? 2 : 1;
    return (struct slice){begin, (size_t)(p - begin)};
}
