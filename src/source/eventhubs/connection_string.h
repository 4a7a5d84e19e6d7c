#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* A connection string, taken apart. That of an Event Hubs-compatible endpoint:
 * Endpoint=sb://<host>[:<port>]/;SharedAccessKeyName=..;SharedAccessKey=..;EntityPath=<hub>
 * or the service string of an IoT hub, which tells its endpoint when asked (discovery.h):
 * HostName=<host>[:<port>];SharedAccessKeyName=..;SharedAccessKey=..
 * and, for local endpoints, ;UseDevelopmentEmulator=true. Names of parts in any case; parts that
 * nobody knows are ignored, as Microsoft's own clients do. */
struct connection_string {
    char *host;      /* without port and brackets */
    char *authority; /* host[:port] as written: what the audience of a token names */
    char *hub;       /* "" in that of an IoT hub */
    char *key_name;
    char *key; /* a secret, as it stands: an IoT hub wants it decoded, an endpoint does not */
    uint16_t port;
    bool iot_hub;
    bool plain; /* plain TCP: UseDevelopmentEmulator=true */
};

/* False, with error and hint, if the text is none. The text is never echoed, as it holds the
 * key. `out` is to be freed only after success. */
bool connection_string_parse(const char *text, struct connection_string *out, struct error *err);

/* Releases the parts and wipes the key. */
void connection_string_free(struct connection_string *c);
