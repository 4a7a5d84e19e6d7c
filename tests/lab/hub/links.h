#pragma once
#include "hub/connection.h"

#include <proton/event.h>
#include <proton/link.h>
#include <proton/session.h>

/* Which end of the hub a link leads to. Everything that stands as a link's context begins with
 * its kind. */
enum link_kind {
    LINK_READER,    /* events out of a partition; struct reader */
    LINK_PUBLISHER, /* events into the hub; struct publisher */
    LINK_CBS,       /* tokens: both directions; struct service */
    LINK_MANAGEMENT /* questions about the hub: both directions; struct service */
};

/* Handles what Proton says about links and deliveries. */
void links_handle(struct connection *connection, pn_event_t *event);

/* Forgets the links of a session that is going away; of all if it is NULL. */
void links_release(struct connection *connection, pn_session_t *session);

/* Closes links whose token has expired. */
void links_expire(struct connection *connection);

/* Answers an attach that cannot be granted as the service does: an attach without terminus, then
 * a detach with the error. */
void links_refuse(pn_link_t *link, const char *condition, const char *text);

/* Closes an open link with an error; its context must be gone. */
void links_close(pn_link_t *link, const char *condition, const char *text);

/* Closes every link that reads or writes events, on all connections. */
void links_close_all(struct hub *hub, const char *condition, const char *text);

/* Whether the connection may use this path of the hub now: "" for the hub itself, or what follows
 * it, like "ConsumerGroups/x/Partitions/0". */
bool links_allowed(const struct connection *connection, const char *path);
