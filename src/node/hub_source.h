#pragma once
#include "source/source.h"

#include <stdint.h>

struct event_base;
struct evdns_base;

/* Where the secrets of a hub are, for nodes and for `holdfast check`. */
struct hub_secrets {
    const char *folder;
    const char *connection; /* name of the secret with the connection string */
    const char *ca;         /* of the one with whom to trust; NULL: the system's authorities */
};

/* Opens the source that `config` describes with what these secrets hold. What is named and cannot
 * be had is not replaced by something weaker: NULL and `err`, as for a configuration that makes no
 * sense. */
struct source *hub_source_open(struct event_base *base, struct evdns_base *dns,
                               const struct hub_secrets *secrets, struct source_config config,
                               struct source_handlers handlers, void *ctx, struct error *err);

/* Tells one content of the secrets from the next; 0 while there is no connection string. */
uint64_t hub_secrets_stamp(const struct hub_secrets *secrets);
