#pragma once
#include "base/slice.h"
#include "source/eventhubs/discovery.h"
#include "source/source.h"

#include <proton/codec.h>
#include <proton/message.h>

/* What the hub answers besides telemetry, as Proton has decoded it: read here, and decided upon
 * elsewhere. Slices point into the data. */

/* The number of the request that a reply answers; 0: none of ours. */
uint64_t reply_number(pn_message_t *reply);

/* The status of a reply, 0 if it has none, and the description, if it has one. */
int reply_status(pn_message_t *reply, struct slice *description);

/* The body of an answer of $management. `names` has room for that many partitions; false if it
 * names none, or more. */
bool reply_metadata(pn_data_t *body, struct source_metadata *metadata, struct slice *names,
                    size_t room);

/* What a redirect says of where to go; members that it does not name stay as they are. */
void reply_redirect(pn_data_t *info, struct redirect *out);

/* A port in text; 0 if it is none. */
int64_t reply_port(struct slice text);
