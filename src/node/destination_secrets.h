#pragma once
#include <stdbool.h>
#include <stdint.h>

/* The secrets of one destination: their names, and what was read last, as hashes. Read anew from
 * time to time, so that a replaced one takes effect. */
struct destination_config;
struct node_parts;
struct thingworx;

struct destination_secrets {
    char *app_key, *ca, *certificate; /* names; NULL: none */
    char *proxy;                      /* no secret, but set together with them */
    uint64_t app_key_hash;
    bool tls_failed; /* said already */
};

/* The names, as configured. */
void destination_secrets_name(struct destination_secrets *s,
                              const struct destination_config *config);
/* The app key; "" if it cannot be read, which is logged: it is a configuration fault like a wrong
 * one, so the destination pauses and loses nothing. Freed with secret_free. */
char *destination_secrets_key(struct destination_secrets *s, const struct node_parts *node,
                              const char *destination);
/* Reads authorities and certificate and hands them to the client. Says once what is wrong. */
void destination_secrets_secure(struct destination_secrets *s, const struct node_parts *node,
                                const char *destination, struct thingworx *client);
/* Hands a key that was replaced to the client, and the same for TLS. */
void destination_secrets_reload(struct destination_secrets *s, const struct node_parts *node,
                                const char *destination, struct thingworx *client);
void destination_secrets_free(struct destination_secrets *s);
