#include "thingworx/base_type.h"

#include <stdlib.h>
#include <time.h>

static const struct base_type types[] = {
    {"STRING", TYPE_TEXT},       {"NUMBER", TYPE_NUMBER},   {"INTEGER", TYPE_INTEGER},
    {"LONG", TYPE_LONG},         {"BOOLEAN", TYPE_BOOLEAN}, {"DATETIME", TYPE_DATETIME},
    {"LOCATION", TYPE_LOCATION}, {"JSON", TYPE_JSON},       {"INFOTABLE", TYPE_INFOTABLE},
    {"VARIANT", TYPE_VARIANT},   {"TEXT", TYPE_TEXT},       {"HTML", TYPE_TEXT},
    {"HYPERLINK", TYPE_TEXT},    {"IMAGELINK", TYPE_TEXT},  {"THINGNAME", TYPE_TEXT},
    {"USERNAME", TYPE_TEXT},     {"GUID", TYPE_TEXT},
};

const struct base_type *base_type_find(struct slice name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (slice_equal(name, slice_from(types[i].name)))
            return &types[i];
    return NULL;
}

const struct base_type *base_type_any(void)
{
    return base_type_find(SLICE_LITERAL("VARIANT"));
}

/* Digits with an optional sign, in the range of 64 bits. */
static bool whole(struct slice text, int64_t *number)
{
    char digits[24];
    if (text.n == 0 || text.n >= sizeof digits)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (!(text.p[i] >= '0' && text.p[i] <= '9') && !(i == 0 && text.n > 1 && text.p[0] == '-'))
            return false;
    memcpy(digits, text.p, text.n);
    digits[text.n] = '\0';
    long long parsed = strtoll(digits, NULL, 10);
    *number = parsed;
    /* Out of range, strtoll returns an end of the range: only those two texts may. */
    return (parsed != INT64_MAX || strcmp(digits, "9223372036854775807") == 0) &&
           (parsed != INT64_MIN || strcmp(digits, "-9223372036854775808") == 0);
}

