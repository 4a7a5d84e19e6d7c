#pragma once
#include "base/buffer.h"
#include "check/compare.h"

#include <stdbool.h>

/* Appends the result as one line of JSON. */
bool report_write(const struct compare *compare, struct buffer *out);

/* True if nothing was lost, altered or out of order. */
bool report_passed(const struct compare *compare);
