#include "thingworx/path.h"

#include <stdbool.h>

void path_append(struct buffer *out, struct slice name)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '~' || (c == '.' && name.n > 2);
        if (plain)
            buffer_append(out, &name.p[i], 1);
        else
            buffer_append(out, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
    }
}
