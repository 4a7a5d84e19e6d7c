#pragma once
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* What decides over an event as a whole, before its body is looked at. */

/* Whether an event is telemetry, by what an IoT hub calls its source: "Telemetry", or nothing for
 * events of other hubs. Those of the hub's own doing ("twinChangeEvents", "deviceLifecycleEvents",
 * "deviceConnectionStateEvents", ...) all end in "Events" and are none, in any case of letters. */
bool event_is_telemetry(struct slice message_source);

/* The time of the values of an event whose body names none: when it was created, by its sender, if
 * that makes sense, else when the hub took it. A creation time makes no sense more than five
 * minutes behind or a year before the enqueued time: that is a device whose clock is wrong or was
 * never set. In milliseconds since 1970; creation_ms 0: not given. */
int64_t event_time_ms(int64_t creation_ms, int64_t enqueued_ms);

/* Whether text of that content encoding can be read: UTF-8, and what it contains; none given too.
 */
bool event_is_utf8(struct slice content_encoding);
