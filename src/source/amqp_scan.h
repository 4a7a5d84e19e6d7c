#pragma once
#include "base/buffer.h"
#include "base/slice.h"
#include "source/source.h"

#include <stdbool.h>

/* Reads an encoded AMQP 1.0 message (the bytes of one delivery) straight into slices, without
 * building a tree: this is the hot path of every event. A message is a row of sections, each a
 * described value; sections and members that nobody needs are stepped over by their length. Every
 * length is checked against what is there.
 *
 * The slices of `out` point into `bytes`; only a body of several data sections is joined, in
 * `joined`, which is cleared first. Numbers that are missing are 0; the sequence and the two of the
 * runtime metrics -1. False if the encoding makes no sense; `out` then holds what could be read of
 * it, which may be enough to know where in the log the message stands. */
bool amqp_scan(struct slice bytes, struct buffer *joined, struct source_message *out);

/* Does source_next_property. */
bool amqp_next_property(struct slice *rest, struct source_property *out);

/* Does source_put_property. */
bool amqp_put_property(struct buffer *to, const struct source_property *property);

/* Cuts the first value off `rest` and returns it whole, with its constructor, descriptor
 * included; a slice with p == NULL if there is no complete value. The inside of lists, maps and
 * arrays is not looked at. */
struct slice amqp_take(struct slice *rest);
