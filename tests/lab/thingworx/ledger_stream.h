#pragma once
#include "thingworx/server.h"

/* Streams the ledger as chunked text, one line per value, as it is at this moment. `only` is a
 * comma-separated list of property names, NULL for all. */
void ledger_stream_start(struct server *server, struct evhttp_request *request, const char *only);
