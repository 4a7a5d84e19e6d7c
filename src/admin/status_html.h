#pragma once
#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pieces of the status page. Foreign text only gets into it through html_text, which leaves nothing
 * in it that HTML would understand. */

/* Escaped; NULL is a dash. Line ends are blanks; what is no UTF-8 or another
 * control character becomes U+FFFD. */
void html_text(struct buffer *html, const char *text);
/* The same, cut after so many characters. */
void html_text_cut(struct buffer *html, const char *text, size_t characters);
/* 12345 as 12,345; below 0 (not known) is a dash. */
void html_count(struct buffer *html, int64_t count);
/* A time as people say it: 250 ms, 4.2 s, 3 min 20 s, 5 h 10 min, 2 d 3 h. Below 0 is a dash. */
void html_duration(struct buffer *html, int64_t ms);
/* How long ago, in one unit: 12 s, 3 min, 5 h, 2 d. */
void html_age(struct buffer *html, int64_t ms);
/* Bytes in KiB, MiB, GiB; below 0 is a dash. */
void html_size(struct buffer *html, int64_t kib);

/* A line over the last minutes; `points` the oldest first, -1 for gaps. The top is the highest of
 * them, and at least `top`, so that trifles look like trifles. `label` is what a reader who does
 * not see it is told, HTML already. `small`: for a row of a table. */
void html_spark(struct buffer *html, const int64_t *points, size_t count, int64_t top,
                const char *label, bool small);

/* How something is: said by a word and a shape, and only then by a colour. */
enum html_mood { MOOD_GOOD, MOOD_QUIET, MOOD_DOUBTFUL, MOOD_BAD };
void html_state(struct buffer *html, enum html_mood mood, const char *word);
