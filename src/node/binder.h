#pragma once
#include "base/slice.h"
#include "core/lane.h"
#include "source/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which Thing a device writes to: a cache over the binding table, negative answers too, loaded in
 * batches. Events of a device that is not resolved yet wait here, in order. */

struct node_parts;
struct binder;
struct grant;

enum binding_state { BINDING_PENDING, BINDING_BOUND, BINDING_UNBOUND };

struct binder *binder_create(struct node_parts *node);
void binder_free(struct binder *b);

/* Looks a device up; asks the database in the background where it must. `*key` is valid until the
 * loop's next turn when the state is BOUND. */
enum binding_state binder_find(struct binder *b, const char *fleet, struct slice device,
                               struct slice module, const struct lane_key **key);

/* An event that waits for its device. */
struct waiting_event {
    void *owner; /* struct grant or struct replay, see parts.h */
    uint64_t ticket;
    struct source_message
        message; /* a copy, whole: what the event becomes may depend on all of it */
    struct waiting_event *next, *prev;
};
/* Queues a copy behind the device's other events; given back through flow_resolved. */
void binder_wait(struct binder *b, const char *fleet, void *owner, uint64_t ticket,
                 const struct source_message *message);
/* Forgets waiting events of an owner above a sequence (INT64_MIN: all). */
void binder_drop(struct binder *b, const void *owner, int64_t above_sequence);
/* The bindings have changed: everything is asked anew when it is next needed; as long as the
 * database is away, what was known before still counts. */
void binder_invalidate(struct binder *b);
/* Sends what waits to the database, if it is there. */
void binder_tick(struct binder *b, int64_t now_us);

size_t binder_cached(const struct binder *b);
size_t binder_waiting(const struct binder *b);