/* A JSON number without a fraction: 10, also 10.0 and 1e3. */
static bool whole_number(struct slice text, int64_t *number)
{
    if (whole(text, number))
        return true;
    char copy[64];
    if (text.n >= sizeof copy || memchr(text.p, '.', text.n) == NULL) {
        if (text.n >= sizeof copy ||
            (memchr(text.p, 'e', text.n) == NULL && memchr(text.p, 'E', text.n) == NULL))
            return false;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    double parsed = strtod(copy, NULL);
    if (!(parsed > -9007199254740992.0 && parsed < 9007199254740992.0))
        return false;
    *number = (int64_t)parsed;
    return (double)*number == parsed;
}

static bool finite_number(struct slice text)
{
    char copy[64];
    /* Below 1e300 whatever the digits say, unless there is an exponent or many digits. */
    if (text.n < sizeof copy && memchr(text.p, 'e', text.n) == NULL &&
        memchr(text.p, 'E', text.n) == NULL)
        return true;
    char *end = strndup(text.p, text.n);
    if (end == NULL)
        return false;
    double parsed = strtod(end, NULL);
    free(end);
    return parsed - parsed == 0.0;
}

static bool location_object(struct slice text)
{
    struct scan s = scan_start(text);
    struct scan_value key;
    struct scan_value value;
    bool first = true;
    unsigned seen = 0;
    (void)scan_enter(&s, '{');
    while (scan_member(&s, &first, &key) && scan_any(&s, &value)) {
        bool number = value.kind == SCAN_NUMBER;
        if (scan_is(&key, "latitude") && number)
            seen |= 1;
        else if (scan_is(&key, "longitude") && number)
            seen |= 2;
        else if (!(scan_is(&key, "elevation") && number) &&
                 !(scan_is(&key, "units") && value.kind == SCAN_STRING))
            return false;
    }
    return s.error == NULL && seen == 3;
}

/* "12.0,14.0" with an optional third number. */
static bool location_text(struct slice text)
{
    char copy[96];
    if (text.n == 0 || text.n >= sizeof copy)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    int numbers = 0;
    for (const char *p = copy;; p++) {
        char *end;
        double number = strtod(p, &end);
        if (end == p || number - number != 0.0)
            return false;
        numbers++;
        p = end;
        if (*p != ',')
            return *p == '\0' && (numbers == 2 || numbers == 3);
    }
}

static bool infotable_object(struct slice text)
{
    struct scan s = scan_start(text);
    struct scan_value key;
    struct scan_value value;
    bool first = true;
    unsigned seen = 0;
    (void)scan_enter(&s, '{');
    while (scan_member(&s, &first, &key) && scan_any(&s, &value)) {
        if (scan_is(&key, "dataShape") && value.kind == SCAN_OBJECT)
            seen |= 1;
        if (scan_is(&key, "rows") && value.kind == SCAN_ARRAY)
            seen |= 2;
    }
    return s.error == NULL && seen == 3;
}

static bool class_takes(enum type_class class, const struct scan_value *value)
{
    int64_t number;
    bool is_number = value->kind == SCAN_NUMBER;
    switch (class) {
    case TYPE_TEXT:
        return value->kind == SCAN_STRING;
    case TYPE_NUMBER:
        return is_number && finite_number(value->text);
    case TYPE_INTEGER:
        return is_number && whole_number(value->text, &number) && number >= INT32_MIN &&
               number <= INT32_MAX;
    case TYPE_LONG:
        return is_number && whole_number(value->text, &number);
    case TYPE_BOOLEAN:
        return value->kind == SCAN_BOOLEAN || is_number || value->kind == SCAN_STRING;
    case TYPE_DATETIME:
        return base_type_time(value, &number);
    case TYPE_LOCATION:
        return (value->kind == SCAN_OBJECT && location_object(value->text)) ||
               (value->kind == SCAN_STRING && location_text(scan_inside(value)));
    case TYPE_JSON:
        return value->kind == SCAN_OBJECT || value->kind == SCAN_ARRAY;
    case TYPE_INFOTABLE:
        return value->kind == SCAN_OBJECT && infotable_object(value->text);
    case TYPE_VARIANT:
    default:
        return value->kind != SCAN_NULL;
    }
}

static bool is_numeric(enum type_class class)
{
    return class == TYPE_NUMBER || class == TYPE_INTEGER || class == TYPE_LONG;
}

static bool may_convert(enum type_class to, enum type_class from)
{
    return to == from || to == TYPE_VARIANT || from == TYPE_VARIANT ||
           (is_numeric(to) && is_numeric(from)) ||
           (to == TYPE_BOOLEAN && (is_numeric(from) || from == TYPE_TEXT)) ||
           ((to == TYPE_DATETIME || to == TYPE_LOCATION) && from == TYPE_TEXT) ||
           (to == TYPE_DATETIME && (from == TYPE_LONG || from == TYPE_NUMBER));
}

bool base_type_fits(const struct base_type *definition, const struct base_type *declared,
                    const struct scan_value *value)
{
    if (declared != NULL &&
        (!may_convert(definition->class, declared->class) || !class_takes(declared->class, value)))
        return false;
    return class_takes(definition->class, value);
}

/* Passes exactly n digits and the character that must follow them ('\0' = none). */
static bool pass_digits(const char **p, int n, char after, int *number)
{
    *number = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        *number = *number * 10 + (**p - '0');
    }
    if (after == '\0')
        return true;
    return *(*p)++ == after;
}

/* The zone at the end of an ISO time: Z, +hh:mm or -hh:mm; nothing means UTC. */
static bool iso_zone(const char *p, int *minutes)
{
    int hours;
    int rest;
    *minutes = 0;
    if (strcmp(p, "") == 0 || strcmp(p, "Z") == 0)
        return true;
    bool west = *p == '-';
    if (!west && *p != '+')
        return false;
    p++;
    if (!pass_digits(&p, 2, ':', &hours) || !pass_digits(&p, 2, '\0', &rest) || *p != '\0')
        return false;
    *minutes = (hours * 60 + rest) * (west ? -1 : 1);
    return true;
}

static bool iso_time(struct slice text, int64_t *time_ms)
{
    char copy[40];
    struct tm tm = {0};
    int minutes;
    int64_t ms = 0;
    if (text.n >= sizeof copy)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    const char *p = copy;
    if (!pass_digits(&p, 4, '-', &tm.tm_year) || !pass_digits(&p, 2, '-', &tm.tm_mon) ||
        !pass_digits(&p, 2, 'T', &tm.tm_mday) || !pass_digits(&p, 2, ':', &tm.tm_hour) ||
        !pass_digits(&p, 2, ':', &tm.tm_min) || !pass_digits(&p, 2, '\0', &tm.tm_sec))
        return false;
    if (*p == '.') {
        int64_t weight = 100;
        for (p++; *p >= '0' && *p <= '9'; p++, weight /= 10)
            ms += (*p - '0') * weight;
    }
    if (!iso_zone(p, &minutes))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *time_ms = (int64_t)timegm(&tm) * 1000 + ms - (int64_t)minutes * 60000;
    return true;
}

bool base_type_time(const struct scan_value *value, int64_t *time_ms)
{
    if (value->kind == SCAN_NUMBER)
        return whole(value->text, time_ms);
    if (value->kind != SCAN_STRING)
        return false;
    return whole(scan_inside(value), time_ms) || iso_time(scan_inside(value), time_ms);
}
