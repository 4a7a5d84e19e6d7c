#include "source/eventhubs/proxy.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ANSWER_BYTES 8192

struct proxy {
    int fd;
    char *target;         /* host:port */
    struct buffer out;    /* what is left of the request */
    struct buffer answer; /* its head, so far */
};

/* The number behind the last colon; 0 if there is none. */
static uint16_t port_of(const char *digits)
{
    uint32_t port = 0;
    for (; *digits >= '0' && *digits <= '9' && port <= UINT16_MAX; digits++)
        port = port * 10 + (uint32_t)(*digits - '0');
    return *digits == '\0' && port <= UINT16_MAX ? (uint16_t)port : 0;
}

bool proxy_parse(const char *text, char **host, uint16_t *port, struct error *err)
{
    static const char SCHEME[] = "http://";
    const char *start = strncmp(text, SCHEME, strlen(SCHEME)) == 0 ? text + strlen(SCHEME) : text;
    char *copy = xstrdup(start);
    size_t n = strlen(copy);
    if (n > 0 && copy[n - 1] == '/')
        copy[n - 1] = '\0';
    char *colon = strrchr(copy, ':');
    *port = colon ? port_of(colon + 1) : 0;
    bool bracket = *copy == '[' && colon > copy && colon[-1] == ']';
    if (colon != NULL)
        colon[bracket ? -1 : 0] = '\0';
    char *name = copy + bracket;
    bool good = *port != 0 && *name != '\0' && strpbrk(name, bracket ? "/@[] " : "/@[]: ") == NULL;
    if (good)
        *host = xstrdup(name);
    free(copy);
    if (good)
        return true;
    error_set(err, "the proxy is not of the form host:port");
    return error_hint(err, "Name an HTTP proxy that allows CONNECT, without user and password.");
}

struct proxy *proxy_open(int fd, const char *host, uint16_t port)
{
    struct proxy *proxy = xcalloc(1, sizeof *proxy);
    bool address = strchr(host, ':') != NULL; /* of IPv6 */
    proxy->fd = fd;
    proxy->target = xasprintf("%s%s%s:%u", address ? "[" : "", host, address ? "]" : "", port);
    buffer_init(&proxy->out, 4096);
    buffer_init(&proxy->answer, ANSWER_BYTES);
    (void)buffer_printf(&proxy->out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", proxy->target,
                        proxy->target);
    return proxy;
}

void proxy_free(struct proxy *proxy)
{
    if (proxy == NULL)
        return;
    buffer_free(&proxy->out);
    buffer_free(&proxy->answer);
    free(proxy->target);
    free(proxy);
}

static enum proxy_step fail(const struct proxy *proxy, enum proxy_step step, const char *detail,
                            struct error *err)
{
    error_set(err, "the proxy does not connect to the hub at %s", proxy->target);
    error_detail(err, "%s", detail);
    error_hint(err, "Is it an HTTP proxy that allows CONNECT to this host and port?");
    return step;
}

/* The head of the answer is complete. */
static enum proxy_step judge(const struct proxy *proxy, struct error *err)
{
    const char *p = proxy->answer.data;
    const char *end = memchr(p, '\r', proxy->answer.n);
    size_t n = end ? (size_t)(end - p) : proxy->answer.n;
    bool http = n >= 12 && memcmp(p, "HTTP/1.", 7) == 0 && p[8] == ' ';
    if (http && p[9] == '2')
        return PROXY_READY;
    char line[200];
    (void)snprintf(line, sizeof line, "It says: %.*s", (int)(n > 150 ? 150 : n), p);
    /* 5xx is a matter of time, all else one of configuration. */
    return fail(proxy, http && p[9] == '5' ? PROXY_FAILED : PROXY_REFUSED, line, err);
}

static enum proxy_step hear(struct proxy *proxy, struct error *err)
{
    for (;;) {
        char bytes[1024];
        ssize_t n = recv(proxy->fd, bytes, sizeof bytes, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return PROXY_WANTS_READ;
        if (n <= 0)
            return fail(proxy, PROXY_FAILED,
                        n == 0 ? "It has closed the connection." : strerror(errno), err);
        if (!buffer_append(&proxy->answer, bytes, (size_t)n))
            return fail(proxy, PROXY_REFUSED, "Its answer does not end.", err);
        const char *head = memmem(proxy->answer.data, proxy->answer.n, "\r\n\r\n", 4);
        if (head == NULL)
            continue;
        enum proxy_step step = judge(proxy, err);
        /* The hub waits for us to speak first. */
        if (step == PROXY_READY && head + 4 != proxy->answer.data + proxy->answer.n)
            return fail(proxy, PROXY_REFUSED, "It says more than an answer.", err);
        return step;
    }
}

enum proxy_step proxy_advance(struct proxy *proxy, struct error *err)
{
    while (proxy->out.n > 0) {
        ssize_t n = send(proxy->fd, proxy->out.data, proxy->out.n, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return PROXY_WANTS_WRITE;
        if (n < 0)
            return fail(proxy, PROXY_FAILED, strerror(errno), err);
        buffer_drop(&proxy->out, (size_t)n);
    }
    return hear(proxy, err);
}
