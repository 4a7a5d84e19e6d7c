#pragma once
#include "base/buffer.h"
#include "source/source.h"

/* What comes with an event besides its place, device, time and body, as the JSON object that stands
 * in the column `context` of a dead letter: there to be seen by administrators, and for a replay
 * that makes of the event what would have been made of it at first.
 * {"creation_ms":1795248000000,"content_type":"application/json","properties":{"colour":"green"}}
 * Times among the properties are {"time_ms":...}; what is not given is left out. Text that JSON in
 * the database cannot hold (no UTF-8, or a NUL) is replaced by U+FFFD. */

/* More than the context of any event: JSON takes six bytes for one at most. */
#define EVENT_CONTEXT_MAX ((size_t)16 << 20)

/* Appends it; "{}" if there is nothing. False if the buffer is full. */
bool event_context_write(const struct source_message *message, struct buffer *json);

/* Adds what the JSON text says to `message`, whose other members stay; its slices point into
 * `texts`. What makes no sense is passed over, so that an event can always be replayed. False if
 * `texts` is full. */
bool event_context_read(const char *json, struct source_message *message, struct buffer *texts);

/* The same of a single value whose Thing is not the one that its device is bound to:
 * {"thing":"line-7"}. */
bool event_context_write_thing(struct slice thing, struct buffer *json);
/* The Thing; NULL if there is none. Caller frees. */
char *event_context_thing(const char *json);
