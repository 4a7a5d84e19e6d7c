#pragma once
#include "base/buffer.h"
#include "base/slice.h"
#include "core/opcua.h"

/* Names of Things and properties of what comes from OPC UA. */

/* Where a value stands, as text of JSON strings (their inside). */
struct opcua_place {
    struct slice publisher, group, writer, endpoint;
    struct slice node;  /* node id; of PubSub none */
    struct slice field; /* of the data set or event, or the display name */
};

/* No part of a place may be longer: OPC UA's own limit for node ids that are texts. It is read
 * again for every value beside it, so that a long one would hold up the loop for minutes. */
#define OPCUA_PART_MAX 4096u

/* Whether every part of the place is short enough. */
bool opcua_name_fits(const struct opcua_place *place);

/* The short name of a field or node: behind the last # of a qualified name, the identifier of a
 * node id. */
struct slice opcua_short(struct slice name);

/* Appends the template with its parts replaced. What comes out of the event keeps letters, digits,
 * _,
 * -, . and everything beyond ASCII; the rest becomes _, so that it may stand in a name and in a
 * URL. `json`: as the inside of a JSON string. */
void opcua_name(struct buffer *to, const char *template, const struct opcua_place *place,
                const struct opcua_naming *naming, bool json);
