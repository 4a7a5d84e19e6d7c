#pragma once
#include "base/error.h"

#include <stdbool.h>

/* A base URL of a ThingWorx platform, taken apart. */
struct base_url {
    char *text; /* normalised, no slash at the end; "/Thingworx" added if it had no path */
    char *host; /* without brackets */
    int port;
    bool numeric; /* the host is an address, so no name has to be resolved */
};

/* Reads a base URL: http or https, a host, perhaps port and path; no user, query or fragment.
 * The caller frees with base_url_free, also after a failure. */
bool base_url_parse(const char *text, struct base_url *url, struct error *err);
void base_url_free(struct base_url *url);
