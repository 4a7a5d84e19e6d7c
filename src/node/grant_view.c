#include "node/grant_view.h"

#include "core/lag.h"
#include "node/grant_state.h"

struct grant_view grant_look(const struct grant *grant, int64_t now_ms)
{
    struct lag_known known = {grant->last_sequence, grant->last_enqueued_ms, -1, -1, -1};
    struct tracker_mark mark = {0};
    (void)tracker_checkpoint(grant->tracker, &mark);
    if (mark.offset.n > 0) {
        known.done_sequence = mark.sequence;
        known.done_ms = mark.enqueued_ms;
    } else if (grant->resume_sequence != INHERIT_NONE) {
        known.done_sequence = grant->resume_sequence;
        known.done_ms = grant->resume_enqueued_ms;
    }
    if (tracker_oldest(grant->tracker, &mark)) {
        known.oldest_ms = mark.enqueued_ms;
        if (known.done_sequence < 0) /* it is the first of its log that is read */
            known.done_sequence = mark.sequence - 1;
    }
    struct lag lag = lag_of(&known, now_ms);
    return (struct grant_view){.hub = grant->hub_name,
                               .partition = grant->partition,
                               .state = grant->state,
                               .lag_events = lag.events,
                               .lag_ms = lag.ms,
                               .bytes_in_flight = tracker_bytes(grant->tracker)};
}
