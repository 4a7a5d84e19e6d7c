#pragma once
#include "hub/connection.h"
#include "hub/links.h"

/* A link that brings events: to one partition, or to the hub, which then chooses the partition by
 * the event's key or in turn. Single events and batches (message format 0x80013700). */
struct publisher;

/* Answers the attach; `partition` NULL is the hub. */
void publisher_attach(struct connection *connection, pn_link_t *link, struct partition *partition);

/* Takes what has come of a delivery; once it is whole, its events go to the log. */
void publisher_deliver(struct connection *connection, struct publisher *publisher,
                       pn_delivery_t *delivery);

bool publisher_allowed(const struct publisher *publisher);

/* Frees the publisher; the link is the caller's. */
void publisher_release(struct publisher *publisher);
