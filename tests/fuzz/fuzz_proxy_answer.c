/* What an HTTP proxy says on the way to the hub, in two pieces: whatever it is, what comes behind
 * its answer is never taken for the hub's, and only a 2xx is a yes. Byte 0 is where it is cut. */
#include "source/eventhubs/proxy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    if (size == 0 || size > 16384)
        return 0;
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    struct proxy *proxy = proxy_open(ends[0], "hub.test", 5671);
    struct error why = {.message = ""};
    const char *text = (const char *)data + 1;
    size_t n = size - 1, cut = n > 0 ? data[0] % n : 0;
    enum proxy_step step = proxy_advance(proxy, &why);
    require(step == PROXY_WANTS_READ);
    require(send(ends[1], text, cut, MSG_NOSIGNAL) == (ssize_t)cut);
    step = proxy_advance(proxy, &why);
    bool early = step != PROXY_WANTS_READ;
    if (!early) {
        require(send(ends[1], text + cut, n - cut, MSG_NOSIGNAL) == (ssize_t)(n - cut));
        (void)shutdown(ends[1], SHUT_WR);
        step = proxy_advance(proxy, &why);
        require(step != PROXY_WANTS_READ && step != PROXY_WANTS_WRITE);
    }
    size_t seen = early ? cut : n;
    if (step == PROXY_READY)
        require(seen >= 16 && memcmp(text, "HTTP/1.", 7) == 0 && text[9] == '2' &&
                memmem(text, seen, "\r\n\r\n", 4) == text + seen - 4);
    else
        require(why.message[0] != '\0' && why.hint[0] != '\0');
    proxy_free(proxy);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return 0;
}
