#include "admin/status_html.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

enum { SPARK_WIDTH = 240, SPARK_HEIGHT = 40 };

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
    case '\t':
        return " ";
    default:
        return (unsigned char)c < ' ' || c == 0x7f ? "\xef\xbf\xbd" : NULL;
    }
}

void html_text_cut(struct buffer *html, const char *text, size_t characters)
{
    if (text == NULL) {
        (void)buffer_append_text(html, "\xe2\x80\x93");
        return;
    }
    struct slice rest = slice_from(text);
    for (; rest.n > 0 && characters > 0; characters--) {
        size_t n = utf8_length(rest);
        const char *entity = n == 1 ? entity_of(rest.p[0]) : n == 0 ? "\xef\xbf\xbd" : NULL;
        if (entity != NULL)
            (void)buffer_append_text(html, entity);
        else
            (void)buffer_append(html, rest.p, n);
        n += n == 0;
        rest = (struct slice){rest.p + n, rest.n - n};
    }
    if (rest.n > 0)
        (void)buffer_append_text(html, "\xe2\x80\xa6");
}

void html_text(struct buffer *html, const char *text)
{
    html_text_cut(html, text, SIZE_MAX);
}

void html_count(struct buffer *html, int64_t count)
{
    char digits[24];
    if (count < 0) {
        html_text(html, NULL);
        return;
    }
    int n = snprintf(digits, sizeof digits, "%" PRId64, count);
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            (void)buffer_append_text(html, ",");
        (void)buffer_append(html, &digits[i], 1);
    }
}

void html_duration(struct buffer *html, int64_t ms)
{
    static const struct {
        int64_t from_s, unit_s, rest_s;
        const char *unit, *rest;
    } forms[] = {
        {86400, 86400, 3600, "d", "h"}, {3600, 3600, 60, "h", "min"}, {60, 60, 1, "min", "s"}};
    int64_t s = ms / 1000;
    if (ms < 0)
        html_text(html, NULL);
    else if (ms < 1000)
        (void)buffer_printf(html, "%" PRId64 "\xc2\xa0ms", ms);
    else if (ms < 10000)
        (void)buffer_printf(html, "%" PRId64 ".%" PRId64 "\xc2\xa0s", s, ms % 1000 / 100);
    else if (ms < 60000)
        (void)buffer_printf(html, "%" PRId64 "\xc2\xa0s", s);
    if (ms < 60000)
        return;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (s < forms[i].from_s)
            continue;
        int64_t rest = s % forms[i].unit_s / forms[i].rest_s;
        (void)buffer_printf(html, "%" PRId64 "\xc2\xa0%s", s / forms[i].unit_s, forms[i].unit);
        if (rest > 0)
            (void)buffer_printf(html, " %" PRId64 "\xc2\xa0%s", rest, forms[i].rest);
        return;
    }
}

void html_age(struct buffer *html, int64_t ms)
{
    int64_t s = ms / 1000;
    if (ms < 0)
        html_text(html, NULL);
    else if (s < 60)
        (void)buffer_printf(html, "%" PRId64 "\xc2\xa0s", s);
    else if (s < 3600)
        (void)buffer_printf(html, "%" PRId64 "\xc2\xa0min", s / 60);
    else if (s < INT64_C(2) * 86400)
        (void)buffer_printf(html, "%" PRId64 "\xc2\xa0h", s / 3600);
    else
        (void)buffer_printf(html,
                            "%" PRId64 "\xc2\xa0"
                            "d",
                            s / 86400);
}

void html_size(struct buffer *html, int64_t kib)
{
    if (kib < 0)
        html_text(html, NULL);
    else if (kib < 1024)
        (void)buffer_printf(html, "%" PRId64 "\xc2\xa0KiB", kib);
    else if (kib < INT64_C(10) * 1024 * 1024)
        (void)buffer_printf(html, "%" PRId64 "\xc2\xa0MiB", kib / 1024);
    else
        (void)buffer_printf(html, "%" PRId64 "\xc2\xa0GiB", kib / 1024 / 1024);
}

struct scale {
    size_t count;
    int64_t top;
};

static double x_of(const struct scale *scale, size_t i)
{
    return (double)i * SPARK_WIDTH / (double)(scale->count - 1);
}

static double y_of(const struct scale *scale, int64_t value)
{
    return SPARK_HEIGHT - 2 - (double)value * (SPARK_HEIGHT - 4) / (double)scale->top;
}

/* A line through the points; where some are missing it is interrupted, and a point alone is a dot.
 * `area`: what lies below it. */
static void put_line(struct buffer *html, const int64_t *points, const struct scale *scale,
                     bool area)
{
    bool drawn = false;
    for (size_t i = 0; i < scale->count; i++) {
        bool known = points[i] >= 0;
        if (known && !drawn && area)
            (void)buffer_printf(html, "M%.4g %dV%.3gL", x_of(scale, i), SPARK_HEIGHT - 1,
                                y_of(scale, points[i]));
        else if (known && !drawn)
            (void)buffer_printf(html, "M%.4g %.3gh.1L", x_of(scale, i), y_of(scale, points[i]));
        if (known)
            (void)buffer_printf(html, " %.4g %.3g", x_of(scale, i), y_of(scale, points[i]));
        if (drawn && !known && area)
            (void)buffer_printf(html, "V%dZ", SPARK_HEIGHT - 1);
        drawn = known;
    }
    if (drawn && area)
        (void)buffer_printf(html, "V%dZ", SPARK_HEIGHT - 1);
}

void html_spark(struct buffer *html, const int64_t *points, size_t count, int64_t top,
                const char *label, bool small)
{
    struct scale scale = {count, top > 1 ? top : 1};
    for (size_t i = 0; i < count; i++)
        if (points[i] > scale.top)
            scale.top = points[i];
    (void)buffer_printf(html,
                        "<svg class=\"spark%s\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" "
                        "role=\"img\" aria-label=\"%s\"><path class=\"base\" d=\"M0 %dH%d\"/>",
                        small ? " small" : "", SPARK_WIDTH, SPARK_HEIGHT, label, SPARK_HEIGHT - 1,
                        SPARK_WIDTH);
    if (!small) {
        (void)buffer_append_text(html, "<path class=\"area\" d=\"");
        put_line(html, points, &scale, true);
        (void)buffer_append_text(html, "\"/>");
    }
    (void)buffer_append_text(html,
                             "<path class=\"line\" vector-effect=\"non-scaling-stroke\" d=\"");
    put_line(html, points, &scale, false);
    (void)buffer_append_text(html, "\"/></svg>");
}

void html_state(struct buffer *html, enum html_mood mood, const char *word)
{
    static const struct {
        const char *class, *shape;
    } moods[] = {
        [MOOD_GOOD] = {"good", "\xe2\x97\x8f"},     /* a disc */
        [MOOD_QUIET] = {"quiet", "\xe2\x97\x8b"},   /* a ring */
        [MOOD_DOUBTFUL] = {"warn", "\xe2\x96\xb2"}, /* a triangle */
        [MOOD_BAD] = {"bad", "\xe2\x96\xa0"},       /* a square */
    };
    (void)buffer_printf(html, "<span class=\"state %s\"><i aria-hidden=\"true\">%s</i>",
                        moods[mood].class, moods[mood].shape);
    html_text(html, word);
    (void)buffer_append_text(html, "</span>");
}
