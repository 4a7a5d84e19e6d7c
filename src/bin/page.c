#include "bin/page.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_CEILING = 16 * 1024 * 1024, GAP = 2, NARROWEST = 6 };

void page_init(struct page *page, bool coloured)
{
    buffer_init(&page->text, PAGE_CEILING);
    page->coloured = coloured;
}

void page_free(struct page *page)
{
    buffer_free(&page->text);
}

bool page_colours(FILE *out)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(out)) == 1 && (no_color == NULL || no_color[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

/* Bytes of the character that begins at `text`, of which `n` are left. */
static size_t character(const char *text, size_t n)
{
    size_t bytes = 1;
    while (bytes < n && ((unsigned char)text[bytes] & 0xC0) == 0x80)
        bytes++;
    return bytes;
}

static int width(const char *text, size_t n)
{
    int columns = 0;
    for (size_t at = 0; at < n; at += character(text + at, n - at))
        columns++;
    return columns;
}

static void put_safely(struct page *page, const char *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t bytes = character(text + at, n - at);
        unsigned char first = (unsigned char)text[at];
        /* C0, DEL, and C1 as UTF-8 has them */
        bool control = first < ' ' || first == 0x7F ||
                       (first == 0xC2 && bytes == 2 && (unsigned char)text[at + 1] < 0xA0);
        bool blank = first == '\n' || first == '\t';
        (void)buffer_append(&page->text,
                            blank     ? " "
                            : control ? "?"
                                      : text + at,
                            control ? 1 : bytes);
        at += bytes;
    }
}

static void put(struct page *page, enum colour colour, const char *text, size_t n)
{
    static const char *const codes[] = {
        [PLAIN] = "",         [GOOD] = "\033[32m", [DOUBTFUL] = "\033[33m",
        [BAD] = "\033[1;31m", [FAINT] = "\033[2m", [STRONG] = "\033[1m"};
    bool coloured = page->coloured && colour != PLAIN && n > 0;
    if (coloured)
        (void)buffer_append_text(&page->text, codes[colour]);
    put_safely(page, text, n);
    if (coloured)
        (void)buffer_append_text(&page->text, "\033[0m");
}

static void put_blanks(struct page *page, int count)
{
    for (int i = 0; i < count; i++)
        (void)buffer_append_text(&page->text, " ");
}

void page_put(struct page *page, enum colour colour, const char *text)
{
    put(page, colour, text, strlen(text));
}

void page_end(struct page *page)
{
    (void)buffer_append_text(&page->text, "\n");
}

/* How many bytes of `text` go on a line of `columns`: up to a blank if there is one. */
static size_t fitting(const char *text, int columns)
{
    size_t n = strlen(text), at = 0, blank = 0;
    for (int i = 0; i < columns && at < n; i++) {
        if (text[at] == ' ')
            blank = at;
        at += character(text + at, n - at);
    }
    if (at >= n || text[at] == ' ')
        return at;
    return blank > 0 ? blank : at;
}

void page_words(struct page *page, enum colour colour, const char *label, int indent,
                const char *text)
{
    page_put(page, colour, label);
    int at = width(label, strlen(label));
    if (at >= indent && text[0] != '\0') { /* the label is longer than its column */
        put_blanks(page, 1);
        at++;
    }
    while (*text != '\0') {
        put_blanks(page, at < indent ? indent - at : 0);
        size_t n = fitting(text, PAGE_COLUMNS - (at < indent ? indent : at));
        put_safely(page, text, n);
        text += n + strspn(text + n, " ");
        at = 0;
        if (*text != '\0')
            page_end(page);
    }
    page_end(page);
}

/* ---- tables ------------------------------------------------------------------------------- */

struct cell {
    enum colour colour;
    char *text;
};

struct page_table {
    const struct page_column *columns;
    size_t count;
    int *widths;
    struct cell *cells;
    size_t cell_count, room;
};

struct page_table *page_table_open(const struct page_column *columns, size_t count)
{
    struct page_table *table = xcalloc(1, sizeof *table);
    table->columns = columns;
    table->count = count;
    table->widths = xcalloc(count, sizeof *table->widths);
    for (size_t i = 0; i < count; i++)
        table->widths[i] = width(columns[i].title, strlen(columns[i].title));
    return table;
}

void page_table_cell(struct page_table *table, enum colour colour, const char *text)
{
    if (table->cell_count == table->room) {
        table->room = table->room * 2 + 64;
        table->cells = xrealloc(table->cells, table->room * sizeof *table->cells);
    }
    const char *shown = text != NULL && text[0] != '\0' ? text : "-";
    int *widest = &table->widths[table->cell_count % table->count];
    int columns = width(shown, strlen(shown));
    *widest = columns > *widest ? columns : *widest;
    table->cells[table->cell_count++] =
        (struct cell){shown == text ? colour : PLAIN, xstrdup(shown)};
}

/* Takes from the widest column that gives, one by one, until the line fits. */
static void squeeze(struct page_table *table)
{
    int all = 0;
    for (size_t i = 0; i < table->count; i++)
        all += table->widths[i] + (i > 0 ? GAP : 0);
    while (all > PAGE_COLUMNS) {
        int *widest = NULL;
        for (size_t i = 0; i < table->count; i++)
            if (table->columns[i].gives && table->widths[i] > NARROWEST &&
                (widest == NULL || table->widths[i] > *widest))
                widest = &table->widths[i];
        if (widest == NULL)
            return;
        --*widest;
        all--;
    }
}

static void put_cell(struct page *page, const struct page_table *table, size_t column,
                     enum colour colour, const char *text)
{
    size_t n = strlen(text);
    int room = table->widths[column], wide = width(text, n);
    bool last = column + 1 == table->count;
    if (wide > room) { /* cut, and say so */
        size_t at = 0;
        for (int i = 0; i < room - 1; i++)
            at += character(text + at, n - at);
        put(page, colour, text, at);
        (void)buffer_append_text(&page->text, "…");
        wide = room;
    } else {
        put_blanks(page, table->columns[column].right ? room - wide : 0);
        put(page, colour, text, n);
    }
    if (!last)
        put_blanks(page, GAP + (table->columns[column].right ? 0 : room - wide));
}

void page_table_close(struct page_table *table, struct page *page)
{
    squeeze(table);
    for (size_t i = 0; i < table->count; i++)
        put_cell(page, table, i, FAINT, table->columns[i].title);
    page_end(page);
    for (size_t i = 0, column = 0; i < table->cell_count; i++) {
        put_cell(page, table, column, table->cells[i].colour, table->cells[i].text);
        column = column + 1 < table->count ? column + 1 : 0;
        if (column == 0)
            page_end(page);
        free(table->cells[i].text);
    }
    free(table->cells);
    free(table->widths);
    free(table);
}
