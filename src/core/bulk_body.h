#pragma once
#include "base/buffer.h"
#include "base/slice.h"
#include "core/parcel.h"

#include <stddef.h>
#include <stdint.h>

/* The JSON body of a call of the bulk service (thingworx/README.md): an infotable whose rows are
 * those of UpdatePropertyValues with the Thing's name before them. */

#define BULK_THING "Holdfast.Bulk"
#define BULK_SERVICE "UpdateValues"
/* More than a body has besides its rows. */
#define BULK_BODY_FIXED ((size_t)1024)

/* Starts a body in an empty buffer. */
void bulk_body_begin(struct buffer *body);
/* Adds the parcel's next rows, at most `wanted` (at least 1) of them and no more than keep the
 * finished body within max_bytes; but the first row of a body always goes. Returns how many. */
uint32_t bulk_body_rows(struct buffer *body, struct slice thing, const struct parcel *parcel,
                        uint32_t wanted, size_t max_bytes);
void bulk_body_end(struct buffer *body);
