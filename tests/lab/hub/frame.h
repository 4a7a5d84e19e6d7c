#pragma once
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Proton 0.37 hides two things that the hub must know: the desired-capabilities of an attach and
 * the message-format of a transfer. So the connection hands Proton one frame at a time, and looks
 * into it first. */
struct frame {
    bool metrics_desired;    /* attach: com.microsoft:enable-receiver-runtime-metric */
    bool has_format;         /* transfer: message_format is meant (the first frame of a delivery) */
    uint32_t message_format; /* transfer */
};

/* Bytes of the frame (or protocol header) at the start of `in`; 0 when it is not complete yet.
 * Sizes that no frame can have come back as they are: the caller compares with its ceiling. */
size_t frame_size(struct slice in);

/* What `bytes`, one whole frame or header, says. Anything strange reads as nothing said: Proton
 * judges the frame afterwards. */
struct frame frame_peek(struct slice bytes);

#define FRAME_CEILING ((size_t)1 << 17)
