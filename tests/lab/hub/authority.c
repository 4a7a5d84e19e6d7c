#include "hub/authority.h"

#include "base/memory.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

enum { TOKEN_CEILING = 8192 };

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *percent_decode(struct slice s)
{
    char *text = xmalloc(s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '%' && i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;
        if (low >= 0) {
            text[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            text[n++] = s.p[i];
        }
    }
    text[n] = '\0';
    return text;
}

/* Whose an audience is. The two may have the same host name in the lab: only those of an event hub
 * are URLs, unless the path is one of an IoT Hub. */
static enum audience_kind kind_of(const char *iothub, const char *host, bool scheme,
                                  const char *path)
{
    size_t n = iothub ? strlen(iothub) : 0;
    bool same = n > 0 && strncasecmp(host, iothub, n) == 0 && strcspn(host, ":/") == n;
    return same && (!scheme || strncasecmp(path, "messages/", 9) == 0) ? AUDIENCE_IOTHUB
                                                                       : AUDIENCE_EVENT_HUB;
}

/* The path of an audience, as struct grant keeps it, and whose it is. The caller frees it. */
static char *audience_path(const struct policy *policy, struct slice audience,
                           enum audience_kind *kind)
{
    char *text = percent_decode(audience);
    char *scheme = strstr(text, "://");
    char *host = scheme ? scheme + 3 : text;
    char *path = host + strcspn(host, "/");
    path += strspn(path, "/");
    *kind = kind_of(policy->iothub, host, scheme != NULL, path);
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        n--;
    char *lower = xstrndup(path, n);
    for (char *p = lower; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    free(text);
    return lower;
}

static bool covers(const char *above, const char *path, bool exact)
{
    size_t n = strlen(above);
    if (exact)
        return strcasecmp(above, path) == 0;
    return n == 0 || (strncasecmp(above, path, n) == 0 && (path[n] == '\0' || path[n] == '/'));
}

/* The value of `name` in a token's name=value&... list; n 0 when it is missing. */
static struct slice token_field(struct slice fields, const char *name)
{
    size_t name_n = strlen(name);
    while (fields.n > 0) {
        const char *end = memchr(fields.p, '&', fields.n);
        size_t n = end ? (size_t)(end - fields.p) : fields.n;
        if (n > name_n && memcmp(fields.p, name, name_n) == 0 && fields.p[name_n] == '=')
            return (struct slice){fields.p + name_n + 1, n - name_n - 1};
        size_t skip = end ? n + 1 : n;
        fields = (struct slice){fields.p + skip, fields.n - skip};
    }
    return (struct slice){NULL, 0};
}

static bool hmac_fits(struct slice key, const char *text, const char *given)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_n = 0;
    unsigned char expected[2 * EVP_MAX_MD_SIZE];
    HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)text, strlen(text), digest,
         &digest_n);
    int n = EVP_EncodeBlock(expected, digest, (int)digest_n);
    return strlen(given) == (size_t)n && CRYPTO_memcmp(given, expected, (size_t)n) == 0;
}

/* The bytes that a base64 text stands for; n 0 when it is none. The caller frees them. */
static struct slice decode_key(const char *text)
{
    size_t n = strlen(text);
    unsigned char *bytes = xmalloc(n + 1);
    int got = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)n);
    /* EVP_DecodeBlock counts the padding. */
    for (size_t i = n; got > 0 && i > 0 && text[i - 1] == '='; i--)
        got--;
    return (struct slice){(char *)bytes, got > 0 ? (size_t)got : 0};
}

static bool signature_fits(const struct policy *policy, enum audience_kind kind,
                           struct slice resource, struct slice expiry, struct slice signature)
{
    char *text = xasprintf("%.*s\n%.*s", (int)resource.n, resource.p, (int)expiry.n, expiry.p);
    char *given = percent_decode(signature);
    bool fits;
    if (kind == AUDIENCE_IOTHUB) {
        struct slice key = decode_key(policy->key);
        fits = key.n > 0 && hmac_fits(key, text, given);
        free((char *)key.p);
    } else {
        fits = hmac_fits(slice_from(policy->key), text, given);
    }
    free(text);
    free(given);
    return fits;
}

static bool resource_covers(const struct policy *policy, struct slice resource,
                            struct slice audience)
{
    enum audience_kind above_kind;
    enum audience_kind kind;
    char *above = audience_path(policy, resource, &above_kind);
    char *path = audience_path(policy, audience, &kind);
    bool ok = above_kind == kind && covers(above, path, policy->exact);
    free(above);
    free(path);
    return ok;
}

static enum audience_kind audience_kind(const struct policy *policy, struct slice audience)
{
    enum audience_kind kind;
    free(audience_path(policy, audience, &kind));
    return kind;
}

bool authority_check(const struct policy *policy, struct slice token, struct slice audience,
                     int64_t now_s, int64_t *expires_s, const char **why)
{
    static const char scheme[] = "SharedAccessSignature ";
    *expires_s = INT64_MAX;
    if (policy->key == NULL)
        return true;
    *why = "InvalidSignature: The token has an invalid signature.";
    if (token.n < sizeof scheme || token.n > TOKEN_CEILING ||
        memcmp(token.p, scheme, sizeof scheme - 1) != 0) {
        *why = "MalformedToken: The token is no SharedAccessSignature.";
        return false;
    }
    struct slice fields = {token.p + sizeof scheme - 1, token.n - (sizeof scheme - 1)};
    struct slice resource = token_field(fields, "sr");
    struct slice expiry = token_field(fields, "se");
    struct slice name = token_field(fields, "skn");
    struct slice signature = token_field(fields, "sig");
    char *policy_name = percent_decode(name);
    bool known = strcmp(policy_name, policy->name) == 0;
    free(policy_name);
    if (!known || expiry.n == 0 || expiry.n > 12 ||
        !signature_fits(policy, audience_kind(policy, audience), resource, expiry, signature))
        return false;
    char seconds[16] = {0};
    memcpy(seconds, expiry.p, expiry.n);
    *expires_s = strtoll(seconds, NULL, 10);
    if (*expires_s <= now_s) {
        *why = "ExpiredToken: The token is expired.";
        return false;
    }
    *why = "InvalidAudience: The token's resource does not cover the audience.";
    return resource_covers(policy, resource, audience);
}

void authority_grant(struct authority *authority, const struct policy *policy,
                     struct slice audience, int64_t expires_s)
{
    enum audience_kind kind;
    char *path = audience_path(policy, audience, &kind);
    struct grant *grant;
    LL_FOREACH(authority->grants, grant)
    {
        if (grant->kind == kind && strcmp(grant->path, path) == 0) {
            grant->expires_s = expires_s;
            free(path);
            return;
        }
    }
    grant = xcalloc(1, sizeof *grant);
    grant->kind = kind;
    grant->path = path;
    grant->expires_s = expires_s;
    LL_PREPEND(authority->grants, grant);
}

bool authority_allows(const struct authority *authority, enum audience_kind kind, const char *path,
                      bool exact, int64_t now_s)
{
    struct grant *grant;
    LL_FOREACH(authority->grants, grant)
    {
        if (grant->kind == kind && grant->expires_s > now_s && covers(grant->path, path, exact))
            return true;
    }
    return false;
}

void authority_free(struct authority *authority)
{
    struct grant *grant;
    struct grant *next;
    LL_FOREACH_SAFE(authority->grants, grant, next)
    {
        free(grant->path);
        free(grant);
    }
    authority->grants = NULL;
}
