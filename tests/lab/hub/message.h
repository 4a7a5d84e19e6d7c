#pragma once
#include "base/buffer.h"
#include "hub/partition_log.h"

#include <stdbool.h>
#include <stdint.h>

/* What the hub gives every event on its arrival. */
struct stamp {
    int64_t sequence;
    int64_t offset;
    int64_t enqueued_ms;
    bool prefixed; /* the offset is shown as no number; see settings.h */
};

/* An event as a device sends it to an IoT Hub. */
struct telemetry {
    struct slice device;
    struct slice module;     /* n 0: none */
    struct slice generation; /* the device identity's, iothub-connection-auth-generation-id */
    struct slice body;
    struct slice application; /* the encoded application-properties section; n 0: none */
    struct slice properties;  /* the encoded properties section; n 0: the usual one */
    struct slice
        annotations; /* encoded pairs that replace the hub's own, or add to them; n 0: none */
    uint32_t annotation_count; /* keys and values */
};

/* Writes an offset as clients see it, with a zero at its end. */
enum { OFFSET_TEXT = 24 };
struct slice message_offset(int64_t offset, bool prefixed, char *space);

/* Appends the event as an AMQP message with the annotations of an IoT Hub, and says where its
 * parts lie. Overflow marks `out`. */
void message_put_telemetry(struct buffer *out, const struct stamp *stamp,
                           const struct telemetry *telemetry, struct event_parts *parts);

/* A message that a client sent, taken apart without decoding: runs of its encoded sections. */
struct message {
    struct slice annotations;   /* the items of the message-annotations map */
    uint32_t annotation_count;  /* keys and values */
    struct slice rest;          /* all sections behind the annotations */
    struct slice body;          /* content of the first data section, or of an amqp-value text */
    struct slice partition_key; /* n 0: none */
};

/* False when the bytes are no AMQP message. */
bool message_read(struct slice bytes, struct message *message);

/* Calls `each` with the content of every data section of a batch envelope; stops when it returns
 * false. False when the bytes are no AMQP message or `each` said so. */
bool message_each_data(struct slice bytes, bool (*each)(void *arg, struct slice data), void *arg);

/* Appends a client's message with the hub's stamp put before its own annotations. */
void message_put_sent(struct buffer *out, const struct stamp *stamp, const struct message *message,
                      struct event_parts *parts);

/* Appends the delivery-annotations section that a receiver with runtime metrics asked for: what
 * the last event of the partition is, and the time of this look. */
void message_put_metrics(struct buffer *out, const struct stamp *last, int64_t now_ms);
