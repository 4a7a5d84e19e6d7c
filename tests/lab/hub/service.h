#pragma once
#include "hub/connection.h"
#include "hub/links.h"

/* The two nodes that answer requests: $cbs takes tokens, $management tells about the hub and its
 * partitions. A request comes on a link to the node; its answer goes out on a link from the node
 * on the same connection. */
struct service;

/* Opens one direction of the conversation; `kind` is LINK_CBS or LINK_MANAGEMENT. */
void service_attach(struct connection *connection, pn_link_t *link, enum link_kind kind);

/* Answers a request once it is whole. */
void service_deliver(struct connection *connection, struct service *service,
                     pn_delivery_t *delivery);

/* Frees the service's end; the link is the caller's. */
void service_release(struct service *service);
