#pragma once
#include "hub/partition_log.h"

#include <proton/codec.h>
#include <stdbool.h>

/* Reads the selector filter of a receiver's source and finds where in the log it starts. Without
 * one, that is the beginning. False with the service's words in `text` when the position is not
 * in this log or the selector is not understood. */
bool filter_position(pn_data_t *filters, const struct partition_log *log, int64_t *position,
                     char *text, size_t text_size);
