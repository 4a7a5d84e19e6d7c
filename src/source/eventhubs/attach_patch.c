#include "source/eventhubs/attach_patch.h"

#include "source/amqp_scan.h"

#include <stdint.h>

#define PROTOCOL_HEADER 8
#define FRAME_HEADER 8
#define ATTACH 0x12

/* Places in the attach list (AMQP 1.0, 2.7.3). */
enum { ATTACH_DESIRED = 12, ATTACH_PROPERTIES = 13, ATTACH_MEMBERS = 14 };

static uint32_t read32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static void write32(char *p, size_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(value >> (24 - 8 * i));
}

/* The members of the list of an attach frame; nothing if the frame is no attach with properties
 * and without desired capabilities. */
static bool dissect(struct slice frame, struct slice members[ATTACH_MEMBERS])
{
    size_t offset = (size_t)(unsigned char)frame.p[4] * 4;
    if (frame.p[5] != 0 || offset < FRAME_HEADER || offset + 4 > frame.n)
        return false;
    struct slice rest = {frame.p + offset, frame.n - offset};
    if (rest.p[0] != 0x00 || rest.p[1] != 0x53 || rest.p[2] != ATTACH)
        return false;
    rest = (struct slice){rest.p + 3, rest.n - 3};
    unsigned char list = (unsigned char)rest.p[0];
    size_t head = list == 0xd0 ? 9 : list == 0xc0 ? 3 : 0;
    if (head == 0 || rest.n < head)
        return false;
    size_t count = list == 0xd0 ? read32(rest.p + 5) : (unsigned char)rest.p[2];
    rest = (struct slice){rest.p + head, rest.n - head};
    if (count != ATTACH_MEMBERS)
        return false;
    for (size_t i = 0; i < ATTACH_MEMBERS; i++) {
        members[i] = amqp_take(&rest);
        if (members[i].p == NULL)
            return false;
    }
    return *members[ATTACH_DESIRED].p == 0x40 && *members[ATTACH_PROPERTIES].p != 0x40;
}

/* The same attach with a list of desired capabilities of one. */
static bool append_patched(struct slice frame, const struct slice members[ATTACH_MEMBERS],
                           const char *capability, struct buffer *out)
{
    size_t start = out->n;
    size_t offset = (size_t)(unsigned char)frame.p[4] * 4;
    size_t text = strlen(capability);
    /* array8 of one symbol: its size, count, constructor, then length and text */
    char array[5] = {(char)0xe0, (char)(text + 3), 1, (char)0xa3, (char)text};
    char list[9] = {(char)0xd0};
    write32(list + 5, ATTACH_MEMBERS);
    bool ok = buffer_append(out, frame.p, offset + 3) && buffer_append(out, list, sizeof list);
    for (size_t i = 0; ok && i < ATTACH_MEMBERS; i++)
        ok = i != ATTACH_DESIRED
                 ? buffer_append_slice(out, members[i])
                 : buffer_append(out, array, sizeof array) && buffer_append(out, capability, text);
    if (!ok)
        return false;
    write32(out->data + start, out->n - start);
    write32(out->data + start + offset + 3 + 1, out->n - start - offset - 3 - 5);
    return true;
}

size_t attach_patch(struct slice written, const char *capability, struct buffer *out, bool *ok)
{
    struct slice rest = written;
    *ok = true;
    while (*ok && rest.n >= FRAME_HEADER) {
        bool header = memcmp(rest.p, "AMQP", 4) == 0;
        size_t size = header ? PROTOCOL_HEADER : read32(rest.p);
        if (size < FRAME_HEADER || size > rest.n)
            break;
        struct slice frame = {rest.p, size};
        struct slice members[ATTACH_MEMBERS];
        *ok = !header && dissect(frame, members) ? append_patched(frame, members, capability, out)
                                                 : buffer_append_slice(out, frame);
        if (*ok)
            rest = (struct slice){rest.p + size, rest.n - size};
    }
    return written.n - rest.n;
}
