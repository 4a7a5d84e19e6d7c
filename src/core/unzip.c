#include "core/unzip.h"

#include <stdint.h>
#include <zlib.h>

enum { STEP = 16384, GZIP_ONLY = 16 };

static bool inflate_all(z_stream *stream, struct buffer *to, struct error *why)
{
    for (;;) {
        size_t room = to->ceiling - to->n < STEP ? to->ceiling - to->n : STEP;
        /* One byte more than fits tells a body that is just as long from one that is longer. */
        unsigned char beyond;
        char *at = room > 0 ? buffer_reserve(to, room) : (char *)&beyond;
        stream->next_out = (unsigned char *)at;
        stream->avail_out = room > 0 ? (uInt)room : 1;
        int status = inflate(stream, Z_NO_FLUSH);
        size_t written = (room > 0 ? room : 1) - stream->avail_out;
        if (room == 0 && written > 0)
            return error_set(why, "the body is longer than %zu bytes when it is unpacked",
                             to->ceiling);
        to->n += written;
        if (status == Z_STREAM_END)
            return stream->avail_in == 0 || error_set(why, "something follows the compressed body");
        if (status != Z_OK || (stream->avail_in == 0 && written == 0))
            return error_set(why, "the compressed body is damaged or cut off");
    }
}

bool unzip(struct slice body, struct buffer *to, struct error *why)
{
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)body.p, .avail_in = (uInt)body.n};
    if (body.n > UINT32_MAX || inflateInit2(&stream, MAX_WBITS + GZIP_ONLY) != Z_OK)
        return error_set(why, "the compressed body cannot be unpacked");
    bool ok = inflate_all(&stream, to, why);
    (void)inflateEnd(&stream);
    return ok;
}
