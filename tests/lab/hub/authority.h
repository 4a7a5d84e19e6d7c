#pragma once
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Who may do what: shared access signatures, and the grants that one connection has earned with
 * them. An audience like sb://host:port/hub/ConsumerGroups/x/Partitions/0 counts by its path. That
 * of an IoT Hub is the hub's host name alone, and allows nothing in the event hub. */

enum audience_kind { AUDIENCE_EVENT_HUB, AUDIENCE_IOTHUB };

struct grant {
    enum audience_kind kind;
    char *path; /* lower case, no scheme and host, no slash at the ends; "" is the namespace */
    int64_t expires_s;
    struct grant *next;
};

struct authority {
    struct grant *grants;
};

struct policy {
    const char *name;
    const char *key; /* the HMAC key: for the event hub these characters, for the IoT Hub what they
                        decode to */
    const char *iothub; /* the IoT Hub's host name; NULL: there is none */
    bool exact;         /* a token is good for its own resource only, not for what lies below it */
};

/* Checks a token for an audience. Without a key in the policy every token passes and never
 * expires. False with the service's words in *why. */
bool authority_check(const struct policy *policy, struct slice token, struct slice audience,
                     int64_t now_s, int64_t *expires_s, const char **why);

/* Remembers that the audience was granted; replaces the grant of the same path. */
void authority_grant(struct authority *authority, const struct policy *policy,
                     struct slice audience, int64_t expires_s);

/* Whether a grant covers this path: the same, or unless `exact` one above it, and not expired. */
bool authority_allows(const struct authority *authority, enum audience_kind kind, const char *path,
                      bool exact, int64_t now_s);

void authority_free(struct authority *authority);
