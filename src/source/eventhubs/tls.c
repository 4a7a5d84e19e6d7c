#include "source/eventhubs/tls.h"

#include "base/memory.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Debian's authorities in one file: read at once, and not one by one from a folder while the loop
 * waits. */
static const char SYSTEM_BUNDLE[] = "/etc/ssl/certs/ca-certificates.crt";

struct tls_trust {
    SSL_CTX *context;
    BIO_METHOD *socket; /* as OpenSSL's own, but without SIGPIPE */
};

struct tls {
    SSL *ssl;
    char *host;
    int fd;
};

/* --- the socket below --- */

static int finish_call(BIO *bio, ssize_t n, void (*retry)(BIO *))
{
    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        retry(bio);
    return (int)n;
}

static void retry_read(BIO *bio)
{
    BIO_set_retry_read(bio);
}

static void retry_write(BIO *bio)
{
    BIO_set_retry_write(bio);
}

static int socket_read(BIO *bio, char *to, int n)
{
    const struct tls *tls = BIO_get_data(bio);
    return finish_call(bio, recv(tls->fd, to, (size_t)n, 0), retry_read);
}

static int socket_write(BIO *bio, const char *bytes, int n)
{
    const struct tls *tls = BIO_get_data(bio);
    return finish_call(bio, send(tls->fd, bytes, (size_t)n, MSG_NOSIGNAL), retry_write);
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* --- trust --- */

static bool load_authorities(SSL_CTX *context, const char *ca_file)
{
    if (ca_file != NULL)
        return SSL_CTX_load_verify_file(context, ca_file) == 1;
    if (getenv(X509_get_default_cert_file_env()) == NULL)
        (void)SSL_CTX_load_verify_file(context, SYSTEM_BUNDLE);
    return SSL_CTX_set_default_verify_paths(context) == 1;
}

/* The reason of OpenSSL's oldest error, which is the cause of the others. */
static const char *reason(void)
{
    unsigned long code = ERR_get_error();
    const char *text =
        ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    return text ? text : "no reason given";
}

struct tls_trust *tls_trust_open(const char *ca_file, struct error *err)
{
    ERR_clear_error();
    struct tls_trust *trust = xcalloc(1, sizeof *trust);
    trust->context = SSL_CTX_new(TLS_client_method());
    trust->socket = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    bool ok = trust->context != NULL && trust->socket != NULL &&
              BIO_meth_set_read(trust->socket, socket_read) == 1 &&
              BIO_meth_set_write(trust->socket, socket_write) == 1 &&
              BIO_meth_set_ctrl(trust->socket, socket_control) == 1 &&
              SSL_CTX_set_min_proto_version(trust->context, TLS1_2_VERSION) == 1;
    if (!ok || !load_authorities(trust->context, ca_file)) {
        error_set(err, "cannot read the certificates to trust%s%s", ca_file ? ": " : "",
                  ca_file ? ca_file : "");
        error_detail(err, "%s", reason());
        error_hint(err, "%s",
                   ca_file ? "It must be a file of certificates in PEM form that the node may read."
                           : "Install the package ca-certificates, or name a file of your own.");
        tls_trust_free(trust);
        return NULL;
    }
    (void)SSL_CTX_set_options(trust->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(trust->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                               SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(trust->context, 1);
    SSL_CTX_set_verify(trust->context, SSL_VERIFY_PEER, NULL);
    return trust;
}

void tls_trust_free(struct tls_trust *trust)
{
    if (trust == NULL)
        return;
    SSL_CTX_free(trust->context);
    BIO_meth_free(trust->socket);
    free(trust);
}

/* --- one connection --- */

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* False if the peer could then be anybody. */
static bool demand_host(SSL *ssl, const char *host)
{
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct tls *tls_open(struct tls_trust *trust, int fd, const char *host)
{
    struct tls *tls = xcalloc(1, sizeof *tls);
    tls->fd = fd;
    tls->host = xstrdup(host);
    tls->ssl = SSL_new(trust->context);
    BIO *bio = BIO_new(trust->socket);
    if (tls->ssl == NULL || bio == NULL || !demand_host(tls->ssl, host)) {
        BIO_free(bio);
        SSL_free(tls->ssl);
        tls->ssl = NULL; /* the handshake fails */
        return tls;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_connect_state(tls->ssl);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    free(tls->host);
    free(tls);
}

static enum tls_step untrusted(const struct tls *tls, long result, struct error *err)
{
    bool other_name =
        result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH;
    error_set(err, "the certificate of the hub at %s is not trusted", tls->host);
    error_detail(err, "%s", X509_verify_cert_error_string(result));
    error_hint(err, "%s",
               other_name ? "Name the host in the connection string as the certificate does."
               : result == X509_V_ERR_CERT_HAS_EXPIRED || result == X509_V_ERR_CERT_NOT_YET_VALID
                   ? "Is the clock of this machine right? If so, the hub's certificate is to be "
                     "renewed."
                   : "Install the package ca-certificates; if the hub has an authority of its own, "
                     "name its certificate file. Does something on the way open TLS?");
    return TLS_UNTRUSTED;
}

enum tls_step tls_handshake(struct tls *tls, struct error *err)
{
    ERR_clear_error();
    errno = 0;
    int done = tls->ssl != NULL ? SSL_do_handshake(tls->ssl) : -1;
    if (done == 1)
        return TLS_READY;
    int why = tls->ssl != NULL ? SSL_get_error(tls->ssl, done) : SSL_ERROR_SSL;
    if (why == SSL_ERROR_WANT_READ)
        return TLS_WANTS_READ;
    if (why == SSL_ERROR_WANT_WRITE)
        return TLS_WANTS_WRITE;
    long result = tls->ssl != NULL ? SSL_get_verify_result(tls->ssl) : X509_V_OK;
    if (result != X509_V_OK)
        return untrusted(tls, result, err);
    error_set(err, "cannot agree on TLS with the hub at %s", tls->host);
    error_detail(err, "%s",
                 why == SSL_ERROR_SSL ? reason()
                 : errno != 0         ? strerror(errno)
                                      : "The peer has closed the connection.");
    error_hint(err, "Is this the port of TLS (5671)? For a local endpoint without TLS, add "
                    ";UseDevelopmentEmulator=true to the connection string.");
    return TLS_FAILED;
}

/* What a call that took nothing means, as an errno. */
static ssize_t explain(const struct tls *tls, int result)
{
    int error = errno;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        errno = error;
        return error != 0 ? -1 : 0;
    default:
        errno = EPROTO;
        return -1;
    }
}

ssize_t tls_receive(struct tls *tls, void *to, size_t n)
{
    size_t taken = 0;
    ERR_clear_error();
    errno = 0;
    int result = SSL_read_ex(tls->ssl, to, n, &taken);
    return result == 1 ? (ssize_t)taken : explain(tls, result);
}

ssize_t tls_send(struct tls *tls, const void *bytes, size_t n)
{
    size_t taken = 0;
    ERR_clear_error();
    errno = 0;
    int result = SSL_write_ex(tls->ssl, bytes, n, &taken);
    return result == 1 ? (ssize_t)taken : explain(tls, result);
}

bool tls_wants_write(const struct tls *tls)
{
    return SSL_want_write(tls->ssl);
}

void tls_goodbye(struct tls *tls)
{
    ERR_clear_error();
    if (tls->ssl != NULL && SSL_is_init_finished(tls->ssl))
        (void)SSL_shutdown(tls->ssl);
}
