#pragma once
#include "thingworx/endpoint.h"

#include <stddef.h>

/* The base URLs of one destination, and which of them a request goes to. */
struct endpoints {
    struct endpoint_shared shared;
    struct endpoint **list;
    size_t count, cursor;
    struct endpoint **retired; /* configured away, with requests under way */
    size_t retired_count;
};

/* Reads base URLs into a list of `count`, which endpoints_set takes over. NULL with `err`, which
 * says which of them cannot be used and why. */
struct base_url *endpoints_read(const struct endpoints *all, const char *const *texts, size_t count,
                                struct error *err);

/* Makes them the base URLs of the destination; those that stay keep what is known about them. */
void endpoints_set(struct endpoints *all, struct base_url *urls, size_t count, int64_t now_us);
/* Forgets what is known about each, after the way to them has changed. */
void endpoints_anew(struct endpoints *all, int64_t now_us);
void endpoints_free(struct endpoints *all);

/* The next in turn that may be used; one that says it is not ready only if there is no other.
 * NULL if none may be used. */
struct endpoint *endpoints_pick(const struct endpoints *all, int64_t now_us);

/* A request goes to `e`: the next one goes to its neighbour. */
void endpoints_step(struct endpoints *all, const struct endpoint *e);

/* How many have a closed breaker. */
unsigned endpoints_working(const struct endpoints *all);

/* Runs endpoint_turn on each, and lets go of those that were configured away and are idle. */
void endpoints_turn(struct endpoints *all, int64_t now_us);
/* When that has to be done next; INT64_MAX: not by time alone. */
int64_t endpoints_due_us(const struct endpoints *all, int64_t now_us);

/* http_cancel took their requests and probes away. */
void endpoints_cancelled(struct endpoints *all);
