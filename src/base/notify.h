#pragma once
#include "base/error.h"

#include <stdint.h>

/* What a service manager is told of a process, in the protocol of sd_notify(3): lines NAME=VALUE in
 * one datagram to the unix socket that it names in NOTIFY_SOCKET. */

struct notify;

/* `address` is a path, or '@' and the name of an abstract socket. NULL and `err` if it is neither,
 * or if there is no socket to be had. Needs nobody who listens yet. */
struct notify *notify_open(const char *address, struct error *err);
void notify_close(struct notify *notify);

/* Sends without waiting: what a manager that does not read has no room for is dropped. False if it
 * was not sent. `notify` NULL sends nothing, which is fine. */
bool notify_send(const struct notify *notify, const char *lines);

/* How often WATCHDOG=1 is expected, microseconds, by WATCHDOG_USEC and WATCHDOG_PID of the
 * environment (each NULL if not set); 0: not at all, or of another process than `own_pid`. */
int64_t notify_watchdog_us(const char *usec, const char *pid, int64_t own_pid);
