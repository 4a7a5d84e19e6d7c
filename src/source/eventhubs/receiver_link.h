#pragma once
#include "base/slice.h"
#include "source/source.h"

#include <proton/types.h>
#include <stdbool.h>

/* How a partition is asked for: the address, filter and properties of a receiving link. */

struct receiver_link {
    const char *hub;
    const char *group; /* consumer group */
    const char *partition;
    const char *node; /* our name, told to the peer */
    int64_t token;    /* the epoch; SOURCE_NO_TOKEN: none */
    struct source_position position;
};

/* A text that can stand between the quotes of a filter. */
bool receiver_link_is_offset(struct slice offset);

/* The filter's expression for a position; the caller frees it. */
char *receiver_link_filter(struct source_position position);

/* A link on `session`, ready to be opened. */
pn_link_t *receiver_link_create(pn_session_t *session, const struct receiver_link *what);
