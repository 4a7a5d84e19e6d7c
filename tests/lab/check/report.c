#include "check/report.h"

#include <inttypes.h>

static void put_example(const struct compare *compare, const struct examples *examples, size_t i,
                        struct buffer *out)
{
    const struct events *events = compare->events;
    const struct event *event = &events->events[examples->event[i]];
    (void)buffer_append_text(out, i > 0 ? ",{\"device\":\"" : "{\"device\":\"");
    (void)buffer_append_json(out, slice_from(events->devices.by_id[event->device]->text));
    (void)buffer_append_text(out, "\",\"seq\":");
    if (event->has_seq)
        (void)buffer_printf(out, "%" PRId64, event->seq);
    else
        (void)buffer_append_text(out, "null");
    (void)buffer_printf(out, ",\"partition\":%" PRId32 ",\"sequence\":%" PRId64, event->partition,
                        event->sequence);
    if (examples->name[i] != UINT32_MAX) {
        (void)buffer_append_text(out, ",\"name\":\"");
        (void)buffer_append_json(out, slice_from(events->names.by_id[examples->name[i]]->text));
        (void)buffer_append_text(out, "\"");
    }
    (void)buffer_append_text(out, "}");
}

static void put_examples(const struct compare *compare, const char *key,
                         const struct examples *examples, struct buffer *out)
{
    (void)buffer_printf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < examples->count && i < EXAMPLES; i++)
        put_example(compare, examples, i, out);
    (void)buffer_append_text(out, "]");
}

static void put_first_accepted(const struct compare *compare, struct buffer *out)
{
    (void)buffer_append_text(out, ",\"first_accepted_us\":{");
    for (int32_t i = 0; i < compare->events->partitions; i++) {
        (void)buffer_printf(out, "%s\"%" PRId32 "\":", i > 0 ? "," : "", i);
        if (compare->first_accepted[i] == 0)
            (void)buffer_append_text(out, "null");
        else
            (void)buffer_printf(out, "%" PRId64, compare->first_accepted[i]);
    }
    (void)buffer_append_text(out, "}");
}

bool report_write(const struct compare *c, struct buffer *out)
{
    (void)buffer_printf(
        out,
        "{\"emitted\":%zu,\"delivered\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"altered\":%" PRIu64
        ",\"duplicates\":%" PRIu64 ",\"out_of_order\":%" PRIu64 ",\"excepted\":%" PRIu64
        ",\"unchecked\":%" PRIu64 ",\"foreign\":%" PRIu64 ",\"accepted_values\":%" PRIu64,
        c->events->n, c->delivered, c->lost.count, c->altered.count, c->duplicates.count,
        c->out_of_order.count, c->excepted, c->unchecked, c->foreign, c->rows);
    put_examples(c, "lost_examples", &c->lost, out);
    put_examples(c, "altered_examples", &c->altered, out);
    put_examples(c, "duplicate_examples", &c->duplicates, out);
    put_examples(c, "out_of_order_examples", &c->out_of_order, out);
    put_first_accepted(c, out);
    return buffer_append_text(out, "}\n");
}

bool report_passed(const struct compare *c)
{
    return c->lost.count == 0 && c->altered.count == 0 && c->out_of_order.count == 0;
}
