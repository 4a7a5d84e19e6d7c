#pragma once
#include "base/slice.h"
#include "core/parcel.h"

#include <stdbool.h>
#include <stdint.h>

/* Dead letters that an administrator wants replayed, on their normal way once more. */

struct node_parts;
struct replays;
struct replay;

struct replays *replays_create(struct node_parts *node);
void replays_free(struct replays *r);
/* Some are wanted: claim them. */
void replays_wanted(struct replays *r);
void replays_tick(struct replays *r, int64_t now_us);
/* The session ended: what was claimed is given up, the database offers it again. */
void replays_forget(struct replays *r);
/* What became of one; `detail` may be NULL. */
void replay_settle(struct replay *replay, const char *outcome, const char *detail);
/* A row of its parcel was refused. */
void replay_refused(struct replay *replay, const char *detail);
void replay_completed(struct replay *replay);
/* Of the hub that it came from. */
const char *replay_fleet(const struct replay *replay);
/* Whether its payload is one stored row instead of a whole event. */
bool replay_is_row(const struct replay *replay);
/* The Thing that the row was meant for; empty: that of the device. */
struct slice replay_thing(const struct replay *replay);
