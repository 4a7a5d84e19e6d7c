#include "hub/filter.h"

#include "base/slice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SELECTOR "apache.org:selector-filter:string"

/* The selector's text: in a map, under its symbol, a described string. */
static bool find_selector(pn_data_t *filters, struct slice *text)
{
    bool found = false;
    pn_data_rewind(filters);
    if (!pn_data_next(filters) || pn_data_type(filters) != PN_MAP || !pn_data_enter(filters))
        return false;
    while (!found && pn_data_next(filters)) {
        pn_bytes_t key = pn_data_type(filters) == PN_SYMBOL ? pn_data_get_symbol(filters)
                                                            : (pn_bytes_t){0, NULL};
        if (!pn_data_next(filters))
            break;
        if (!slice_equal((struct slice){key.start, key.size}, SLICE_LITERAL(SELECTOR)))
            continue;
        bool described = pn_data_is_described(filters);
        if (described &&
            (!pn_data_enter(filters) || !pn_data_next(filters) || !pn_data_next(filters)))
            break;
        if (pn_data_type(filters) == PN_STRING) {
            pn_bytes_t value = pn_data_get_string(filters);
            *text = (struct slice){value.start, value.size};
            found = true;
        }
        if (described)
            (void)pn_data_exit(filters);
    }
    (void)pn_data_exit(filters);
    return found;
}

struct selector {
    enum { BY_OFFSET, BY_SEQUENCE, BY_TIME } by;
    bool inclusive;
    char value[64];
};

/* amqp.annotation.x-opt-offset > '123' */
static bool parse_selector(struct slice text, struct selector *selector)
{
    char copy[256];
    char name[64];
    char relation[3];
    int end = 0;
    if (text.n >= sizeof copy)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (sscanf(copy, " amqp.annotation.x-opt-%63[a-z-] %2[>=] '%63[^']' %n", name, relation,
               selector->value, &end) != 3 ||
        end == 0 || copy[end] != '\0')
        return false;
    selector->inclusive = strcmp(relation, ">=") == 0;
    if (!selector->inclusive && strcmp(relation, ">") != 0)
        return false;
    if (strcmp(name, "offset") == 0)
        selector->by = BY_OFFSET;
    else if (strcmp(name, "sequence-number") == 0)
        selector->by = BY_SEQUENCE;
    else if (strcmp(name, "enqueued-time") == 0)
        selector->by = BY_TIME;
    else
        return false;
    return true;
}

static bool parse_number(const char *text, int64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *number >= -1;
}

/* The offset of the last event, -1 if there never was one. */
static int64_t last_offset(const struct partition_log *log)
{
    struct event last;
    bool any = partition_log_at(log, partition_log_next(log) - 1, &last);
    return any ? last.offset : -1;
}

/* An offset may have been shown with a prefix. */
static const char *skip_prefix(const struct selector *selector, bool offset)
{
    bool prefixed = offset && strncmp(selector->value, "1:", 2) == 0;
    return selector->value + (prefixed ? 2 : 0);
}

static bool position_of(const struct selector *selector, const struct partition_log *log,
                        int64_t *position, char *text, size_t text_size)
{
    int64_t number;
    int64_t begin = partition_log_begin(log);
    if (selector->by != BY_TIME && strcmp(selector->value, "@latest") == 0) {
        *position = partition_log_next(log);
        return true;
    }
    bool offset = selector->by == BY_OFFSET;
    bool ok = parse_number(skip_prefix(selector, offset), &number);
    int64_t last = offset ? last_offset(log) : partition_log_next(log) - 1;
    if (!ok || (selector->by != BY_TIME && number > last)) {
        (void)snprintf(text, text_size,
                       "The supplied %s '%s' is invalid. The last %s in the system is '%lld'",
                       offset ? "offset" : "sequence number", selector->value,
                       offset ? "offset" : "sequence number", (long long)last);
        return false;
    }
    int64_t bound = selector->inclusive ? number - 1 : number;
    if (selector->by == BY_OFFSET)
        *position = partition_log_after_offset(log, bound);
    else if (selector->by == BY_TIME)
        *position = partition_log_after_ms(log, bound);
    else
        *position = bound + 1 > begin ? bound + 1 : begin;
    return true;
}

bool filter_position(pn_data_t *filters, const struct partition_log *log, int64_t *position,
                     char *text, size_t text_size)
{
    struct slice expression;
    struct selector selector;
    *position = partition_log_begin(log);
    if (!find_selector(filters, &expression))
        return true;
    if (!parse_selector(expression, &selector)) {
        (void)snprintf(text, text_size, "The selector '%.*s' is not supported.",
                       (int)(expression.n < 200 ? expression.n : 200), expression.p);
        return false;
    }
    return position_of(&selector, log, position, text, text_size);
}
