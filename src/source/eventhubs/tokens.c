#include "source/eventhubs/tokens.h"

#include "base/clock.h"
#include "base/memory.h"
#include "source/eventhubs/conditions.h"
#include "source/eventhubs/limits.h"
#include "source/eventhubs/request_link.h"
#include "source/eventhubs/sas.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define TOKEN_BYTES 8192

struct audience {
    char *path;
    uint64_t request; /* on its way; 0: none */
    int64_t asked_us; /* when */
    int64_t renew_us; /* when the next is due; 0: none was accepted on this connection */
};

struct tokens {
    const struct connection_string *identity;
    int64_t lifetime_s;
    struct tokens_handlers handlers;
    struct audience *audiences;
    size_t count;
    size_t in_flight;
    size_t accepted;
    struct request_link *link; /* NULL: no connection */
};

struct tokens *tokens_create(const struct connection_string *identity, int64_t lifetime_s,
                             struct tokens_handlers handlers)
{
    struct tokens *tokens = xcalloc(1, sizeof *tokens);
    tokens->identity = identity;
    tokens->lifetime_s = lifetime_s;
    tokens->handlers = handlers;
    return tokens;
}

void tokens_free(struct tokens *tokens)
{
    if (tokens == NULL)
        return;
    tokens_stop(tokens);
    tokens_forget(tokens);
    free(tokens);
}

void tokens_forget(struct tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++)
        free(tokens->audiences[i].path);
    free(tokens->audiences);
    tokens->audiences = NULL;
    tokens->count = 0;
}

static bool append_audience(const struct connection_string *identity, const char *path,
                            struct buffer *out)
{
    if (identity->iot_hub)
        return buffer_append_text(out, identity->host);
    return buffer_printf(out, "sb://%s/%s%s", identity->authority, identity->hub, path);
}

bool tokens_sign(const struct connection_string *identity, const char *path, int64_t lifetime_s,
                 struct buffer *out)
{
    struct buffer audience;
    buffer_init(&audience, TOKEN_BYTES);
    /* The expiry is a date that the service compares with its own wall clock. */
    int64_t expires_s = clock_wall_us() / SECOND_US + lifetime_s;
    unsigned char decoded[SAS_KEY_BYTES];
    struct slice key = slice_from(identity->key);
    if (identity->iot_hub)
        key = (struct slice){(const char *)decoded, sas_decode_key(key, decoded)};
    bool ok =
        append_audience(identity, path, &audience) &&
        sas_append(out, buffer_slice(&audience), slice_from(identity->key_name), key, expires_s);
    OPENSSL_cleanse(decoded, sizeof decoded);
    buffer_free(&audience);
    return ok;
}

static void fail(struct tokens *tokens, enum source_end end, const struct error *why)
{
    tokens->handlers.failed(tokens->handlers.ctx, end, why);
}

static void put_property(pn_data_t *properties, const char *name, const char *value)
{
    (void)pn_data_put_string(properties, pn_bytes(strlen(name), name));
    (void)pn_data_put_string(properties, pn_bytes(strlen(value), value));
}

static uint64_t put_token(struct tokens *tokens, const char *path)
{
    struct buffer audience;
    struct buffer token;
    buffer_init(&audience, TOKEN_BYTES);
    buffer_init(&token, TOKEN_BYTES);
    uint64_t number = 0;
    if (append_audience(tokens->identity, path, &audience) &&
        tokens_sign(tokens->identity, path, tokens->lifetime_s, &token)) {
        pn_message_t *request = pn_message();
        (void)pn_message_set_address(request, "$cbs");
        pn_data_t *properties = pn_message_properties(request);
        (void)pn_data_put_map(properties);
        (void)pn_data_enter(properties);
        put_property(properties, "operation", "put-token");
        put_property(properties, "type", "servicebus.windows.net:sastoken");
        put_property(properties, "name", buffer_text(&audience));
        (void)pn_data_exit(properties);
        (void)pn_data_put_string(pn_message_body(request), pn_bytes(token.n, token.data));
        number = request_link_send(tokens->link, request);
        pn_message_free(request);
    }
    buffer_free(&audience);
    buffer_free(&token);
    return number;
}

