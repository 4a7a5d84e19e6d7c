#include "source/eventhubs/connection_string.h"

#include "base/memory.h"
#include "base/slice.h"
#include "base/vault.h"
#include "source/eventhubs/sas.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <strings.h>

#define PORT_PLAIN 5672
#define PORT_TLS 5671

enum part {
    PART_ENDPOINT,
    PART_KEY_NAME,
    PART_KEY,
    PART_HUB,
    PART_EMULATOR,
    PART_HOST_NAME,
    PART_DEVICE,
    PART_SIGNATURE,
    PART_COUNT
};

static const char *const part_names[PART_COUNT] = {
    [PART_ENDPOINT] = "Endpoint",
    [PART_KEY_NAME] = "SharedAccessKeyName",
    [PART_KEY] = "SharedAccessKey",
    [PART_HUB] = "EntityPath",
    [PART_EMULATOR] = "UseDevelopmentEmulator",
    [PART_HOST_NAME] = "HostName",
    [PART_DEVICE] = "DeviceId",
    [PART_SIGNATURE] = "SharedAccessSignature",
};

static const char WHERE_TO_FIND[] =
    "In the Azure portal: the IoT hub, Built-in endpoints, Event Hub-compatible endpoint; copy it "
    "whole.";

static struct slice trimmed(struct slice s)
{
    while (s.n > 0 && (unsigned char)s.p[0] <= ' ') {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (unsigned char)s.p[s.n - 1] <= ' ')
        s.n--;
    return s;
}

static bool same_word(struct slice s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* Cuts `rest` at the first `mark`; the whole of it if there is none. */
static struct slice cut(struct slice *rest, char mark)
{
    const char *at = rest->n ? memchr(rest->p, mark, rest->n) : NULL;
    size_t n = at ? (size_t)(at - rest->p) : rest->n;
    struct slice head = {rest->p, n};
    size_t used = at ? n + 1 : n;
    *rest = (struct slice){rest->p + used, rest->n - used};
    return head;
}

static bool split(const char *text, struct slice parts[PART_COUNT], struct error *err)
{
    struct slice rest = slice_from(text);
    while (rest.n > 0) {
        struct slice value = trimmed(cut(&rest, ';'));
        if (value.n == 0)
            continue;
        struct slice name = trimmed(cut(&value, '='));
        value = trimmed(value);
        for (size_t i = 0; i < PART_COUNT; i++) {
            if (!same_word(name, part_names[i]))
                continue;
            if (parts[i].p != NULL) {
                error_set(err, "connection string: %s is given twice", part_names[i]);
                return error_hint(err, "%s", WHERE_TO_FIND);
            }
            parts[i] = value;
        }
    }
    return true;
}

static bool demand(const struct slice parts[PART_COUNT], enum part part, const char *detail,
                   struct error *err)
{
    for (size_t i = 0; i < parts[part].n; i++)
        if ((unsigned char)parts[part].p[i] < ' ') {
            error_set(err, "connection string: %s holds a control character", part_names[part]);
            return error_hint(err, "%s", WHERE_TO_FIND);
        }
    if (parts[part].n > 0)
        return true;
    error_set(err, "connection string: %s is missing", part_names[part]);
    error_detail(err, "%s", detail);
    return error_hint(err, "%s", WHERE_TO_FIND);
}

/* What it is instead is said before what is missing. */
static bool check_kind(const struct slice parts[PART_COUNT], struct error *err)
{
    if (parts[PART_DEVICE].p != NULL) {
        error_set(err, "connection string: this is the string of one device");
        return error_hint(err, "%s", WHERE_TO_FIND);
    }
    if (parts[PART_SIGNATURE].p != NULL && parts[PART_KEY].p == NULL) {
        error_set(err, "connection string: holds a finished signature instead of a key");
        error_detail(err, "A signature expires and cannot be renewed by the node.");
        return error_hint(err, "Use a string with SharedAccessKeyName and SharedAccessKey.");
    }
    return true;
}

static bool parse_port(struct slice text, uint16_t *port)
{
    uint32_t value = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || value > UINT16_MAX)
            return false;
        value = value * 10 + (uint32_t)(text.p[i] - '0');
    }
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

/* What a name or an address consists of: anything else would fail in the resolver, and later. */
static bool is_host(struct slice host, bool address)
{
    for (size_t i = 0; i < host.n; i++) {
        unsigned char c = (unsigned char)host.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || strchr(address ? ":.%" : "-._", c) == NULL))
            return false;
    }
    return host.n > 0 && host.n <= 255;
}

