#include "node/destination_secrets.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/vault.h"
#include "core/hash.h"
#include "node/parts.h"
#include "node/secrets.h"
#include "store/configuration.h"
#include "thingworx/client.h"

#include <stdlib.h>

static void set_name(char **to, const char *name)
{
    free(*to);
    *to = name != NULL ? xstrdup(name) : NULL;
}

void destination_secrets_name(struct destination_secrets *s,
                              const struct destination_config *config)
{
    set_name(&s->app_key, config->app_key_secret);
    set_name(&s->ca, config->ca_secret);
    set_name(&s->certificate, config->certificate_secret);
    set_name(&s->proxy, config->proxy);
    s->tls_failed = false;
}

char *destination_secrets_key(struct destination_secrets *s, const struct node_parts *node,
                              const char *destination)
{
    struct error err;
    char *key = secret_read_app_key(node->secrets_folder, s->app_key, &err);
    if (key == NULL) {
        log_error(node->log, "no application key for the destination", &err,
                  F_TEXT("destination", destination));
        key = vault_copy("", 0);
    }
    s->app_key_hash = hash_bytes(slice_from(key));
    return key;
}

/* False with `err` if the secret is named and cannot be read. */
static bool read_named(const struct node_parts *node, const char *name, char **to,
                       struct error *err)
{
    *to = name != NULL ? secret_read(node->secrets_folder, name, err) : NULL;
    return name == NULL || *to != NULL;
}

void destination_secrets_secure(struct destination_secrets *s, const struct node_parts *node,
                                const char *destination, struct thingworx *client)
{
    struct error err;
    char *ca, *certificate = NULL;
    bool read =
        read_named(node, s->ca, &ca, &err) && read_named(node, s->certificate, &certificate, &err);
    /* What cannot be read is refused like what cannot be used: nothing goes out less secured. */
    struct thingworx_security security = {read ? ca : "", certificate, s->proxy};
    struct error refused;
    bool ok = thingworx_set_security(client, &security, &refused) && read;
    if (!ok && !s->tls_failed)
        log_error(node->log, "the destination cannot be reached as it is configured",
                  read ? &refused : &err, F_TEXT("destination", destination));
    s->tls_failed = !ok;
    secret_free(ca);
    secret_free(certificate);
}

void destination_secrets_reload(struct destination_secrets *s, const struct node_parts *node,
                                const char *destination, struct thingworx *client)
{
    char *key = secret_read_app_key(node->secrets_folder, s->app_key, NULL);
    uint64_t hash = key != NULL ? hash_bytes(slice_from(key)) : s->app_key_hash;
    if (hash != s->app_key_hash) {
        log_info(node->log, "the application key was replaced", F_TEXT("destination", destination));
        s->app_key_hash = hash;
        thingworx_set_app_key(client, key);
    }
    secret_free(key);
    if (s->ca != NULL || s->certificate != NULL)
        destination_secrets_secure(s, node, destination, client);
}

void destination_secrets_free(struct destination_secrets *s)
{
    set_name(&s->app_key, NULL);
    set_name(&s->ca, NULL);
    set_name(&s->certificate, NULL);
    set_name(&s->proxy, NULL);
}
