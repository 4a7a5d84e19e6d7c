#include "core/translate.h"

#include "base/memory.h"
#include "core/hash.h"
#include "core/json_scan.h"

#include <stdlib.h>

/* Up to here a name is looked up by comparing hashes one by one, which beats any table. */
#define LINEAR_MAX 32u
#define SLOT_COUNT ((size_t)2 * TRANSLATE_ROWS_MAX)
#define SLOT_NONE UINT16_MAX

/* Fixed parts of a row; the middle, which carries the time, is the same for all rows of an event.
 */
#define ROW_TIME "\",\"time\":"
#define ROW_VALUE ",\"quality\":\"GOOD\",\"value\":{\"value\":"
#define MIDDLE_MAX 64u
/* Room for everything of a row but its name and its value. */
#define ROW_FIXED_MAX (sizeof ROW_HEAD + (size_t)2 * MIDDLE_MAX)

struct translate_member {
    struct json_value value;
    struct slice name;
    uint64_t hash;
};

static void grow_members(struct rows *rows, uint32_t wanted)
{
    if (wanted <= rows->member_capacity)
        return;
    uint32_t capacity = rows->member_capacity ? rows->member_capacity * 2 : LINEAR_MAX;
    rows->members = xrealloc(rows->members, capacity * sizeof *rows->members);
    rows->place_memory = xrealloc(rows->place_memory, capacity * sizeof *rows->place_memory);
    rows_reserve(rows, capacity);
    rows->member_capacity = capacity;
}

/* --- members ------------------------------------------------------------------------------- */

static bool same_name(const struct translate_member *member, struct slice name, uint64_t hash)
{
    return member->hash == hash && slice_equal(member->name, name);
}

/* The slot that holds the name, or the free one where it belongs. */
static uint16_t *find_slot(struct rows *rows, struct slice name, uint64_t hash)
{
    size_t at = hash % SLOT_COUNT;
    while (rows->slots[at] != SLOT_NONE && !same_name(&rows->members[rows->slots[at]], name, hash))
        at = (at + 1) % SLOT_COUNT;
    return &rows->slots[at];
}

static void fill_slots(struct rows *rows, uint32_t count)
{
    if (rows->slots == NULL)
        rows->slots = xmalloc(SLOT_COUNT * sizeof *rows->slots);
    for (size_t i = 0; i < SLOT_COUNT; i++)
        rows->slots[i] = SLOT_NONE;
    for (uint32_t i = 0; i < count; i++)
        *find_slot(rows, rows->members[i].name, rows->members[i].hash) = (uint16_t)i;
}

/* The member of that name among the first `count`, or a new one behind them; NULL if there are
 * too many. */
static struct translate_member *find_member(struct rows *rows, uint32_t *count, struct slice name)
{
    uint64_t hash = hash_bytes(name);
    if (*count <= LINEAR_MAX) {
        for (uint32_t i = 0; i < *count; i++)
            if (same_name(&rows->members[i], name, hash))
                return &rows->members[i];
        if (*count == LINEAR_MAX)
            fill_slots(rows, *count);
    }
    if (*count >= LINEAR_MAX) {
        uint16_t *slot = find_slot(rows, name, hash);
        if (*slot != SLOT_NONE)
            return &rows->members[*slot];
        if (*count == TRANSLATE_ROWS_MAX)
            return NULL;
        *slot = (uint16_t)*count;
    }
    grow_members(rows, *count + 1);
    struct translate_member *member = &rows->members[(*count)++];
    member->name = name;
    member->hash = hash;
    return member;
}

/* The name in its canonical form, so that a name is found again however it is escaped. */
static struct slice canonical(struct rows *rows, const struct json_value *name)
{
    if (!name->escaped)
        return name->text;
    /* The buffer is as large as a body from the first use on, so that earlier names stay put. */
    char *to = rows->names.data == NULL ? buffer_reserve(&rows->names, TRANSLATE_BODY_MAX)
                                        : rows->names.data + rows->names.n;
    struct slice result = {to, json_scan_canonical(name->text, to)};
    rows->names.n += result.n;
    return result;
}

