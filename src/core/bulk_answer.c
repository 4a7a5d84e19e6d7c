#include "core/bulk_answer.h"

#include "base/memory.h"
#include "core/json_scan.h"

#include <stdlib.h>

static bool is_name(const struct json_value *name, const char *wanted)
{
    return slice_equal(name->text, slice_from(wanted));
}

/* A row's number; ThingWorx may write it as 3 or as 3.0. */
static bool read_number(struct slice text, uint32_t rows, uint32_t *row)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9' && n <= UINT32_MAX; i++)
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    bool whole = i > 0 && i == text.n;
    bool decimal = i > 0 && i + 2 == text.n && text.p[i] == '.' && text.p[i + 1] == '0';
    *row = (uint32_t)n;
    return (whole || decimal) && n < rows;
}

static bool take_member(struct json_cursor *c, const struct json_value *name,
                        const struct json_value *value, uint32_t rows, struct bulk_refusal *refusal,
                        bool *numbered)
{
    if (is_name(name, "row")) {
        if (value->kind != JSON_NUMBER || !read_number(value->text, rows, &refusal->row))
            return json_scan_fail(c, "a refusal names a row that was not sent");
        *numbered = true;
    } else if (is_name(name, "missing")) {
        refusal->missing = slice_equal(value->text, slice_from("true"));
    } else if (is_name(name, "reason") && value->kind == JSON_STRING) {
        refusal->reason = value->text;
    }
    return true;
}

static bool read_refusal(struct json_cursor *c, uint32_t rows, struct bulk_refusal *refusal)
{
    struct json_value name, value;
    bool numbered = false;
    if (!json_scan_token(c, '{'))
        return json_scan_fail(c, "a refusal is not an object");
    if (!json_scan_token(c, '}')) {
        do {
            if (!json_scan_string(c, &name))
                return false;
            if (!json_scan_token(c, ':'))
                return json_scan_fail(c, "a colon is missing");
            if (!json_scan_value(c, JSON_DEPTH_MAX, &value) ||
                !take_member(c, &name, &value, rows, refusal, &numbered))
                return false;
        } while (json_scan_token(c, ','));
        if (!json_scan_token(c, '}'))
            return json_scan_fail(c, "a brace is missing");
    }
    return numbered || json_scan_fail(c, "a refusal names no row");
}

static bool read_refusals(struct json_cursor *c, uint32_t rows, struct bulk_answer *answer)
{
    answer->count = 0;
    if (!json_scan_token(c, '['))
        return json_scan_fail(c, "rows is not an array");
    if (json_scan_token(c, ']'))
        return true;
    do {
        struct bulk_refusal refusal = {0};
        if (!read_refusal(c, rows, &refusal))
            return false;
        if (answer->count == rows)
            return json_scan_fail(c, "more refusals than rows were sent");
        if (answer->count == answer->capacity) {
            answer->capacity = answer->capacity > 0 ? answer->capacity * 2 : 64;
            answer->refusals =
                xrealloc(answer->refusals, answer->capacity * sizeof *answer->refusals);
        }
        answer->refusals[answer->count++] = refusal;
    } while (json_scan_token(c, ','));
    return json_scan_token(c, ']') || json_scan_fail(c, "a bracket is missing");
}

static int by_row(const void *a, const void *b)
{
    const struct bulk_refusal *x = a, *y = b;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Puts the refusals into the order of their rows. False if a row comes twice. */
static bool put_in_order(struct bulk_answer *answer)
{
    if (answer->count > 1)
        qsort(answer->refusals, answer->count, sizeof *answer->refusals, by_row);
    for (size_t i = 1; i < answer->count; i++)
        if (answer->refusals[i].row == answer->refusals[i - 1].row)
            return false;
    return true;
}

/* The members of the infotable; only `rows` counts. */
static bool read_table(struct json_cursor *c, uint32_t rows, struct bulk_answer *answer)
{
    struct json_value name, value;
    bool found = false;
    if (!json_scan_token(c, '{'))
        return json_scan_fail(c, "not an infotable");
    if (json_scan_token(c, '}'))
        return json_scan_fail(c, "an infotable without rows");
    do {
        if (!json_scan_string(c, &name))
            return false;
        if (!json_scan_token(c, ':'))
            return json_scan_fail(c, "a colon is missing");
        if (!is_name(&name, "rows")) {
            if (!json_scan_value(c, JSON_DEPTH_MAX, &value))
                return false;
            continue;
        }
        if (found)
            return json_scan_fail(c, "an infotable with two lists of rows");
        found = true;
        if (!read_refusals(c, rows, answer))
            return false;
    } while (json_scan_token(c, ','));
    if (!json_scan_token(c, '}'))
        return json_scan_fail(c, "a brace is missing");
    if (!json_scan_end(c))
        return json_scan_fail(c, "something follows the infotable");
    return found || json_scan_fail(c, "an infotable without rows");
}

bool bulk_answer_read(struct bulk_answer *answer, struct slice body, uint32_t rows)
{
    struct json_cursor c = json_scan_begin(body);
    answer->why = NULL;
    answer->count = 0;
    if (body.n == 0)
        answer->why = "an empty answer";
    else if (!read_table(&c, rows, answer))
        answer->why = c.why;
    else if (!put_in_order(answer))
        answer->why = "a row is refused twice";
    return answer->why == NULL;
}

void bulk_answer_free(struct bulk_answer *answer)
{
    free(answer->refusals);
    *answer = (struct bulk_answer){0};
}
