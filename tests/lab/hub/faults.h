#pragma once
#include "base/buffer.h"
#include "base/error.h"

#include <event2/event.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

struct hub;

/* What is wrong with the hub, on demand. Times are of clock_now_us. */
struct faults {
    int64_t refuse_till;   /* new connections are closed at once */
    int64_t stall_till;    /* no event is sent */
    int64_t throttle_till; /* nothing is attached and no question answered */
    int throttle_code;     /* 50002 or 50008 */
    int64_t quota_till;    /* no further reader is let in */
    int64_t token_till;    /* put-token answers token_status */
    int token_status;
    int64_t latency_us; /* what a client sends is looked at that much later */
    struct event *stall_over;
};

void faults_open(struct hub *hub);
void faults_close(struct hub *hub);

/* POST /fault: begins or does one. False and err if the request makes no sense. */
bool faults_begin(struct hub *hub, struct json_object *body, struct error *err);

/* Why a link to the hub's events may not be attached now: the condition, with the service's words
 * in `text`; NULL if it may. */
const char *faults_refusal(const struct hub *hub, bool reader, struct buffer *text);

/* Whether requests are refused with server-busy; the words in `text`. */
bool faults_busy(const struct hub *hub, struct buffer *text);
