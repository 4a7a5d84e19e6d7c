#include "thingworx/ledger_stream.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <event2/buffer.h>
#include <stdlib.h>

enum { CHUNK = 256 * 1024, LINE_CEILING = 64 * 1024 * 1024 };

struct stream {
    struct server *server;
    struct evhttp_request *request;
    struct ledger *ledger;
    bool *wanted; /* by name number, NULL = all */
    uint32_t n_wanted;
    uint64_t next;
    uint64_t end;
    struct buffer text;
};

static void free_stream(struct stream *stream)
{
    ledger_drop(stream->ledger);
    free(stream->wanted);
    buffer_free(&stream->text);
    free(stream);
}

/* The reader went away in the middle. */
static void on_close(struct evhttp_connection *connection, void *context)
{
    struct stream *stream = context;
    (void)connection;
    if (evhttp_request_get_connection(stream->request) == NULL)
        evhttp_send_reply_end(stream->request);
    free_stream(stream);
}

static void fill(struct stream *stream)
{
    buffer_clear(&stream->text);
    while (stream->next < stream->end && stream->text.n < CHUNK) {
        uint64_t i = stream->next++;
        uint32_t name = ledger_at(stream->ledger, i)->name;
        if (stream->wanted == NULL || (name < stream->n_wanted && stream->wanted[name]))
            (void)ledger_line(stream->ledger, stream->server->model.names, i, &stream->text);
    }
}

static void send_more(struct evhttp_connection *connection, void *context)
{
    struct stream *stream = context;
    fill(stream);
    if (stream->text.n == 0) {
        evhttp_connection_set_closecb(connection, NULL, NULL);
        evhttp_send_reply_end(stream->request);
        free_stream(stream);
        return;
    }
    struct evbuffer *chunk = evbuffer_new();
    (void)evbuffer_add(chunk, stream->text.data, stream->text.n);
    evhttp_send_reply_chunk_with_cb(stream->request, chunk, send_more, stream);
    evbuffer_free(chunk);
}

static void choose(struct stream *stream, const char *only)
{
    struct names *names = stream->server->model.names;
    stream->n_wanted = names_count(names);
    stream->wanted = xcalloc(stream->n_wanted + 1, sizeof(bool));
    for (const char *p = only; *p != '\0';) {
        size_t n = strcspn(p, ",");
        for (uint32_t id = 0; id < stream->n_wanted; id++)
            if (slice_equal((struct slice){p, n}, slice_from(names_text(names, id))))
                stream->wanted[id] = true;
        p += p[n] == ',' ? n + 1 : n;
    }
}

void ledger_stream_start(struct server *server, struct evhttp_request *request, const char *only)
{
    struct stream *stream = xcalloc(1, sizeof *stream);
    *stream = (struct stream){
        .server = server,
        .request = request,
        .ledger = ledger_keep(server->ledger),
        .end = ledger_count(server->ledger),
    };
    buffer_init(&stream->text, LINE_CEILING);
    if (only != NULL)
        choose(stream, only);
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                            "text/plain;charset=UTF-8");
    evhttp_connection_set_closecb(connection, on_close, stream);
    evhttp_send_reply_start(request, 200, "OK");
    send_more(connection, stream);
}
