#include "core/rows.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

enum { ROWS_FIRST = 32 };

void rows_init(struct rows *rows)
{
    *rows = (struct rows){.count = 0};
    buffer_init(&rows->text, TRANSLATE_TEXT_MAX);
    buffer_init(&rows->names, TRANSLATE_BODY_MAX);
}

void rows_free(struct rows *rows)
{
    buffer_free(&rows->text);
    buffer_free(&rows->names);
    free(rows->ends);
    free(rows->members);
    free(rows->place_memory);
    free(rows->slots);
    rows_init(rows);
}

void rows_clear(struct rows *rows, int64_t time_ms)
{
    rows->count = 0;
    rows->places = NULL;
    rows->time_ms = time_ms;
    rows->time_unusable = false;
    buffer_clear(&rows->text);
    buffer_clear(&rows->names);
}

void rows_reserve(struct rows *rows, uint32_t count)
{
    if (count <= rows->end_capacity)
        return;
    uint32_t capacity = rows->end_capacity ? rows->end_capacity * 2 : ROWS_FIRST;
    if (capacity < count)
        capacity = count;
    rows->ends = xrealloc(rows->ends, capacity * sizeof *rows->ends);
    rows->end_capacity = capacity;
}

struct slice rows_row(const struct rows *rows, uint32_t i)
{
    uint32_t begin = i == 0 ? 0 : rows->ends[i - 1] + 1;
    return (struct slice){rows->text.data + begin, rows->ends[i] - begin};
}

void rows_begin(struct rows *rows, struct slice name, int64_t time_ms, const char *quality)
{
    if (rows->count > 0)
        (void)buffer_append(&rows->text, ",", 1);
    (void)buffer_append(&rows->text, ROW_HEAD, sizeof ROW_HEAD - 1);
    (void)buffer_append_slice(&rows->text, name);
    (void)buffer_printf(&rows->text,
                        "\",\"time\":%" PRId64 ",\"quality\":\"%s\",\"value\":{\"value\":", time_ms,
                        quality);
}

void rows_end(struct rows *rows, const char *base_type)
{
    (void)buffer_printf(&rows->text, ",\"baseType\":\"%s\"}}", base_type);
    rows_reserve(rows, rows->count + 1);
    rows->ends[rows->count++] = (uint32_t)rows->text.n;
}
