#include "thingworx/reply.h"

#include "base/clock.h"
#include "base/memory.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

struct held {
    struct server *server;
    struct evhttp_request *request;
    struct thing *thing;
    struct event *timer;
    bool close; /* close the connection instead of answering */
    bool hanging;
    struct answer answer;
    struct held *prev;
    struct held *next;
};

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Status";
    }
}

void reply_begin(struct server *server, struct thing *thing)
{
    struct counters *c = &server->counters;
    if (++c->in_flight > c->max_in_flight)
        c->max_in_flight = c->in_flight;
    if (thing != NULL && ++thing->in_flight > c->max_in_flight_per_thing)
        c->max_in_flight_per_thing = thing->in_flight;
}

static void end(struct server *server, struct thing *thing)
{
    server->counters.in_flight--;
    if (thing != NULL)
        thing->in_flight--;
}

static void send_answer(struct server *server, struct evhttp_request *request,
                        struct answer *answer)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evbuffer_new();
    (void)evhttp_add_header(headers, "Content-Type", answer->type);
    if (answer->body.n > 0)
        (void)evbuffer_add(body, answer->body.data, answer->body.n);
    if (answer->retry_after > 0) {
        char seconds[16];
        (void)snprintf(seconds, sizeof seconds, "%d", answer->retry_after);
        (void)evhttp_add_header(headers, "Retry-After", seconds);
    }
    if (answer->status >= 300 && answer->status < 600)
        server->counters.refused[answer->status]++;
    evhttp_send_reply(request, answer->status, reason_of(answer->status), body);
    evbuffer_free(body);
    buffer_free(&answer->body);
}

static void forget(struct held *held)
{
    if (held->hanging)
        held->server->counters.hanging--;
    DL_DELETE(held->server->held, held);
    event_free(held->timer);
    buffer_free(&held->answer.body);
    free(held);
}

/* Also the only place that closes a connection: from a timer, never from inside its callback. */
static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct held *held = context;
    (void)fd;
    (void)what;
    end(held->server, held->thing);
    if (held->close) {
        struct evhttp_connection *connection = evhttp_request_get_connection(held->request);
        if (connection != NULL)
            evhttp_connection_free(connection);
        else
            evhttp_request_free(held->request);
    } else {
        send_answer(held->server, held->request, &held->answer);
    }
    forget(held);
}

static void hold(struct server *server, struct evhttp_request *request, struct thing *thing,
                 const struct fault_effect *effect, struct answer *answer)
{
    struct held *held = xcalloc(1, sizeof *held);
    *held = (struct held){
        .server = server,
        .request = request,
        .thing = thing,
        .close = effect->close || effect->lost_reply || effect->hang,
        .hanging = effect->hang,
        .answer = *answer,
    };
    DL_APPEND(server->held, held);
    if (held->hanging)
        server->counters.hanging++;
    held->timer = evtimer_new(server->base, on_timer, held);
    int64_t us = effect->latency_us;
    if (effect->hang)
        us = effect->hang_until_us - clock_now_us();
    if (us < 0)
        us = 0;
    struct timeval delay = {.tv_sec = us / SECOND_US, .tv_usec = us % SECOND_US};
    if (!effect->hang || effect->hang_until_us != 0)
        (void)evtimer_add(held->timer, &delay);
}

void reply_finish(struct server *server, struct evhttp_request *request, struct thing *thing,
                  const struct fault_effect *effect, struct answer *answer)
{
    if (effect->close || effect->hang || effect->lost_reply || effect->latency_us > 0) {
        hold(server, request, thing, effect, answer);
        return;
    }
    end(server, thing);
    send_answer(server, request, answer);
}

void reply_release_hanging(struct server *server)
{
    struct held *held;
    DL_FOREACH(server->held, held)
    {
        if (held->hanging) {
            struct timeval now = {0};
            (void)evtimer_add(held->timer, &now);
        }
    }
}

void reply_free(struct server *server)
{
    struct held *held;
    struct held *next;
    DL_FOREACH_SAFE(server->held, held, next)
    {
        forget(held);
    }
}
