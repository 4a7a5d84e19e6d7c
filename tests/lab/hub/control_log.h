#pragma once
#include "hub/hub.h"

#include <event2/http.h>

/* Answers GET /log: every event kept, a line each, in chunks that wait for the client, so that a
 * long log costs no memory. Covers what was there when the request came.
 * partition TAB sequence TAB offset TAB enqueued_ms TAB device TAB module TAB body */
void control_log_send(struct hub *hub, struct evhttp_request *request);
