#include "admin/http_peer.h"
#include "admin/http_request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What a peer sends to the HTTP port: whatever the bytes, no beginning of a request that is taken
 * is refused, and none that is refused is taken however it goes on; what is taken has one meaning.
 * Checked by an own reader that knows only where a head ends. */

static void check_taken(struct slice bytes, const struct http_request *request)
{
    struct slice head = {bytes.p, request->size};
    if (head.n > bytes.n || head.n > HTTP_HEAD_CEILING || head.n < 4 ||
        memcmp(head.p + head.n - 4, "\r\n\r\n", 4) != 0)
        abort();
    if (memmem(head.p, head.n - 1, "\r\n\r\n", 4) != NULL || memchr(head.p, '\0', head.n) != NULL)
        abort();
    for (size_t i = 0; i < head.n; i++)
        if ((head.p[i] == '\n') != (i > 0 && head.p[i - 1] == '\r'))
            abort();
    if (memcmp(head.p, "GET /", 5) != 0 && memcmp(head.p, "HEAD /", 6) != 0)
        abort();
    if (request->path.n == 0 || request->path.p[0] != '/' || request->path.p < head.p ||
        request->path.p + request->path.n > head.p + head.n)
        abort();
    if (http_host_allowed(request->host, "node-1", "plant.example.com") && request->host.n > 255)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request request, part;
    struct slice bytes = {(const char *)data, size};
    enum http_verdict verdict = http_request_read(bytes, &request);
    if (verdict == HTTP_WHOLE)
        check_taken(bytes, &request);
    if (verdict == HTTP_REFUSED && (request.status < 400 || request.why == NULL))
        abort();
    if (verdict == HTTP_MORE && size >= HTTP_HEAD_CEILING)
        abort();
    /* Cut anywhere: nothing is decided otherwise than it ends. */
    size_t step = 1 + size / 64;
    for (size_t n = 0; n < size; n += step) {
        char *cut = malloc(n > 0 ? n : 1);
        memcpy(cut, data, n);
        enum http_verdict early = http_request_read((struct slice){cut, n}, &part);
        free(cut);
        if (early == HTTP_MORE)
            continue;
        if (early != verdict || part.size != request.size)
            abort();
    }
    (void)http_host_allowed(bytes, "node-1", "plant.example.com,*x");
    return 0;
}
