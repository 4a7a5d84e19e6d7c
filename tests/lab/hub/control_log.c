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
    const struct partition_log **logs; /* past ones first */
    int64_t *ends;                     /* the sequence behind the last one to be sent, per log */
    int log_n;
    int index; /* of the log that is being sent */
    int64_t sequence;
    int64_t from;
};

static void release(struct download *d)
{
    evbuffer_free(d->chunk);
    free(d->ends);
    free(d->logs);
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
    evbuffer_add_printf(d->chunk, "%d\t%lld\t%lld\t%lld\t", d->index % d->hub->options.partitions,
                        (long long)e->sequence, (long long)e->offset, (long long)e->enqueued_ms);
    put_escaped(d->chunk, e->device);
    evbuffer_add(d->chunk, "\t", 1);
    put_escaped(d->chunk, e->module);
    evbuffer_add(d->chunk, "\t", 1);
    put_escaped(d->chunk, e->body);
    evbuffer_add(d->chunk, "\n", 1);
}

static void begin_log(struct download *d)
{
    if (d->index >= d->log_n)
        return;
    int64_t begin = partition_log_begin(d->logs[d->index]);
    d->sequence = begin > d->from ? begin : d->from;
}

static void fill_chunk(struct download *d)
{
    struct event event;
    while (d->index < d->log_n && evbuffer_get_length(d->chunk) < CHUNK_BYTES) {
        const struct partition_log *log = d->logs[d->index];
        int64_t begin = partition_log_begin(log);
        if (d->sequence < begin)
            d->sequence = begin;
        if (d->sequence < d->ends[d->index] && partition_log_at(log, d->sequence, &event)) {
            put_line(d, &event);
            d->sequence++;
        } else {
            d->index++;
            begin_log(d);
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

/* The logs are the hub's for as long as it lives, also when they become past meanwhile. */
static void list_logs(struct download *d)
{
    const struct hub *hub = d->hub;
    int past = hub->generation * hub->options.partitions;
    d->log_n = past + hub->options.partitions;
    d->logs = xcalloc((size_t)d->log_n, sizeof(const struct partition_log *));
    d->ends = xcalloc((size_t)d->log_n, sizeof *d->ends);
    for (int i = 0; i < d->log_n; i++) {
        d->logs[i] = i < past ? hub->past[i] : hub->partitions[i - past].log;
        d->ends[i] = partition_log_next(d->logs[i]);
    }
}

void control_log_send(struct hub *hub, struct evhttp_request *request)
{
    struct download *d = xcalloc(1, sizeof *d);
    d->hub = hub;
    d->request = request;
    d->chunk = evbuffer_new();
    d->from = from_sequence(request);
    list_logs(d);
    if (d->chunk == NULL)
        abort();
    begin_log(d);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "text/tab-separated-values; charset=utf-8");
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_close, d);
    evhttp_send_reply_start(request, HTTP_OK, "OK");
    send_chunk(NULL, d);
}
