#include "core/answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What a server wrote into an answer, on its way to logs and the dead-letter table: whatever the
 * bytes, one line of UTF-8 that PostgreSQL takes. Checked by an own reader of UTF-8. */

static size_t character(const unsigned char *p)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n == 0 || p[0] > 0xf7)
        abort();
    uint32_t code = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            abort();
        code = code << 6 | (p[i] & 0x3fu);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        abort();
    if (code < ' ' || code == 0x7f)
        abort();
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t room = 1 + data[0] % 64;
    char *out = malloc(room);
    char *body = malloc(size);
    memcpy(body, data + 1, size - 1);
    answer_text((struct slice){body, size - 1}, out, room);
    if (strlen(out) >= room)
        abort();
    for (const unsigned char *p = (const unsigned char *)out; *p != '\0';)
        p += character(p);
    free(body);
    free(out);
    return 0;
}
