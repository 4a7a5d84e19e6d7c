#pragma once
#include "base/random.h"
#include "base/slice.h"
#include "thingworx/client.h"

#include <event2/event.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For the tests of the ThingWorx client: a server that stands in for ThingWorx and a client, on
 * one loop. */

/* Answers every POST and /Thingworx/ready as its members say, and remembers the last POST. */
struct server {
    struct evhttp *http;
    int port;
    unsigned connections, posts, probes;
    int ready_status;      /* of /Thingworx/ready */
    int status;            /* of every POST ... */
    const char *bad_thing; /* ... but of those to this Thing: */
    int bad_status;
    const char *good_key; /* NULL: every key is */
    const char *retry_after;
    const char *page; /* body of the answers, as text/html */
    bool hang;
    char path[512], headers[2048], method[8];
    char body[64];
    size_t body_n;
    struct evhttp_request *held[64];
    size_t held_count;
};

/* The last answer to one request context, and how many came. */
struct answer {
    unsigned count;
    enum answer_class class;
    int status;
    unsigned endpoint;
    bool confirmed;
    int64_t retry_after_us, at_us;
    char text[64];
};

struct fixture {
    struct event_base *base;
    struct event *guard;
    bool late;
    struct random random;
    struct server server, other;
    struct thingworx *tw;
    struct thingworx_config config;
    char url[64], other_url[64];
    const char *urls[2];
    char state[16];
    unsigned capacity, states;
    bool unwanted;        /* what has not been sent yet */
    unsigned steady_asks; /* so often `steady_for_a_while` says yes */
};

/* Port 0 picks a free one. Starts as one that accepts everything. */
void server_start(struct server *server, struct event_base *base, int port);
void server_stop(struct server *server);

/* cmocka's: *state becomes a struct fixture with a running server and a configuration that names
 * it; the client is opened by the test. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_open(struct fixture *f, struct evdns_base *dns);
struct thingworx_handlers fixture_handlers(struct fixture *f);
/* A handler `steady` for those that want one. */
bool steady_for_a_while(void *ctx);
/* Makes the server `other` the second base URL. */
void fixture_add_other(struct fixture *f);

/* From now, fixture_step fails the test after a minute: longer than a busy machine may take. */
void fixture_guard(struct fixture *f);
/* Runs the loop once. */
void fixture_step(struct fixture *f);

#define WAIT_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        fixture_guard(f);                                                                          \
        while (!(condition))                                                                       \
            fixture_step(f);                                                                       \
    } while (0)

/* Runs the loop for so long. */
void run_for(struct fixture *f, int64_t us);

/* thingworx_post with a small body, now or as if it were then. */
bool post(struct fixture *f, const char *thing, int64_t refused_since_us, struct answer *a);
bool post_at(struct fixture *f, const char *thing, int64_t refused_since_us, struct answer *a,
             int64_t now_us);
/* Sends when it may, and waits for the answer. */
struct answer ask(struct fixture *f, const char *thing, int64_t refused_since_us);

/* What was refused to the Things a, b and c. Begins as zeros. */
struct refusals {
    int64_t since_us[3];
    unsigned confirmed;
};
/* Sends to each of them as the node would, and waits for the answers. */
void send_round(struct fixture *f, struct refusals *r);
/* Rounds for so long; returns how many refusals were confirmed. */
unsigned confirmed_within(struct fixture *f, int64_t us);

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
