#pragma once
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Rows of ThingWorx's NamedVTQ data shape, as ready JSON text:
 * {"name":"p1","time":1634630768641,"quality":"GOOD","value":{"value":21.5,"baseType":"NUMBER"}} */

#define TRANSLATE_BODY_MAX ((size_t)1 << 20)
#define TRANSLATE_ROWS_MAX 4096u
/* More than the row text of any event. */
#define TRANSLATE_TEXT_MAX (TRANSLATE_BODY_MAX + TRANSLATE_ROWS_MAX * (size_t)256)

/* The beginning of every row; the name follows. */
#define ROW_HEAD "{\"name\":\""

struct translate_member;

/* What the text of a value becomes in its row. */
enum row_type { ROW_NUMBER, ROW_LONG, ROW_BOOLEAN, ROW_STRING, ROW_JSON, ROW_ARRAY };

/* Where a row's parts stand in the event's body: its text is made only where it goes out. */
struct row_place {
    uint32_t name_at, name_n;   /* the inside of a JSON string, in its canonical form */
    uint32_t value_at, value_n; /* JSON text; of a string with its quotes */
    uint32_t type;              /* enum row_type */
};

/* The rows of one event; a scratch that is used again for every event. */
struct rows {
    struct buffer text; /* the rows, joined by commas */
    uint32_t *ends;     /* where each row ends in it; the next begins one byte later */
    uint32_t count;
    int64_t time_ms;                /* the time that the rows carry, unless a row says otherwise */
    const struct row_place *places; /* not NULL: instead of `text` and `ends`, places in `body` */
    struct slice body;              /* borrowed, with `places` */
    bool time_unusable; /* the time member was there but is no time: the given time was used */
    /* private */
    uint32_t end_capacity;
    struct translate_member *members;
    struct row_place *place_memory; /* as many as members */
    uint32_t member_capacity;
    uint16_t *slots;
    struct buffer names;
};

void rows_init(struct rows *rows);
void rows_free(struct rows *rows);

/* Forgets the rows of the event before. */
void rows_clear(struct rows *rows, int64_t time_ms);
/* Makes room in `ends` for so many rows. */
void rows_reserve(struct rows *rows, uint32_t count);

/* Row i of the text; borrowed until the scratch is used again. */
struct slice rows_row(const struct rows *rows, uint32_t i);

/* Begins a row: the JSON text of its value goes behind the text, then comes rows_end. The name is
 * the inside of a JSON string. What passes the ceiling of the text is found by text.overflowed. */
void rows_begin(struct rows *rows, struct slice name, int64_t time_ms, const char *quality);
void rows_end(struct rows *rows, const char *base_type);
