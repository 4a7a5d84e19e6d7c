#include "hub/certificates.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CA_DAYS = 3650, SERVER_DAYS = 365, NAMES_CEILING = 8192 };

/* A certificate and its key; both NULL when there are none. */
struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static void identity_free(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    *identity = (struct identity){NULL, NULL};
}

static bool failed(struct error *err, const char *what)
{
    char reason[256] = "";
    unsigned long code = ERR_peek_last_error();
    if (code != 0)
        ERR_error_string_n(code, reason, sizeof reason);
    error_set(err, "%s", what);
    return error_detail(err, "%s", code != 0 ? reason : strerror(errno));
}

static bool add_extension(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    bool ok = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool set_name(X509 *certificate, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8,
                                      (const unsigned char *)"holdfast-lab", -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                      -1, 0) == 1;
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return ok;
}

/* What every certificate has; `issuer` NULL signs itself. */
static bool make_identity(struct identity *made, const char *name, int days)
{
    *made = (struct identity){X509_new(), EVP_EC_gen("P-256")};
    return made->certificate != NULL && made->key != NULL &&
           X509_set_version(made->certificate, X509_VERSION_3) == 1 &&
           set_serial(made->certificate) && set_name(made->certificate, name) &&
           /* Begins an hour ago: clocks differ. */
           X509_gmtime_adj(X509_getm_notBefore(made->certificate), -3600) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(made->certificate), (long)days * 86400) != NULL &&
           X509_set_pubkey(made->certificate, made->key) == 1;
}

static bool sign(X509 *certificate, const struct identity *by)
{
    return X509_set_issuer_name(certificate, X509_get_subject_name(by->certificate)) == 1 &&
           add_extension(certificate, by->certificate, NID_subject_key_identifier, "hash") &&
           add_extension(certificate, by->certificate, NID_authority_key_identifier,
                         "keyid:always") &&
           X509_sign(certificate, by->key, EVP_sha256()) > 0;
}

static bool make_authority(struct identity *made)
{
    /* No two authorities share a name, so that a client that trusts an older one says so. */
    unsigned char random[4];
    char name[48];
    if (RAND_bytes(random, sizeof random) != 1)
        return false;
    (void)snprintf(name, sizeof name, "holdfast-lab CA %02x%02x%02x%02x", random[0], random[1],
                   random[2], random[3]);
    return make_identity(made, name, CA_DAYS) &&
           add_extension(made->certificate, made->certificate, NID_basic_constraints,
                         "critical,CA:TRUE,pathlen:0") &&
           add_extension(made->certificate, made->certificate, NID_key_usage,
                         "critical,keyCertSign,cRLSign") &&
           sign(made->certificate, made);
}

static bool make_server(struct identity *made, const struct identity *authority,
                        const char *const *names, size_t n)
{
    struct buffer all;
    buffer_init(&all, NAMES_CEILING);
    buffer_append_text(&all, "DNS:localhost,IP:127.0.0.1,IP:::1");
    for (size_t i = 0; i < n; i++)
        buffer_printf(&all, ",DNS:%s", names[i]);
    bool ok =
        !all.overflowed && make_identity(made, n > 0 ? names[0] : "localhost", SERVER_DAYS) &&
        add_extension(made->certificate, authority->certificate, NID_basic_constraints,
                      "critical,CA:FALSE") &&
        add_extension(made->certificate, authority->certificate, NID_key_usage,
                      "critical,digitalSignature") &&
        add_extension(made->certificate, authority->certificate, NID_ext_key_usage, "serverAuth") &&
        add_extension(made->certificate, authority->certificate, NID_subject_alt_name,
                      buffer_text(&all)) &&
        sign(made->certificate, authority);
    buffer_free(&all);
    return ok;
}

static char *path_of(const char *folder, const char *name, const char *kind)
{
    return xasprintf("%s/%s.%s", folder, name, kind);
}

/* Opens for writing a file that did not exist until it is whole, so that a client that waits for
 * ca.pem never reads half of it. */
static bool write_pem(const char *path, const struct identity *identity, bool secret)
{
    char *fresh = xasprintf("%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, secret ? 0600 : 0644);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    bool ok = file != NULL &&
              (secret ? PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL)
                      : PEM_write_X509(file, identity->certificate)) == 1;
    if (file != NULL)
        ok = fclose(file) == 0 && ok;
    else if (fd >= 0)
        close(fd);
    ok = ok && rename(fresh, path) == 0;
    free(fresh);
    return ok;
}

static bool save(const char *folder, const char *name, const struct identity *identity,
                 struct error *err)
{
    char *certificate = path_of(folder, name, "pem");
    char *key = path_of(folder, name, "key");
    bool ok = write_pem(key, identity, true) && write_pem(certificate, identity, false);
    if (!ok) {
        char *what = xasprintf("cannot write %s and %s", certificate, key);
        failed(err, what);
        free(what);
    }
    free(certificate);
    free(key);
    return ok;
}

/* False when they are not there, or are no certificate and key that belong together. */
static bool load(const char *folder, const char *name, struct identity *identity)
{
    char *certificate = path_of(folder, name, "pem");
    char *key = path_of(folder, name, "key");
    FILE *file = fopen(certificate, "re");
    FILE *key_file = fopen(key, "re");
    *identity = (struct identity){
        file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL,
        key_file ? PEM_read_PrivateKey(key_file, NULL, NULL, NULL) : NULL,
    };
    if (file != NULL)
        (void)fclose(file);
    if (key_file != NULL)
        (void)fclose(key_file);
    free(certificate);
    free(key);
    bool ok = identity->certificate && identity->key &&
              X509_check_private_key(identity->certificate, identity->key) == 1;
    if (!ok)
        identity_free(identity);
    return ok;
}

static SSL_CTX *serve_with(const struct identity *server, struct error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context != NULL && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
        SSL_CTX_use_certificate(context, server->certificate) == 1 &&
        SSL_CTX_use_PrivateKey(context, server->key) == 1) {
        (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                            SSL_MODE_RELEASE_BUFFERS);
        return context;
    }
    failed(err, "cannot prepare TLS");
    SSL_CTX_free(context);
    return NULL;
}

SSL_CTX *certificates_open(const char *folder, const char *const *names, size_t n,
                           struct error *err)
{
    struct identity authority;
    struct identity server = {NULL, NULL};
    SSL_CTX *context = NULL;
    ERR_clear_error();
    if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
        error_set(err, "cannot make the folder %s", folder);
        error_detail(err, "%s", strerror(errno));
        return NULL;
    }
    bool ok = load(folder, "ca", &authority);
    if (!ok) {
        ERR_clear_error();
        ok = make_authority(&authority) ? save(folder, "ca", &authority, err)
                                        : failed(err, "cannot make a certificate authority");
    }
    if (ok && !make_server(&server, &authority, names, n))
        failed(err, "cannot make the server's certificate");
    else if (ok && save(folder, "server", &server, err))
        context = serve_with(&server, err);
    identity_free(&authority);
    identity_free(&server);
    return context;
}
