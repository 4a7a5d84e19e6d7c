#include "source/source.h"

#include "source/amqp_scan.h"
#include "source/source_kind.h"

const char *source_end_name(enum source_end end)
{
    static const char *const names[] = {
        [SOURCE_END_CLOSED] = "closed",
        [SOURCE_END_STOLEN] = "stolen",
        [SOURCE_END_LOST] = "lost",
        [SOURCE_END_REFUSED] = "refused",
        [SOURCE_END_BAD_OFFSET] = "bad_offset",
        [SOURCE_END_NOT_FOUND] = "not_found",
        [SOURCE_END_BUSY] = "busy",
        [SOURCE_END_BAD_MESSAGE] = "bad_message",
    };
    return names[end];
}

bool source_next_property(struct slice *rest, struct source_property *out)
{
    return amqp_next_property(rest, out);
}

bool source_put_property(struct buffer *to, const struct source_property *property)
{
    return amqp_put_property(to, property);
}

/* Every slice of a message. */
static const size_t TEXTS[] = {offsetof(struct source_message, body),
                               offsetof(struct source_message, device),
                               offsetof(struct source_message, module),
                               offsetof(struct source_message, offset),
                               offsetof(struct source_message, content_type),
                               offsetof(struct source_message, content_encoding),
                               offsetof(struct source_message, message_source),
                               offsetof(struct source_message, auth_generation),
                               offsetof(struct source_message, auth_method),
                               offsetof(struct source_message, subject),
                               offsetof(struct source_message, message_id),
                               offsetof(struct source_message, correlation_id),
                               offsetof(struct source_message, properties)};

static const struct slice *text_of(const struct source_message *message, size_t i)
{
    return (const struct slice *)((const char *)message + TEXTS[i]);
}

size_t source_message_size(const struct source_message *message)
{
    size_t size = 0;
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        size += text_of(message, i)->n;
    return size;
}

void source_message_copy(struct source_message *to, const struct source_message *from, char *bytes)
{
    *to = *from;
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        struct slice text = *text_of(from, i);
        if (text.n > 0)
            memcpy(bytes, text.p, text.n);
        *(struct slice *)((char *)to + TEXTS[i]) = (struct slice){bytes, text.n};
        bytes += text.n;
    }
}

struct source_reader *source_read(struct source *source, struct slice partition, int64_t token,
                                  struct source_position position, uint32_t credit,
                                  void *reader_ctx)
{
    return source->kind->read(source, partition, token, position, credit, reader_ctx);
}

void source_credit(struct source_reader *reader, uint32_t more)
{
    reader->kind->credit(reader, more);
}

void source_hold(struct source_reader *reader, bool hold)
{
    reader->kind->hold(reader, hold);
}

void source_stop(struct source_reader *reader)
{
    reader->kind->stop(reader);
}

bool source_fences(const struct source *source)
{
    return source->kind->fences;
}

void source_refresh(struct source *source)
{
    source->kind->refresh(source);
}

struct source_counters source_counters(const struct source *source)
{
    return source->counters;
}

void source_close(struct source *source)
{
    source->kind->close(source);
}
