#include "core/event.h"

#include <strings.h>

#define MINUTE_MS INT64_C(60000)
#define DAY_MS (MINUTE_MS * 60 * 24)
#define AHEAD_MAX_MS (5 * MINUTE_MS)
#define BEHIND_MAX_MS (366 * DAY_MS)

static bool same_letters(struct slice text, struct slice other)
{
    return text.n == other.n && strncasecmp(text.p, other.p, text.n) == 0;
}

bool event_is_telemetry(struct slice message_source)
{
    static const struct slice END = SLICE_LITERAL("Events");
    if (message_source.n < END.n)
        return true;
    struct slice end = {message_source.p + message_source.n - END.n, END.n};
    return !same_letters(end, END);
}

int64_t event_time_ms(int64_t creation_ms, int64_t enqueued_ms)
{
    bool makes_sense = creation_ms > 0 && enqueued_ms > 0 &&
                       creation_ms - AHEAD_MAX_MS <= enqueued_ms &&
                       creation_ms >= enqueued_ms - BEHIND_MAX_MS;
    return makes_sense ? creation_ms : enqueued_ms;
}

bool event_is_utf8(struct slice content_encoding)
{
    static const struct slice names[] = {SLICE_LITERAL("utf-8"), SLICE_LITERAL("utf8"),
                                         SLICE_LITERAL("us-ascii"), SLICE_LITERAL("identity")};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (same_letters(content_encoding, names[i]))
            return true;
    return content_encoding.n == 0;
}
