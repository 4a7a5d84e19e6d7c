#pragma once
#include "thingworx/reply.h"
#include "thingworx/server.h"

/* One request on the REST surface while it is being answered. */
enum { CALL_SEGMENTS = 8 };

struct call {
    struct server *server;
    struct evhttp_request *request;
    enum evhttp_cmd_type method;
    char *segments[CALL_SEGMENTS]; /* of the path, decoded; "" past the end */
    size_t n_segments;
    struct slice body;
    struct thing *thing;     /* that the path names, NULL if there is none */
    enum update_result read; /* what server->update holds, if the call writes properties */
    struct answer answer;
};

/* Sets a plain text answer. */
void call_answer(struct call *call, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* True if the call writes properties: its body is then read into server->update. */
bool call_writes(const struct call *call);
void call_read(struct call *call);

/* The node's name out of "holdfast/<version> (<node>)", else the whole User-Agent. */
struct slice call_sender(const struct call *call);

/* Each answers the call. The Thing exists. */
void properties_write(struct call *call);
void properties_read(struct call *call);
/* Why the row cannot be applied; NULL if it can, and then *found is its property. */
const char *properties_check_row(struct server *server, struct thing *thing,
                                 const struct update_row *row, struct property **found);
/* Applies a row that properties_check_row has let through. */
void properties_accept_row(struct call *call, struct thing *thing, const struct update_row *row,
                           int64_t now_us);
/* The bulk service; its body is in server->update. */
void bulk_write(struct call *call);
bool bulk_is_called(const struct call *call);
void services_thing(struct call *call);
void services_entity(struct call *call); /* needs no Thing */
