#pragma once
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* Proton cannot state the desired capabilities of a link (0.37, and later ones up to now), and
 * without them Event Hubs does not tell how long a partition's log is. So what Proton writes
 * passes through here, cut into frames, and an attach that carries link properties (only our
 * readers' do) and no desired capabilities is written anew with them. All else passes as it is.
 *
 * Takes what it can from `written` and appends it to `out`; returns how many bytes it took, which
 * is all of them unless the last frame is not complete. False in `*ok` when `out` is full. */
size_t attach_patch(struct slice written, const char *capability, struct buffer *out, bool *ok);
