#include "core/unzip.h"

#include <stdint.h>
#include <zlib.h>

enum { STEP = 16384, GZIP_ONLY = 16 };

static bool inflate_all(z_stream *stream, struct buffer *to, struct error *why)
{
    for (;;) {
        size_t room = to->ceiling - to->n;
        if (room > STEP)
            room = STEP;
        /* One byte more than fits tells a body that is just as long from one that is longer. */
        unsigned char beyond = 0;
        bool full = room == 0;
        stream->next_out = full ? &beyond : (unsigned char *)buffer_reserve(to, room);
        stream->avail_out = full ? 1 : (uInt)room;
        uInt offered = stream->avail_out;
        int status = inflate(stream, Z_NO_FLUSH);
        size_t written = offered - stream->avail_out;
        if (full && written > 0)
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
