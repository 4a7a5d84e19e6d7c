#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* TLS on a non-blocking socket that is connected already. The name of the host is always verified,
 * and nothing below TLS 1.2 is spoken. Nothing here blocks, and no signal is raised. */

/* Whom to trust. */
struct tls_trust;

/* Reads the authorities once: those of `ca_file` (PEM) and no others, or, if that is NULL, those
 * of the system (SSL_CERT_FILE and SSL_CERT_DIR are heeded). NULL with error and hint if that
 * cannot be done. */
struct tls_trust *tls_trust_open(const char *ca_file, struct error *err);
/* No connection may use it any more. NULL is fine. */
void tls_trust_free(struct tls_trust *trust);

struct tls;

/* A client on `fd`, which stays the caller's, for a peer that must prove to be `host`: a name,
 * which is sent along (SNI), or a numeric address. */
struct tls *tls_open(struct tls_trust *trust, int fd, const char *host);
/* NULL is fine. */
void tls_free(struct tls *tls);

enum tls_step {
    TLS_READY,
    TLS_WANTS_READ,  /* call again when the socket is readable */
    TLS_WANTS_WRITE, /* call again when the socket is writable */
    TLS_UNTRUSTED,   /* the peer's certificate is not good: `err` says why */
    TLS_FAILED       /* the same for everything else */
};

/* Goes on with the handshake, which precedes receive and send. */
enum tls_step tls_handshake(struct tls *tls, struct error *err);

/* As recv and send, for up to `n` bytes: how many, 0 if the peer has closed, -1 with errno.
 * EAGAIN means to wait, as tls_wants_write says; EPROTO that the peer has broken TLS. */
ssize_t tls_receive(struct tls *tls, void *to, size_t n);
ssize_t tls_send(struct tls *tls, const void *bytes, size_t n);
/* Whether the last call waits for the socket to be writable, and not for it to be readable. */
bool tls_wants_write(const struct tls *tls);

/* Tells the peer that we go, as far as that does not block. */
void tls_goodbye(struct tls *tls);
