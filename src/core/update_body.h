#pragma once
#include "base/buffer.h"
#include "core/parcel.h"

#include <stddef.h>
#include <stdint.h>

/* The JSON body of a call of UpdatePropertyValues: an infotable of NamedVTQ rows. */

/* More than a body has besides its rows. */
#define UPDATE_BODY_FIXED ((size_t)1024)

/* Starts a body in an empty buffer. */
void update_body_begin(struct buffer *body);
/* Adds the parcel's next rows, at most `wanted` (at least 1) of them and no more than keep the
 * finished body within max_bytes; but the first row of a body always goes. Returns how many. */
uint32_t update_body_rows(struct buffer *body, const struct parcel *parcel, uint32_t wanted,
                          size_t max_bytes);
void update_body_end(struct buffer *body);
