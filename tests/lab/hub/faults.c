#include "hub/faults.h"

#include "base/clock.h"
#include "hub/body.h"
#include "hub/connection.h"
#include "hub/links.h"
#include "hub/reader.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { TEXT_CEILING = 1024 };

static void on_stall_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    connection_schedule_all(arg);
}

void faults_open(struct hub *hub)
{
    hub->faults.stall_over = evtimer_new(hub->loop, on_stall_over, hub);
    if (hub->faults.stall_over == NULL)
        abort();
}

void faults_close(struct hub *hub)
{
    event_free(hub->faults.stall_over);
}

bool faults_busy(const struct hub *hub, struct buffer *text)
{
    const struct faults *f = &hub->faults;
    if (clock_now_us() >= f->throttle_till)
        return false;
    buffer_printf(text,
                  "The request was terminated because the %s is being throttled. Error code : "
                  "%d. Please wait 4 seconds and try again. TrackingId:%s_G0",
                  f->throttle_code == 50008 ? "namespace localhost" : "entity", f->throttle_code,
                  hub->instance);
    return true;
}

const char *faults_refusal(const struct hub *hub, bool reader, struct buffer *text)
{
    if (faults_busy(hub, text))
        return "com.microsoft:server-busy";
    if (!reader || clock_now_us() >= hub->faults.quota_till)
        return NULL;
    buffer_printf(text,
                  "Exceeded the maximum number of allowed receivers per partition in a consumer "
                  "group which is 5. TrackingId:%s_G0",
                  hub->instance);
    return "amqp:resource-limit-exceeded";
}

static bool detach(struct hub *hub, struct json_object *body, struct error *err)
{
    const char *id = body_text(body, "partition", "");
    const char *condition = body_text(body, "condition", "amqp:link:detach-forced");
    const char *text = body_text(body, "description", "The link was force detached by the broker.");
    struct partition *p = hub_partition(hub, slice_from(id));
    if (p == NULL)
        return error_set(err, "there is no partition \"%s\"", id);
    while (p->readers != NULL)
        reader_close(p->readers, condition, text);
    return true;
}

static void stall(struct hub *hub, int64_t us)
{
    struct timeval wait = {us / SECOND_US, us % SECOND_US + 1000};
    hub->faults.stall_till = clock_now_us() + us;
    (void)evtimer_add(hub->faults.stall_over, &wait);
}

static bool throttle(struct hub *hub, struct json_object *body, int64_t us, struct error *err)
{
    int64_t code = body_int(body, "code", 50002);
    if (code != 50002 && code != 50008)
        return error_set(err, "\"code\" must be 50002 or 50008");
    hub->faults.throttle_code = (int)code;
    hub->faults.throttle_till = clock_now_us() + us;
    struct buffer text;
    buffer_init(&text, TEXT_CEILING);
    if (faults_busy(hub, &text))
        links_close_all(hub, "com.microsoft:server-busy", buffer_text(&text));
    buffer_free(&text);
    return true;
}

static bool latency(struct hub *hub, struct json_object *body, struct error *err)
{
    int64_t ms = body_int(body, "ms", -1);
    if (ms < 0 || ms > 60000)
        return error_set(err, "\"ms\" must be between 0, which ends it, and 60000");
    hub->faults.latency_us = ms * MS_US;
    return true;
}

static bool refuse_tokens(struct hub *hub, struct json_object *body, int64_t us, struct error *err)
{
    int64_t status = body_int(body, "status", 401);
    if (status < 100 || status > 599)
        return error_set(err, "\"status\" must be between 100 and 599");
    hub->faults.token_status = (int)status;
    hub->faults.token_till = clock_now_us() + us;
    return true;
}

static void close_connections(struct hub *hub, struct json_object *body)
{
    static const char text[] = "The connection was inactive for more than the allowed 240000 "
                               "milliseconds and is closed by container 'lab'.";
    connection_close_all(hub, body_text(body, "condition", "amqp:connection:forced"),
                         body_text(body, "description", text));
}

bool faults_begin(struct hub *hub, struct json_object *body, struct error *err)
{
    const char *kind = body_text(body, "kind", "");
    double seconds = body_double(body, "seconds", 1);
    if (!(seconds >= 0 && seconds <= 86400))
        return error_set(err, "\"seconds\" must be between 0 and 86400");
    int64_t us = (int64_t)(seconds * 1e6);
    if (strcmp(kind, "drop_connections") == 0)
        connection_drop_all(hub);
    else if (strcmp(kind, "detach") == 0)
        return detach(hub, body, err);
    else if (strcmp(kind, "close") == 0)
        close_connections(hub, body);
    else if (strcmp(kind, "refuse") == 0)
        hub->faults.refuse_till = clock_now_us() + us;
    else if (strcmp(kind, "stall") == 0)
        stall(hub, us);
    else if (strcmp(kind, "throttle") == 0)
        return throttle(hub, body, us, err);
    else if (strcmp(kind, "quota") == 0)
        hub->faults.quota_till = clock_now_us() + us;
    else if (strcmp(kind, "token") == 0)
        return refuse_tokens(hub, body, us, err);
    else if (strcmp(kind, "latency") == 0)
        return latency(hub, body, err);
    else
        return error_set(err, "there is no fault \"%s\"", kind);
    return true;
}
