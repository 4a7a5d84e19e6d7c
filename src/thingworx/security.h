#pragma once
#include "base/error.h"
#include "thingworx/base_url.h"

#include <stdbool.h>
#include <stdint.h>

/* By what way, and how secured, a destination is reached: authorities, a certificate, a proxy. All
 * zero is the plain way. */
struct http;
struct thingworx_security;

struct security {
    struct base_url proxy; /* where it stands; its text is NULL if there is none */
    uint64_t hash;         /* of what was wanted last; 0: the plain way */
    bool refused;          /* it could not be used */
};

/* Checks and takes over. False with `err` if some of it cannot be used: then no server is trusted.
 * *changed tells whether http makes its connections otherwise from now on. */
bool security_set(struct security *s, struct http *http, const struct thingworx_security *wanted,
                  bool *changed, struct error *err);
void security_free(struct security *s);

struct http_result;
/* False if that is not what went wrong; else `why` says what is the matter with the certificate of
 * the server at `url`. */
bool security_explain(const struct http_result *result, const char *url, struct error *why);
