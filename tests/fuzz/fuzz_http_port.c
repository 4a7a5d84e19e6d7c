#include "admin/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The HTTP port itself, on a real socket: a peer sends anything, in packets cut by the input, and
 * closes its side. Every byte that comes back belongs to a well-formed answer, and the connection
 * ends. A 0xff in the input ends a packet and is not sent. */

enum { CONNECT_ATTEMPTS = 10, CONNECT_AGAIN_MS = 100 };

static struct event_base *base;
static struct admin_http *http;
static struct metrics *metrics;

static bool is_ready(void *ctx, struct buffer *why)
{
    (void)ctx;
    (void)buffer_append_text(why, "<never>");
    return false;
}

static void put_page(void *ctx, bool fragment, struct buffer *html)
{
    (void)ctx;
    (void)buffer_append_text(html, fragment ? "<p>" : "<!doctype html>");
}

static void start(void)
{
    struct error err;
    struct admin_http_config config = {.address = "127.0.0.1",
                                       .name = "node-1",
                                       .limits = {.connections = 4,
                                                  .connections_per_peer = 4,
                                                  .head_ms = 60000,
                                                  .idle_ms = 60000,
                                                  .stall_ms = 60000,
                                                  .request_ms = 60000}};
    base = event_base_new();
    metrics = metrics_create();
    http =
        admin_http_start(base, &config, metrics,
                         (struct admin_http_handlers){.ready = is_ready, .page = put_page}, &err);
    if (http == NULL)
        abort();
}

/* From another address of the loopback each time, with a port that is chosen when the other end is
 * known: ports of closed connections rest for a minute, and there may be many. The fuzzer's own
 * alarm may interrupt us, and the system be short of something: no faults of the port. */
static int connect_to_it(void)
{
    static uint32_t host;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(admin_http_port(http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger none = {.l_onoff = 1}; /* no port of ours waits for its end */
    int on = 1;
    for (int attempt = 0; attempt < CONNECT_ATTEMPTS; attempt++) {
        struct sockaddr_in source = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(0x7f000002U + host++ % 4000000U)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0 &&
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0 &&
            bind(fd, (const struct sockaddr *)&source, sizeof source) == 0 &&
            connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        if (errno != EINTR)
            perror("fuzz_http_port cannot connect");
        if (fd >= 0)
            (void)close(fd);
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
        (void)poll(NULL, 0, attempt * CONNECT_AGAIN_MS);
    }
    abort();
}

/* One answer at `at`; where it ends. Only answers to HEAD have a length and no body. */
static const char *skip_answer(const char *at, const char *end)
{
    static const char length[] = "\r\nContent-Length: ";
    if (end - at < 13 || memcmp(at, "HTTP/1.1 ", 9) != 0)
        abort();
    const char *body = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
    const char *field = memmem(at, (size_t)(end - at), length, strlen(length));
    if (body == NULL || field == NULL || field > body)
        abort();
    size_t n = strtoul(field + strlen(length), NULL, 10);
    body += 4;
    if ((size_t)(end - body) < n)
        return body;
    /* Behind an answer to HEAD comes the next one; a body of ours may begin like one. */
    bool next = n >= 10 && memcmp(body, "HTTP/1.1 ", 9) == 0 && body[9] >= '1' && body[9] <= '5';
    return next ? body : body + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char answers[1 << 20];
    if (base == NULL)
        start();
    int fd = connect_to_it();
    for (size_t at = 0; at < size && at < 20000;) {
        const uint8_t *cut = memchr(data + at, 0xff, size - at);
        size_t n = cut != NULL ? (size_t)(cut - data) - at : size - at;
        if (n > 0 && send(fd, data + at, n, MSG_NOSIGNAL) < 0)
            break; /* it has had enough */
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
        at += n + 1;
    }
    (void)shutdown(fd, SHUT_WR);
    size_t got = 0;
    for (;;) {
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
        ssize_t n = recv(fd, answers + got, sizeof answers - got, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        got += n > 0 ? (size_t)n : 0;
    }
    const char *end = answers + got;
    for (const char *at = answers; at < end;)
        at = skip_answer(at, end);
    (void)close(fd);
    return 0;
}
