#pragma once
#include "base/buffer.h"
#include "thingworx/fault.h"
#include "thingworx/server.h"

/* What a request is answered with. */
struct answer {
    int status;
    const char *type; /* of the body */
    int retry_after;  /* seconds, 0 = no header */
    struct buffer body;
};

/* A request's way through the server: counts it as in flight, for its Thing too (may be NULL). */
void reply_begin(struct server *server, struct thing *thing);

/* Answers a request that reply_begin counted, as the faults have it: now, late, or by closing
 * the connection. Takes the body of the answer. */
void reply_finish(struct server *server, struct evhttp_request *request, struct thing *thing,
                  const struct fault_effect *effect, struct answer *answer);

/* Closes the connections of the requests that hang: the faults were cleared. */
void reply_release_hanging(struct server *server);

/* Forgets what is held; the connections must be gone. */
void reply_free(struct server *server);
