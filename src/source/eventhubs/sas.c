#include "source/eventhubs/sas.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <inttypes.h>

#define SHA256_BYTES 32
#define SHA256_BASE64 44 /* of 32 bytes, padded */

static bool needs_no_escape(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.!~*'()", c) != NULL);
}

bool sas_append_encoded(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (!(needs_no_escape(c) ? buffer_append(out, &c, 1) : buffer_printf(out, "%%%02X", c)))
            return false;
    }
    return true;
}

/* The signature over `signed_text`, in base64. */
static bool sign(struct slice key, struct slice signed_text,
                 unsigned char base64[SHA256_BASE64 + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    if (key.n > INT32_MAX ||
        HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)signed_text.p, signed_text.n,
             digest, &n) == NULL ||
        n != SHA256_BYTES)
        return false;
    (void)EVP_EncodeBlock(base64, digest, (int)n);
    OPENSSL_cleanse(digest, sizeof digest);
    return true;
}

bool sas_append(struct buffer *out, struct slice audience, struct slice key_name, struct slice key,
                int64_t expires_s)
{
    size_t before = out->n;
    struct buffer signed_text;
    buffer_init(&signed_text, 16384);
    unsigned char base64[SHA256_BASE64 + 1];
    bool ok = sas_append_encoded(&signed_text, audience) &&
              buffer_printf(&signed_text, "\n%" PRId64, expires_s) &&
              sign(key, buffer_slice(&signed_text), base64);
    buffer_free(&signed_text);
    ok = ok && buffer_append_text(out, "SharedAccessSignature sr=") &&
         sas_append_encoded(out, audience) && buffer_append_text(out, "&sig=") &&
         sas_append_encoded(out, slice_from((const char *)base64)) &&
         buffer_printf(out, "&se=%" PRId64 "&skn=", expires_s) && sas_append_encoded(out, key_name);
    if (!ok)
        out->n = before;
    return ok;
}

size_t sas_decode_key(struct slice base64, unsigned char bytes[SAS_KEY_BYTES])
{
    if (base64.n == 0 || base64.n % 4 != 0 || base64.n / 4 * 3 > SAS_KEY_BYTES)
        return 0;
    size_t padding = 0;
    while (padding < 2 && base64.p[base64.n - 1 - padding] == '=')
        padding++;
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)base64.p, (int)base64.n);
    return n > 0 ? (size_t)n - padding : 0;
}