/* host[:port]; an IPv6 address stands in brackets. */
static bool parse_authority(struct slice authority, struct connection_string *out)
{
    struct slice port = authority;
    struct slice host = {NULL, 0};
    bool bracket = authority.n > 0 && authority.p[0] == '[';
    if (bracket) {
        host = cut(&port, ']');
        if (host.n == authority.n || (port.n > 0 && *port.p != ':'))
            return false;
        host = (struct slice){host.p + 1, host.n - 1};
        port = port.n ? (struct slice){port.p + 1, port.n - 1} : port;
    } else {
        host = cut(&port, ':');
    }
    out->port = out->plain ? PORT_PLAIN : PORT_TLS;
    bool has_port = port.p > host.p + host.n + bracket;
    if (!is_host(host, bracket) || (has_port && !parse_port(port, &out->port)))
        return false;
    out->host = xstrndup(host.p, host.n);
    out->authority = xstrndup(authority.p, authority.n);
    return true;
}

/* sb://host[:port][/] */
static bool parse_endpoint(struct slice text, struct connection_string *out, struct error *err)
{
    struct slice rest = text;
    struct slice scheme = cut(&rest, ':');
    if (same_word(scheme, "sb") && rest.n > 2 && rest.p[0] == '/' && rest.p[1] == '/') {
        rest = (struct slice){rest.p + 2, rest.n - 2};
        struct slice authority = cut(&rest, '/');
        if (rest.n == 0 && parse_authority(authority, out))
            return true;
    }
    error_set(err, "connection string: Endpoint is not of the form sb://host[:port]/");
    return error_hint(err, "%s", WHERE_TO_FIND);
}

static bool parse_iot_hub(struct slice host, struct slice key, struct connection_string *out,
                          struct error *err)
{
    unsigned char bytes[SAS_KEY_BYTES];
    size_t n = sas_decode_key(key, bytes);
    OPENSSL_cleanse(bytes, sizeof bytes);
    if (n == 0) {
        error_set(err, "connection string: SharedAccessKey is not in base64");
        return error_hint(err, "In the Azure portal: the IoT hub, Shared access policies; copy "
                               "the connection string whole.");
    }
    if (memchr(host.p, '/', host.n) == NULL && parse_authority(host, out))
        return true;
    error_set(err, "connection string: HostName is not of the form host[:port]");
    return error_hint(err, "It is the name of the IoT hub: <hub>.azure-devices.net.");
}

bool connection_string_parse(const char *text, struct connection_string *out, struct error *err)
{
    *out = (struct connection_string){0};
    struct slice parts[PART_COUNT] = {0};
    if (text == NULL || *text == '\0') {
        error_set(err, "connection string: it is empty");
        return error_hint(err, "%s", WHERE_TO_FIND);
    }
    if (!split(text, parts, err) || !check_kind(parts, err))
        return false;
    bool iot_hub = parts[PART_HOST_NAME].p != NULL && parts[PART_ENDPOINT].p == NULL;
    if (!demand(parts, iot_hub ? PART_HOST_NAME : PART_ENDPOINT, "It names the host of the hub.",
                err) ||
        !demand(parts, PART_KEY_NAME, "It names the policy to act under.", err) ||
        !demand(parts, PART_KEY, "It signs the tokens.", err) ||
        (!iot_hub &&
         !demand(parts, PART_HUB,
                 "It names the hub at the endpoint; strings of a namespace lack it.", err)))
        return false;
    out->iot_hub = iot_hub;
    out->plain = same_word(parts[PART_EMULATOR], "true");
    if (!(iot_hub ? parse_iot_hub(parts[PART_HOST_NAME], parts[PART_KEY], out, err)
                  : parse_endpoint(parts[PART_ENDPOINT], out, err)))
        return false;
    out->hub = iot_hub ? xstrdup("") : xstrndup(parts[PART_HUB].p, parts[PART_HUB].n);
    out->key_name = xstrndup(parts[PART_KEY_NAME].p, parts[PART_KEY_NAME].n);
    out->key = vault_copy(parts[PART_KEY].p, parts[PART_KEY].n);
    return true;
}

void connection_string_free(struct connection_string *c)
{
    free(c->host);
    free(c->authority);
    free(c->hub);
    free(c->key_name);
    vault_free(c->key);
    *c = (struct connection_string){0};
}
