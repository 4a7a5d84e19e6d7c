#include "node/hub_source.h"

#include "core/hash.h"
#include "node/secrets.h"
#include "source/eventhubs/eventhubs.h"

#include <stdlib.h>

struct source *hub_source_open(struct event_base *base, struct evdns_base *dns,
                               const struct hub_secrets *secrets, struct source_config config,
                               struct source_handlers handlers, void *ctx, struct error *err)
{
    struct source *source = NULL;
    char *connection = secret_read(secrets->folder, secrets->connection, err);
    char *ca_file = NULL;
    bool named = connection != NULL && secrets->ca != NULL;
    if (named)
        ca_file = secret_path(secrets->folder, secrets->ca, err);
    if (connection != NULL && (ca_file != NULL || !named)) {
        config.connection_string = connection;
        config.ca_file = ca_file;
        source = eventhubs_open(base, dns, &config, handlers, ctx, err);
    }
    secret_free(connection);
    free(ca_file);
    return source;
}

/* Of which file the authorities stand in, not of what it holds: that may be a large one. */
uint64_t hub_secrets_stamp(const struct hub_secrets *secrets)
{
    char *connection = secret_read(secrets->folder, secrets->connection, NULL);
    if (connection == NULL)
        return 0;
    uint64_t stamp = hash_bytes(slice_from(connection));
    secret_free(connection);
    return secrets->ca != NULL ? stamp * 31 + secret_stamp(secrets->folder, secrets->ca) : stamp;
}
