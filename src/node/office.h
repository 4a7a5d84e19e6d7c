#pragma once
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

/* The dead-letter office: what cannot be delivered waits here, in memory that the trackers bound,
 * until the database has stored it. Only then is its event complete. */

struct node_parts;
struct office;
struct grant;
struct parcel;
struct destination;
struct source_message;

struct office *office_create(struct node_parts *node);
void office_free(struct office *o);

/* A whole event of a grant; everything is copied. */
void office_keep_event(struct office *o, struct grant *grant, uint64_t ticket,
                       const struct source_message *message, const char *reason,
                       const char *detail);
/* One refused row of a parcel of a grant. */
void office_keep_row(struct office *o, struct destination *destination, struct parcel *parcel,
                     uint32_t row, const char *reason, const char *detail);
/* The grant is lost: nothing more is stored for it. */
void office_drop(struct office *o, const struct grant *grant);
/* Everything is forgotten at once, before the lanes are: what is on its way to the database is
 * stored, but completes nothing. */
void office_reset(struct office *o);
void office_tick(struct office *o, int64_t now_us);
size_t office_waiting(const struct office *o);
/* Of these, how many wait because their device has as many dead letters as may be kept: their
 * events are held back. */
size_t office_held(const struct office *o);
