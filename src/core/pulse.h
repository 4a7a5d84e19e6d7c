#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Whether the process has run without a gap. The heartbeat of the loop beats it; a beat that comes
 * much too late says that the process was stopped or the machine suspended, and until the lease is
 * confirmed after that, nobody knows who owns what: nothing may be sent.
 * A gap also shows itself before the next beat, to whoever asks: the loop may have picked the
 * callbacks that it still runs before the process was stopped. */
struct pulse {
    int64_t beat_us;
    int64_t interval_us, margin_us;
    bool asleep; /* a gap was found and is not yet confirmed to be harmless */
};

/* Beats come every `interval_us`; one that is later by more than `margin_us` is a gap. */
void pulse_init(struct pulse *p, int64_t interval_us, int64_t margin_us, int64_t now_us);
/* A beat. Returns by how much it is late (not negative if it is on time or late), and whether that
 * is a gap: everything that was not sent must be dropped before anything else runs. */
int64_t pulse_beat(struct pulse *p, int64_t now_us, bool *gap);
/* The lease was confirmed after the gap. */
void pulse_confirm(struct pulse *p);
/* Whether anything may be sent to the world outside the database, which fences for itself. */
bool pulse_is_steady(const struct pulse *p, int64_t now_us);
/* Whether a beat is so late that it will be a gap: what was begun before must not go on. */
bool pulse_is_late(const struct pulse *p, int64_t now_us);
