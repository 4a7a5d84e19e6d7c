#pragma once
#include "hub/connection.h"

#include <proton/link.h>

/* The IoT Hub that the event hub belongs to, as far as a reader of telemetry meets it: an attach
 * to messages/events/$management under its host name is sent on to the event hub's endpoint. */

/* Whether an address is that of the IoT Hub's telemetry. */
bool redirect_is_meant(const struct hub *hub, const char *address);

/* Answers the attach: amqp:link:redirect with the endpoint's host, port and address, or a refusal
 * when the connection has no token of the IoT Hub. */
void redirect_answer(struct connection *connection, pn_link_t *link);

/* The hub is about to be renamed: so many answers still name the old one. */
void redirect_lag(struct hub *hub, int answers);
