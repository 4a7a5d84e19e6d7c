#pragma once
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct hub;

/* The rhythm in which events are made: a timer that, at a given rate, asks for as many events as
 * are due since its start, or, at rate 0, for as many as one turn of the loop can bear and the
 * readers keep up with. */
struct pace;

/* Makes up to n events now; returns how many there were. Fewer than n ends the run. */
typedef int64_t (*pace_make)(void *arg, int64_t n);

struct pace *pace_open(struct hub *hub, pace_make make, void *arg);
void pace_close(struct pace *pace);

/* `events` 0 and `seconds` 0 do not end the run. */
void pace_start(struct pace *pace, double rate, int64_t events, double seconds);
void pace_stop(struct pace *pace);
bool pace_running(const struct pace *pace);
