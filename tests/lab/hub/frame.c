#include "hub/frame.h"

#include "hub/wire.h"

enum { PERFORMATIVE_ATTACH = 0x12, PERFORMATIVE_TRANSFER = 0x14 };
enum { ATTACH_DESIRED_CAPABILITIES = 12, TRANSFER_MESSAGE_FORMAT = 3 };

size_t frame_size(struct slice in)
{
    if (in.n < 8)
        return 0;
    size_t size = 8;
    if (memcmp(in.p, "AMQP", 4) != 0) {
        size = 0;
        for (size_t i = 0; i < 4; i++)
            size = size << 8 | (unsigned char)in.p[i];
        if (size < 8)
            return FRAME_CEILING + 1;
    }
    return size > in.n && size <= FRAME_CEILING ? 0 : size;
}

/* Reads the item at `index` of a list; false when the list is shorter. */
static bool list_item(const struct wire_value *list, uint32_t index, struct wire_value *item)
{
    if (list->kind != WIRE_LIST || list->count <= index)
        return false;
    struct slice rest = list->bytes;
    for (uint32_t i = 0; i <= index; i++)
        if (!wire_read(&rest, item))
            return false;
    return true;
}

struct frame frame_peek(struct slice bytes)
{
    struct frame frame = {0};
    if (bytes.n < 8 || memcmp(bytes.p, "AMQP", 4) == 0 || bytes.p[5] != 0)
        return frame;
    size_t start = (size_t)(unsigned char)bytes.p[4] * 4;
    if (start < 8 || start >= bytes.n)
        return frame;
    struct slice body = {bytes.p + start, bytes.n - start};
    struct wire_value performative;
    struct wire_value item;
    if (!wire_read(&body, &performative))
        return frame;
    if (performative.descriptor == PERFORMATIVE_ATTACH &&
        list_item(&performative, ATTACH_DESIRED_CAPABILITIES, &item)) {
        /* One symbol or an array of them; both carry the text as it is. */
        static const char wanted[] = "com.microsoft:enable-receiver-runtime-metric";
        frame.metrics_desired = memmem(item.whole.p, item.whole.n, wanted, sizeof wanted - 1);
    }
    if (performative.descriptor == PERFORMATIVE_TRANSFER &&
        list_item(&performative, TRANSFER_MESSAGE_FORMAT, &item) && item.kind == WIRE_NUMBER) {
        frame.has_format = true;
        frame.message_format = (uint32_t)item.number;
    }
    return frame;
}