/* Reads all members; *size is the length of their names and values. */
static bool scan_event(struct json_cursor *c, struct rows *rows, uint32_t *count, size_t *size)
{
    if (!json_scan_token(c, '{'))
        return json_scan_fail(c, "not an object");
    if (json_scan_token(c, '}'))
        return true;
    do {
        struct json_value name;
        if (!json_scan_string(c, &name))
            return false;
        if (!json_scan_token(c, ':'))
            return json_scan_fail(c, "colon expected");
        struct translate_member *member = find_member(rows, count, canonical(rows, &name));
        if (member == NULL)
            return json_scan_fail(c, "too many members");
        if (!json_scan_value(c, JSON_DEPTH_MAX - 1, &member->value))
            return false;
        *size += name.text.n + member->value.text.n;
    } while (json_scan_token(c, ','));
    return json_scan_token(c, '}') || json_scan_fail(c, "unfinished object");
}

static bool scan_body(struct slice body, struct rows *rows, uint32_t *count, size_t *size,
                      struct error *why)
{
    if (body.n > TRANSLATE_BODY_MAX)
        return error_set(why, "the body of %zu bytes is longer than %zu", body.n,
                         TRANSLATE_BODY_MAX);
    struct json_cursor c = {.p = body.p, .end = body.p + body.n};
    bool ok = scan_event(&c, rows, count, size);
    ok = ok && (json_scan_end(&c) || json_scan_fail(&c, "something follows the object"));
    if (!ok) {
        error_set(why, "not a JSON object: %s at byte %zu", c.why, (size_t)(c.p - body.p));
        error_hint(why, "Telemetry is one JSON object of named values, in UTF-8.");
    }
    return ok;
}

/* --- times --------------------------------------------------------------------------------- */

#define DAY_S INT64_C(86400)
#define TIME_MAX_MS (INT64_C(253402300800000) - 1) /* the end of year 9999 */

/* Takes a number of exactly `digits` digits. */
static bool take_digits(struct slice *text, unsigned digits, int64_t *value)
{
    if (text->n < digits)
        return false;
    *value = 0;
    for (unsigned i = 0; i < digits; i++) {
        if (text->p[i] < '0' || text->p[i] > '9')
            return false;
        *value = *value * 10 + (text->p[i] - '0');
    }
    *text = (struct slice){text->p + digits, text->n - digits};
    return true;
}

static bool take_char(struct slice *text, const char *any)
{
    if (text->n == 0 || text->p[0] == '\0' || strchr(any, text->p[0]) == NULL)
        return false;
    *text = (struct slice){text->p + 1, text->n - 1};
    return true;
}

/* Days since 1970-01-01 of a date in the Gregorian calendar, counted in eras of 400 years that
 * begin in March, so that the leap day comes last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static int64_t days_in(int64_t year, int64_t month)
{
    int64_t next_year = month == 12 ? year + 1 : year;
    return days_of(next_year, month == 12 ? 1 : month + 1, 1) - days_of(year, month, 1);
}

static bool take_date(struct slice *text, int64_t *seconds)
{
    int64_t year;
    int64_t month;
    int64_t day;
    if (!take_digits(text, 4, &year) || !take_char(text, "-") || !take_digits(text, 2, &month) ||
        !take_char(text, "-") || !take_digits(text, 2, &day))
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in(year, month))
        return false;
    *seconds = days_of(year, month, day) * DAY_S;
    return true;
}

/* HH:MM[:SS[.fraction]]; a leap second counts as the second before. */
static bool take_clock(struct slice *text, int64_t *ms)
{
    int64_t hours;
    int64_t minutes;
    int64_t seconds = 0;
    int64_t fraction = 0;
    if (!take_digits(text, 2, &hours) || !take_char(text, ":") || !take_digits(text, 2, &minutes))
        return false;
    if (take_char(text, ":")) {
        if (!take_digits(text, 2, &seconds))
            return false;
        if (take_char(text, ".,")) {
            int64_t digit;
            int64_t weight = 100;
            if (!take_digits(text, 1, &digit))
                return false;
            do {
                fraction += digit * weight;
                weight /= 10;
            } while (take_digits(text, 1, &digit));
        }
    }
    if (hours > 23 || minutes > 59 || seconds > 60)
        return false;
    seconds = seconds == 60 ? 59 : seconds;
    *ms = ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction;
    return true;
}

