#pragma once
#include "base/slice.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A connected, non-blocking socket, plain or under TLS. */
struct stream {
    int fd;
    SSL *tls; /* NULL: plain */
    bool finished;
    bool wants_write; /* nothing can be read before the socket takes more */
    bool wants_read;  /* nothing can be written before more has come in */
};

/* Takes over the socket; with a context it serves TLS on it, and the handshake is part of the
 * first reads. */
void stream_open(struct stream *stream, int fd, SSL_CTX *context);

/* Closes the socket; `politely` says goodbye first, as far as TLS has a word for it. */
void stream_close(struct stream *stream, bool politely);

/* Nothing more will be written; what comes may still be read. */
void stream_finish(struct stream *stream);

/* Both return the bytes moved, 0 when nothing can be moved for now, -1 when the peer has closed
 * or the connection is broken. */
ssize_t stream_read(struct stream *stream, char *to, size_t n);
ssize_t stream_write(struct stream *stream, struct slice bytes);

/* Whether bytes that were taken off the socket wait inside of TLS: the socket will not report
 * them again. */
bool stream_pending(const struct stream *stream);

/* Why the last read or write of this stream failed; "" when the peer just went away. */
const char *stream_reason(char *text, size_t size);
