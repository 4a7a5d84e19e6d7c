#include "thingworx/security.h"

#include "base/memory.h"
#include "core/answer.h"
#include "core/hash.h"
#include "thingworx/client.h"
#include "thingworx/http.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const char *ca, const char *certificate, const char *proxy)
{
    const char *const texts[] = {ca, certificate, proxy};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        hash = hash * 31 + (texts[i] != NULL ? hash_bytes(slice_from(texts[i])) : 0);
    return hash;
}

static bool has_certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *found = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool ok = found != NULL;
    X509_free(found);
    BIO_free(bio);
    ERR_clear_error();
    return ok;
}

/* No question to a terminal that is not there. */
static int no_password(char *to, int size, int writing, void *ctx)
{
    if (size > 0)
        to[0] = '\0';
    (void)writing;
    (void)ctx;
    return 0;
}

static bool has_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *found = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    bool ok = found != NULL;
    EVP_PKEY_free(found);
    BIO_free(bio);
    ERR_clear_error();
    return ok;
}

static bool check(const char *ca, const char *certificate, struct error *err)
{
    if (ca != NULL && !has_certificate(ca)) {
        error_set(err, "the authorities for ThingWorx cannot be read");
        return error_hint(err, "the secret must hold certificates in PEM form");
    }
    if (certificate == NULL)
        return true;
    if (!has_certificate(certificate))
        error_set(err, "the client certificate for ThingWorx cannot be read");
    else if (!has_key(certificate))
        error_set(err, "the key of the client certificate for ThingWorx cannot be read");
    else
        return true;
    return error_hint(err, "the secret must hold the certificate and its key, without a password, "
                           "both in PEM form");
}

static bool read_proxy(const char *proxy, struct base_url *hop, struct error *err)
{
    if (proxy == NULL)
        return true;
    char *url = xasprintf("http://%s", proxy);
    bool ok = base_url_parse(url, hop, err);
    free(url);
    return ok;
}

bool security_set(struct security *s, struct http *http, const struct thingworx_security *wanted,
                  bool *changed, struct error *err)
{
    static const struct http_security nobody = {.ca = ""};
    uint64_t hash = hash_of(wanted->ca, wanted->certificate, wanted->proxy);
    *changed = hash != s->hash;
    if (!*changed && !s->refused)
        return true;
    struct base_url hop = {0};
    s->hash = hash;
    s->refused =
        !check(wanted->ca, wanted->certificate, err) || !read_proxy(wanted->proxy, &hop, err);
    if (s->refused) {
        base_url_free(&hop);
        http_set_security(http, &nobody);
        return false;
    }
    base_url_free(&s->proxy);
    s->proxy = hop;
    http_set_security(http,
                      &(struct http_security){wanted->ca, wanted->certificate, wanted->proxy});
    return true;
}

bool security_explain(const struct http_result *result, const char *url, struct error *why)
{
    char text[256];
    if (!result->distrust)
        return false;
    answer_text(result->text, text, sizeof text);
    error_set(why, "the certificate of ThingWorx is not trusted");
    error_detail(why, "%s: %s", url, text);
    error_hint(
        why, "%s",
        strstr(text, "expired") != NULL || strstr(text, "not yet valid") != NULL
            ? "the certificate, or this machine's clock, is to be put right; nothing was sent"
            : "ca_secret must name the authority that signed it, and the base URL the host as "
              "the certificate does; nothing was sent. Does something on the way open TLS?");
    return true;
}

void security_free(struct security *s)
{
    base_url_free(&s->proxy);
}
