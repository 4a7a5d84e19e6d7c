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

/* The path of an audience, as struct grant keeps it. The caller frees it. */
static char *audience_path(struct slice audience)
{
    char *text = percent_decode(audience);
    char *scheme = strstr(text, "://");
    char *path = scheme ? scheme + 3 : text;
    path += strcspn(path, "/");
    path += strspn(path, "/");
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        n--;
    char *lower = xstrndup(path, n);
    for (char *p = lower; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    free(text);
    return lower;
}

static bool covers(const char *above, const char *path)
{
    size_t n = strlen(above);
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

static bool signature_fits(const struct policy *policy, struct slice resource, struct slice expiry,
                           struct slice signature)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_n = 0;
    char *signed_text =
        xasprintf("%.*s\n%.*s", (int)resource.n, resource.p, (int)expiry.n, expiry.p);
    HMAC(EVP_sha256(), policy->key, (int)strlen(policy->key), (const unsigned char *)signed_text,
         strlen(signed_text), digest, &digest_n);
    free(signed_text);
    unsigned char expected[2 * EVP_MAX_MD_SIZE];
    int expected_n = EVP_EncodeBlock(expected, digest, (int)digest_n);
    char *given = percent_decode(signature);
    bool fits = strlen(given) == (size_t)expected_n &&
                CRYPTO_memcmp(given, expected, (size_t)expected_n) == 0;
    free(given);
    return fits;
}

static bool resource_covers(struct slice resource, struct slice audience)
{
    char *above = audience_path(resource);
    char *path = audience_path(audience);
    bool ok = covers(above, path);
    free(above);
    free(path);
    return ok;
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
        !signature_fits(policy, resource, expiry, signature))
        return false;
    char seconds[16] = {0};
    memcpy(seconds, expiry.p, expiry.n);
    *expires_s = strtoll(seconds, NULL, 10);
    if (*expires_s <= now_s) {
        *why = "ExpiredToken: The token is expired.";
        return false;
    }
    *why = "InvalidAudience: The token's resource does not cover the audience.";
    return resource_covers(resource, audience);
}

void authority_grant(struct authority *authority, struct slice audience, int64_t expires_s)
{
    char *path = audience_path(audience);
    struct grant *grant;
    LL_FOREACH(authority->grants, grant)
    {
        if (strcmp(grant->path, path) == 0) {
            grant->expires_s = expires_s;
            free(path);
            return;
        }
    }
    grant = xcalloc(1, sizeof *grant);
    grant->path = path;
    grant->expires_s = expires_s;
    LL_PREPEND(authority->grants, grant);
}

bool authority_allows(const struct authority *authority, const char *path, int64_t now_s)
{
    struct grant *grant;
    LL_FOREACH(authority->grants, grant)
    {
        if (grant->expires_s > now_s && covers(grant->path, path))
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