static bool take_zone(struct slice *text, int64_t *ms)
{
    *ms = 0;
    if (text->n == 0 || take_char(text, "Zz"))
        return true;
    bool west = text->p[0] == '-';
    int64_t hours;
    int64_t minutes = 0;
    if (!take_char(text, "+-") || !take_digits(text, 2, &hours))
        return false;
    (void)take_char(text, ":");
    if ((text->n > 0 && !take_digits(text, 2, &minutes)) || hours > 23 || minutes > 59)
        return false;
    *ms = (hours * 60 + minutes) * (west ? -60000 : 60000);
    return true;
}

static bool all_digits(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
    return text.n > 0;
}

bool translate_time(struct slice text, int64_t *time_ms)
{
    int64_t seconds = 0;
    int64_t ms = 0;
    int64_t zone = 0;
    int64_t result;
    if (all_digits(text)) {
        if (text.n > 15 || !take_digits(&text, (unsigned)text.n, &result))
            return false;
    } else {
        if (!take_date(&text, &seconds))
            return false;
        if (text.n > 0 && (!take_char(&text, "Tt ") || !take_clock(&text, &ms) ||
                           !take_zone(&text, &zone) || text.n > 0))
            return false;
        result = seconds * 1000 + ms - zone;
    }
    if (result < 0 || result > TIME_MAX_MS)
        return false;
    *time_ms = result;
    return true;
}

static void find_time(struct rows *rows, uint32_t count, struct slice name)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct translate_member *member = &rows->members[i];
        if (!slice_equal(member->name, name))
            continue;
        enum json_kind kind = member->value.kind;
        if (kind == JSON_NULL)
            return;
        rows->time_unusable = (kind != JSON_NUMBER && kind != JSON_STRING) ||
                              !translate_time(member->value.text, &rows->time_ms);
        return;
    }
}

/* --- rows ---------------------------------------------------------------------------------- */

static char *put(char *to, const char *from, size_t n)
{
    memcpy(to, from, n);
    return to + n;
}

#define PUT_LITERAL(to, text) put((to), (text), sizeof(text) - 1)