/* Asks for what is due, as far as few are on their way. */
static void ask(struct tokens *tokens, int64_t now_us)
{
    for (size_t i = 0; i < tokens->count && tokens->in_flight < EVENTHUBS_TOKENS_IN_FLIGHT; i++) {
        struct audience *a = &tokens->audiences[i];
        if (a->request != 0 || a->renew_us > now_us)
            continue;
        a->request = put_token(tokens, a->path);
        a->asked_us = now_us;
        if (a->request == 0) {
            struct error why;
            error_set(&why, "cannot make a token for %s", a->path);
            error_hint(&why, "Check the lengths of the names in the connection string.");
            fail(tokens, SOURCE_END_REFUSED, &why);
            return;
        }
        tokens->in_flight++;
    }
}

static struct audience *by_request(struct tokens *tokens, uint64_t number)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (tokens->audiences[i].request == number)
            return &tokens->audiences[i];
    return NULL;
}

static void on_reply(void *ctx, uint64_t number, int status, struct slice description,
                     pn_message_t *reply)
{
    (void)reply;
    struct tokens *tokens = ctx;
    struct audience *a = by_request(tokens, number);
    if (a == NULL)
        return;
    if (status >= 500 && a->renew_us != 0) {
        /* The old one is good for a while. */
        a->request = 0;
        a->renew_us = clock_now_us() + EVENTHUBS_TOKEN_AGAIN_US;
        tokens->in_flight--;
        return;
    }
    if (status < 200 || status > 299) {
        char what[256];
        (void)snprintf(what, sizeof what, "the hub refuses our token for %s%s",
                       tokens->identity->hub, a->path);
        struct error why;
        enum source_end end = condition_of_status(what, status, description, &why);
        fail(tokens, end, &why);
        return;
    }
    a->request = 0;
    tokens->in_flight--;
    if (a->renew_us == 0)
        tokens->accepted++;
    /* From when it was asked for: that is when it was signed. */
    a->renew_us =
        a->asked_us + tokens->lifetime_s * EVENTHUBS_TOKEN_RENEW_PERCENT * SECOND_US / 100;
    ask(tokens, clock_now_us());
    if (tokens_ready(tokens))
        tokens->handlers.ready(tokens->handlers.ctx);
}

static void on_lost(void *ctx, enum source_end end, const struct error *why)
{
    fail(ctx, end, why);
}

bool tokens_ready(const struct tokens *tokens)
{
    return tokens->link != NULL && tokens->accepted == tokens->count && tokens->in_flight == 0;
}

void tokens_want(struct tokens *tokens, const char *path)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (strcmp(tokens->audiences[i].path, path) == 0)
            return;
    tokens->audiences =
        xrealloc(tokens->audiences, (tokens->count + 1) * sizeof *tokens->audiences);
    tokens->audiences[tokens->count++] = (struct audience){.path = xstrdup(path)};
    if (tokens->link != NULL)
        ask(tokens, clock_now_us());
}

void tokens_start(struct tokens *tokens, pn_session_t *session)
{
    struct request_link_handlers handlers = {tokens, on_reply, on_lost};
    tokens->link = request_link_open(session, "$cbs", "holdfast-cbs", handlers);
    ask(tokens, clock_now_us());
}

void tokens_stop(struct tokens *tokens)
{
    request_link_free(tokens->link);
    tokens->link = NULL;
    tokens->in_flight = 0;
    tokens->accepted = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        tokens->audiences[i].request = 0;
        tokens->audiences[i].renew_us = 0;
    }
}

void tokens_tick(struct tokens *tokens, int64_t now_us)
{
    if (tokens->link == NULL)
        return;
    for (size_t i = 0; i < tokens->count; i++) {
        const struct audience *a = &tokens->audiences[i];
        if (a->request != 0 && now_us - a->asked_us > EVENTHUBS_REPLY_US) {
            struct error why;
            error_set(&why, "the hub does not answer a token");
            error_detail(&why, "Asked for %s.", a->path);
            error_hint(&why, "The node connects again by itself.");
            fail(tokens, SOURCE_END_LOST, &why);
            return;
        }
    }
    ask(tokens, now_us);
}
