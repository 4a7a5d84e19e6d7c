#pragma once
#include "base/buffer.h"
#include "base/slice.h"

/* Appends a name as one segment of a URL's path: whatever means something in a path is encoded. */
void path_append(struct buffer *out, struct slice name);