static char *put_integer(char *to, int64_t value)
{
    char digits[20];
    size_t n = 0;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (value < 0)
        *to++ = '-';
    do {
        digits[n++] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude > 0);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

static char *put_value(char *to, const struct json_value *value)
{
    size_t n = value->text.n;
    switch (value->kind) {
    case JSON_STRING:
        /* The quotes stand around it in the body too. */
        to = put(to, value->text.p - 1, n + 2);
        return PUT_LITERAL(to, ",\"baseType\":\"STRING\"}},");
    case JSON_BOOLEAN:
        to = put(to, value->text.p, n);
        return PUT_LITERAL(to, ",\"baseType\":\"BOOLEAN\"}},");
    case JSON_LONG:
        to = put(to, value->text.p, n);
        return PUT_LITERAL(to, ",\"baseType\":\"LONG\"}},");
    case JSON_OBJECT:
        to = put(to, value->text.p, n);
        return PUT_LITERAL(to, ",\"baseType\":\"JSON\"}},");
    case JSON_ARRAY:
        to = PUT_LITERAL(to, "{\"array\":");
        to = put(to, value->text.p, n);
        return PUT_LITERAL(to, "},\"baseType\":\"JSON\"}},");
    case JSON_NUMBER:
    case JSON_NULL:
        break;
    }
    to = put(to, value->text.p, n);
    return PUT_LITERAL(to, ",\"baseType\":\"NUMBER\"}},");
}

static bool write_rows(struct rows *rows, uint32_t count, size_t size)
{
    char *to = buffer_reserve(&rows->text, size + count * ROW_FIXED_MAX);
    if (to == NULL)
        return false;
    char middle[MIDDLE_MAX + 8];
    char *end = PUT_LITERAL(middle, ROW_TIME);
    end = put_integer(end, rows->time_ms);
    end = PUT_LITERAL(end, ROW_VALUE);
    size_t middle_n = (size_t)(end - middle);
    const char *begin = to;
    for (uint32_t i = 0; i < count; i++) {
        const struct translate_member *member = &rows->members[i];
        if (member->value.kind == JSON_NULL)
            continue;
        to = PUT_LITERAL(to, ROW_HEAD);
        to = put(to, member->name.p, member->name.n);
        /* A copy of fixed size is much cheaper; what is too much is written over. */
        memcpy(to, middle, MIDDLE_MAX);
        to = put_value(to + middle_n, &member->value);
        rows->ends[rows->count++] = (uint32_t)(to - begin) - 1;
    }
    rows->text.n = rows->count == 0 ? 0 : rows->ends[rows->count - 1];
    return true;
}

/* Reads the body into members, and the event's own time. */
static bool read_members(struct slice body, int64_t time_ms, const struct translate_rules *rules,
                         struct rows *rows, uint32_t *count, size_t *size, struct error *why)
{
    rows_clear(rows, time_ms);
    *count = 0;
    *size = 0;
    if (!scan_body(body, rows, count, size, why))
        return false;
    if (rules->time_member.n > 0)
        find_time(rows, *count, rules->time_member);
    return true;
}

static bool write_all(struct rows *rows, uint32_t count, size_t size, struct error *why)
{
    /* Cannot happen: the ceiling of the text covers the ceilings of body and rows. */
    return write_rows(rows, count, size) ||
           error_set(why, "the rows of the event are longer than %zu bytes", TRANSLATE_TEXT_MAX);
}

bool translate(struct slice body, int64_t time_ms, const struct translate_rules *rules,
               struct rows *rows, struct error *why)
{
    uint32_t count;
    size_t size;
    return read_members(body, time_ms, rules, rows, &count, &size, why) &&
           write_all(rows, count, size, why);
}

static void place_value(struct row_place *place, const char *body, const struct json_value *value)
{
    static const enum row_type types[] = {
        [JSON_NULL] = ROW_NUMBER, [JSON_BOOLEAN] = ROW_BOOLEAN, [JSON_NUMBER] = ROW_NUMBER,
        [JSON_LONG] = ROW_LONG,   [JSON_STRING] = ROW_STRING,   [JSON_OBJECT] = ROW_JSON,
        [JSON_ARRAY] = ROW_ARRAY};
    uint32_t quotes = value->kind == JSON_STRING ? 1 : 0;
    place->value_at = (uint32_t)(value->text.p - body) - quotes;
    place->value_n = (uint32_t)value->text.n + 2 * quotes;
    place->type = types[value->kind];
}

bool translate_in_place(struct slice body, int64_t time_ms, const struct translate_rules *rules,
                        struct rows *rows, struct error *why)
{
    uint32_t count;
    size_t size;
    if (!read_members(body, time_ms, rules, rows, &count, &size, why))
        return false;
    if (rows->names.n > 0) /* a name that does not stand in the body as it is to be sent */
        return write_all(rows, count, size, why);
    for (uint32_t i = 0; i < count; i++) {
        const struct translate_member *member = &rows->members[i];
        if (member->value.kind == JSON_NULL)
            continue;
        struct row_place *place = &rows->place_memory[rows->count++];
        place->name_at = (uint32_t)(member->name.p - body.p);
        place->name_n = (uint32_t)member->name.n;
        place_value(place, body.p, &member->value);
    }
    rows->places = rows->place_memory;
    rows->body = body;
    return true;
}

bool translate_row(struct slice row, struct rows *rows, struct error *why)
{
    rows_clear(rows, 0);
    struct json_cursor c = {.p = row.p, .end = row.p + row.n};
    struct json_value value;
    bool ok = row.n <= TRANSLATE_TEXT_MAX && row.n > sizeof ROW_HEAD &&
              memcmp(row.p, ROW_HEAD, sizeof ROW_HEAD - 1) == 0 &&
              json_scan_value(&c, JSON_DEPTH_MAX + 3, &value) && c.p == c.end;
    if (!ok)
        return error_set(why, "not a row of property, time, quality and value");
    rows_reserve(rows, 1);
    buffer_append_slice(&rows->text, row);
    rows->ends[0] = (uint32_t)row.n;
    rows->count = 1;
    return true;
}
