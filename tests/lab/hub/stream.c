#include "hub/stream.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void stream_open(struct stream *s, int fd, SSL_CTX *context)
{
    *s = (struct stream){.fd = fd};
    if (context == NULL)
        return;
    s->tls = SSL_new(context);
    if (s->tls == NULL || SSL_set_fd(s->tls, fd) != 1)
        abort();
    SSL_set_accept_state(s->tls);
}

void stream_finish(struct stream *s)
{
    if (s->finished)
        return;
    s->finished = true;
    ERR_clear_error();
    if (s->tls != NULL && SSL_is_init_finished(s->tls))
        (void)SSL_shutdown(s->tls);
    (void)shutdown(s->fd, SHUT_WR);
}

void stream_close(struct stream *s, bool politely)
{
    if (politely)
        stream_finish(s);
    SSL_free(s->tls);
    close(s->fd);
    *s = (struct stream){.fd = -1};
}

/* What an unsuccessful read or write under TLS means: 0 or -1, as stream_read says. */
static ssize_t tls_outcome(struct stream *s, int result)
{
    int error = SSL_get_error(s->tls, result);
    s->wants_write = error == SSL_ERROR_WANT_WRITE;
    s->wants_read = error == SSL_ERROR_WANT_READ;
    return s->wants_write || s->wants_read ? 0 : -1;
}

static int length(size_t n)
{
    return n < INT_MAX ? (int)n : INT_MAX;
}

static ssize_t plain_outcome(ssize_t n)
{
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    return n < 0 ? -1 : n;
}

ssize_t stream_read(struct stream *s, char *to, size_t n)
{
    ERR_clear_error();
    s->wants_write = false;
    if (s->tls == NULL) {
        ssize_t got = recv(s->fd, to, n, 0);
        return got == 0 ? -1 : plain_outcome(got);
    }
    int got = SSL_read(s->tls, to, length(n));
    return got > 0 ? got : tls_outcome(s, got);
}

ssize_t stream_write(struct stream *s, struct slice bytes)
{
    s->wants_read = false;
    if (s->tls == NULL)
        return plain_outcome(send(s->fd, bytes.p, bytes.n, MSG_NOSIGNAL));
    ERR_clear_error();
    int put = SSL_write(s->tls, bytes.p, length(bytes.n));
    return put > 0 ? put : tls_outcome(s, put);
}

bool stream_pending(const struct stream *s)
{
    return s->tls != NULL && SSL_has_pending(s->tls) == 1;
}

const char *stream_reason(char *text, size_t size)
{
    unsigned long code = ERR_peek_last_error();
    text[0] = '\0';
    if (code != 0)
        ERR_error_string_n(code, text, size);
    return text;
}
