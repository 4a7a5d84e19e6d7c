#pragma once
#include <stdbool.h>

/* Tells the service manager (systemd, Type=notify) how the node is: ready when it first trusts its
 * lease, a line of status, stopping; and, as its watchdog, that the loop turns. */

struct event_base;
struct log;
struct node;
struct service;

/* From the environment: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID. NULL, which every function here
 * takes, if nobody wants to be told; a socket that cannot be used is logged. All is borrowed. */
struct service *service_start(struct event_base *base, const struct node *node, struct log *log);
/* The node was told to stop. */
void service_stopping(struct service *service);
void service_free(struct service *service);
