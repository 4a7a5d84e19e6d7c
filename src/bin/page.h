#pragma once
#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Text for a terminal, as `holdfast status` and `holdfast check` show it: at most PAGE_COLUMNS
 * wide, in colour where that is wanted. What comes from outside cannot steer the terminal: control
 * characters are shown as "?". */

enum { PAGE_COLUMNS = 100 };

enum colour { PLAIN, GOOD, DOUBTFUL, BAD, FAINT, STRONG };

struct page {
    struct buffer text;
    bool coloured;
};

void page_init(struct page *page, bool coloured);
void page_free(struct page *page);
/* Whether `out` is a terminal on which colours are welcome (NO_COLOR, TERM). */
bool page_colours(FILE *out);

/* A piece of a line; page_end ends the line. */
void page_put(struct page *page, enum colour colour, const char *text);
void page_end(struct page *page);
/* `label` in its own column, then words broken at PAGE_COLUMNS under each other behind it. */
void page_words(struct page *page, enum colour colour, const char *label, int indent,
                const char *text);

/* ---- tables: columns are as wide as they must be, and what does not fit into the line is cut from
 * the columns that give ---- */
struct page_column {
    const char *title;
    bool right; /* numbers */
    bool gives;
};
struct page_table;
struct page_table *page_table_open(const struct page_column *columns, size_t count);
/* The next cell, row by row. NULL is "-". */
void page_table_cell(struct page_table *table, enum colour colour, const char *text);
/* Writes the table and frees it. */
void page_table_close(struct page_table *table, struct page *page);
