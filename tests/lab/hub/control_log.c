#include "hub/control_log.h"

#include "base/memory.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 256 * 1024 };

struct download {
    struct hub *hub;
    struct evhttp_request *request;
    struct evbuffer *chunk;
    int64_t *ends; /* the sequence behind the last one to be sent, per partition */
    int partition;
    int64_t sequence;
    int64_t from;
};

static void release(struct download *d)
{
    evbuffer_free(d->chunk);
    free(d->ends);
    free(d);
}

static void put_escaped(struct evbuffer *out, struct slice text)
{
    size_t start = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        const char *escape = c == '\t'   ? "\\t"
                             : c == '\n' ? "\\n"
                             : c == '\r' ? "\\r"
                             : c == '\\' ? "\\\\"
                                         : NULL;
        if (escape == NULL)
            continue;
        evbuffer_add(out, text.p + start, i - start);
        evbuffer_add(out, escape, 2);
        start = i + 1;
    }
    if (text.n > start)
        evbuffer_add(out, text.p + start, text.n - start);
}

static void put_line(struct download *d, const struct event *e)
{
    evbuffer_add_printf(d->chunk, "%d\t%lld\t%lld\t%lld\t", d->partition, (long long)e->sequence,
                        (long long)e->offset, (long long)e->enqueued_ms);
    put_escaped(d->chunk, e->device);
    evbuffer_add(d->chunk, "\t", 1);
    put_escaped(d->chunk, e->module);
    evbuffer_add(d->chunk, "\t", 1);
    put_escaped(d->chunk, e->body);
    evbuffer_add(d->chunk, "\n", 1);
}

static void begin_partition(struct download *d)
{
    if (d->partition >= d->hub->options.partitions)
        return;
    int64_t begin = partition_log_begin(d->hub->partitions[d->partition].log);
    d->sequence = begin > d->from ? begin : d->from;
}

static void fill_chunk(struct download *d)
{
    struct event event;
    while (d->partition < d->hub->options.partitions &&
           evbuffer_get_length(d->chunk) < CHUNK_BYTES) {
        const struct partition_log *log = d->hub->partitions[d->partition].log;
        int64_t begin = partition_log_begin(log);
        if (d->sequence < begin)
            d->sequence = begin;
        if (d->sequence < d->ends[d->partition] && partition_log_at(log, d->sequence, &event)) {
            put_line(d, &event);
            d->sequence++;
        } else {
            d->partition++;
            begin_partition(d);
        }
    }
}

static void send_chunk(struct evhttp_connection *http, void *arg)
{
    (void)http;
    struct download *d = arg;
    fill_chunk(d);
    if (evbuffer_get_length(d->chunk) > 0) {
        evhttp_send_reply_chunk_with_cb(d->request, d->chunk, send_chunk, d);
        return;
    }
    evhttp_connection_set_closecb(evhttp_request_get_connection(d->request), NULL, NULL);
    evhttp_send_reply_end(d->request);
    release(d);
}

static void on_close(struct evhttp_connection *http, void *arg)
{
    (void)http;
    struct download *d = arg;
    /* A client that goes away leaves the request to us, and ending the reply frees it; when the
     * whole server goes away, libevent has freed it already. */
    if (!d->hub->stopping)
        evhttp_send_reply_end(d->request);
    release(d);
}

static int64_t from_sequence(struct evhttp_request *request)
{
    struct evkeyvalq query = {0};
    const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    int64_t from = 0;
    if (text != NULL && evhttp_parse_query_str(text, &query) == 0) {
        const char *value = evhttp_find_header(&query, "from_sequence");
        from = value ? strtoll(value, NULL, 10) : 0;
        evhttp_clear_headers(&query);
    }
    return from;
}

void control_log_send(struct hub *hub, struct evhttp_request *request)
{
    struct download *d = xcalloc(1, sizeof *d);
    d->hub = hub;
    d->request = request;
    d->chunk = evbuffer_new();
    d->ends = xcalloc((size_t)hub->options.partitions, sizeof *d->ends);
    d->from = from_sequence(request);
    for (int i = 0; i < hub->options.partitions; i++)
        d->ends[i] = partition_log_next(hub->partitions[i].log);
    if (d->chunk == NULL)
        abort();
    begin_partition(d);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "text/tab-separated-values; charset=utf-8");
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_close, d);
    evhttp_send_reply_start(request, HTTP_OK, "OK");
    send_chunk(NULL, d);
}
