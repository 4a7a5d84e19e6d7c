#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>

/* Bodies that were compressed with gzip. */

/* By their first bytes, with which no text begins. */
static inline bool unzip_is(struct slice body)
{
    return body.n > 2 && body.p[0] == '\x1f' && (unsigned char)body.p[1] == 0x8b;
}

/* Unpacks into the buffer, up to its ceiling; false with a reason. */
bool unzip(struct slice body, struct buffer *to, struct error *why);
