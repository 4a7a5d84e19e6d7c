#include "base/utf8.h"

size_t utf8_length(struct slice text)
{
    if (text.n == 0)
        return 0;
    const unsigned char *p = (const unsigned char *)text.p;
    size_t more = p[0] < 0x80                   ? 0
                  : p[0] >= 0xc2 && p[0] < 0xe0 ? 1
                  : (p[0] & 0xf0) == 0xe0       ? 2
                  : p[0] >= 0xf0 && p[0] < 0xf5 ? 3
                                                : text.n;
    if (more >= text.n)
        return 0;
    for (size_t i = 1; i <= more; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* overlong forms, surrogates, beyond U+10FFFF */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return more + 1;
}
