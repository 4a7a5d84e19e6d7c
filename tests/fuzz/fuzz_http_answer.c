/* Whatever ThingWorx, or what stands in its place, writes as an answer: the request ends, once,
 * within its ceilings, and is classed; only an answer of 2xx that is no page counts as accepted. A
 * server in the same loop writes the bytes and closes. Byte 0: whether the answer is kept large,
 * and in how many pieces it comes. */
#include "base/clock.h"
#include "core/answer.h"
#include "core/bulk_answer.h"
#include "thingworx/http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct event_base *base;
    struct http *http;
    struct http_headers *headers;
    char url[64];
    const uint8_t *data;
    size_t size, ceiling;
    unsigned ended, served;
} peer;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void on_event(struct bufferevent *connection, short what, void *ctx)
{
    (void)ctx;
    (void)what;
    bufferevent_free(connection);
}

static void on_written(struct bufferevent *connection, void *ctx)
{
    (void)ctx;
    bufferevent_free(connection);
}

static void on_request(struct bufferevent *connection, void *ctx)
{
    (void)ctx;
    struct evbuffer *in = bufferevent_get_input(connection);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0)
        return;
    (void)evbuffer_drain(in, evbuffer_get_length(in));
    peer.served++;
    bufferevent_setcb(connection, NULL, on_written, on_event, NULL);
    if (peer.size == 0)
        bufferevent_free(connection);
    else
        (void)bufferevent_write(connection, peer.data, peer.size);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int n, void *ctx)
{
    (void)listener;
    (void)address;
    (void)n;
    (void)ctx;
    struct linger at_once = {.l_onoff = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    struct bufferevent *connection = bufferevent_socket_new(peer.base, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(connection, on_request, NULL, on_event, NULL);
    (void)bufferevent_enable(connection, EV_READ | EV_WRITE);
}

static void open_peer(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof any;
    peer.base = event_base_new();
    struct evconnlistener *listener =
        evconnlistener_new_bind(peer.base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 128,
                                (struct sockaddr *)(void *)&any, sizeof any);
    require(listener != NULL &&
            getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)(void *)&any, &n) == 0);
    (void)snprintf(peer.url, sizeof peer.url, "http://127.0.0.1:%d/", ntohs(any.sin_port));
    peer.http = http_open(peer.base, 1, NULL, NULL);
    static const char *const lines[] = {"Expect:"};
    peer.headers = http_headers_create(lines, 1);
}

static void on_done(void *ctx, const struct http_result *result)
{
    (void)ctx;
    char text[256];
    struct bulk_answer bulk = {.count = 0};
    bool answered = result->outcome == HTTP_ANSWERED;
    peer.ended++;
    require(result->text.n <= peer.ceiling || !answered);
    require(result->retry_after_us >= -1 && result->retry_after_us <= 3600 * SECOND_US);
    require(answered || result->status == 0);
    if (result->date != NULL)
        (void)http_date_us(result->date);
    answer_text(result->text, text, sizeof text);
    enum answer_class class = answer_classify(result->status, !answered, result->html);
    if (class == ANSWER_ACCEPTED)
        require(answered && result->status >= 200 && result->status < 300 && !result->html);
    (void)answer_names_missing(result->text, SLICE_LITERAL("thing"));
    if (bulk_answer_read(&bulk, result->text, 3))
        require(bulk.count <= 3);
    bulk_answer_free(&bulk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (peer.base == NULL)
        open_peer();
    peer.ceiling = data[0] & 1 ? LARGE : HTTP_TEXT_BYTES;
    peer.data = data + 1;
    peer.size = size - 1;
    unsigned before = peer.ended;
    http_send(peer.http, &(struct http_request){.url = peer.url,
                                                .post = true,
                                                .body = SLICE_LITERAL("{}"),
                                                .headers = peer.headers,
                                                .connect_timeout_ms = 2000,
                                                .timeout_ms = 2000,
                                                .text_max = peer.ceiling,
                                                .done = on_done});
    while (peer.ended == before)
        (void)event_base_loop(peer.base, EVLOOP_ONCE);
    require(peer.ended == before + 1);
    return 0;
}
