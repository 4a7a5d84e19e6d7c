#pragma once
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* Reads the head of an HTTP/1.1 request, and refuses whatever two readers could understand
 * differently. Pure: bytes in, a verdict out. Requests have no body here. */

enum {
    HTTP_TARGET_CEILING = 2048, /* the request line; beyond it 414 */
    HTTP_HEAD_CEILING = 8192,   /* all of the head; beyond it 431 */
    HTTP_FIELDS_CEILING = 64,
};

enum http_verdict { HTTP_MORE, HTTP_WHOLE, HTTP_REFUSED };

struct http_request {
    struct slice path; /* of the target, without the query; into the bytes that were read */
    struct slice host; /* value of the field Host; empty: it was not sent (HTTP/1.0 only) */
    size_t size;       /* of the head; what follows is the next request */
    bool head;         /* HEAD, not GET */
    bool keep;         /* the connection may serve another request */
    bool openmetrics;  /* Accept lists application/openmetrics-text */
    int status;        /* of a refusal */
    const char *why;   /* the same in words, static */
};

/* `bytes` is what has come since the end of the last request. HTTP_MORE as long as every ending of
 * them could still be a request; a refusal comes as soon as none could. */
enum http_verdict http_request_read(struct slice bytes, struct http_request *request);
