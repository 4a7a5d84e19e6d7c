#pragma once
#include "base/error.h"
#include "base/slice.h"
#include "core/answer.h"
#include "core/breaker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One destination: a ThingWorx cluster behind one or more base URLs. Sends requests, classifies
 * the answers, keeps a circuit breaker and the evidence for each base URL, pauses everything on a
 * configuration fault, and asks <base URL>/ready whether the platform takes traffic.
 * Order per Thing is its user's business: at most one request per Thing under way. */
struct event_base;
struct evdns_base;
struct log;
struct metrics;
struct random;
struct thingworx;

/* More than any answer that lists what was refused. */
#define THINGWORX_BULK_ANSWER_MAX ((size_t)4 << 20)

struct thingworx_config {
    const char *name;             /* of the destination, for logs */
    const char *const *base_urls; /* e.g. https://twx.example.com/Thingworx */
    size_t base_url_count;
    const char *app_key;    /* never logged; NULL or "": requests go out without one (401) */
    const char *node;       /* stands in User-Agent: holdfast/<version> (<node>) */
    unsigned max_in_flight; /* requests at once; 0 = 16 */
    int request_timeout_ms; /* 0 = 30,000 */
    int probe_interval_ms;  /* between probes of a base URL that works; 0 = 10,000 */
    int settle_ms; /* a 404 is not confirmed before the refusal is this old (other nodes of a
                      ThingWorx cluster see a new Thing later); 0 = 2,000, negative = at once */
    struct random *random;   /* borrowed; at open only, ignored by reconfigure */
    struct log *log;         /* borrowed, may be NULL; at open only */
    struct metrics *metrics; /* borrowed, may be NULL; at open only */
};

/* By what way, and how secured, the base URLs are reached. */
struct thingworx_security {
    const char *ca;          /* PEM: authorities to trust; NULL: the system's */
    const char *certificate; /* PEM: ours, with its key; NULL: none */
    const char *proxy;       /* host:port of an HTTP proxy; NULL: none */
};

struct thingworx_answer {
    enum answer_class class;
    int status;             /* 0: no answer */
    int64_t retry_after_us; /* -1: not given; at most one hour */
    unsigned endpoint;      /* index of the base URL; UINT_MAX if it was configured away since */
    /* class is ANSWER_SUSPECT and the data is to blame: this base URL is ready, and since the
     * batch (refused_since_us) or its Thing was refused before with the same status, it has
     * accepted another Thing. All of that was so before this request was sent. */
    bool refusal_confirmed;
    bool refusal_proven; /* the same, and it was the batch itself that was refused before */
    const char *text; /* first bytes of the body, or what went wrong: one line, printable UTF-8 */
    /* Of a request about many Things: the body as it came, up to THINGWORX_BULK_ANSWER_MAX; and
     * whether this base URL was ready, and nothing has failed there, since it was sent. */
    struct slice body;
    bool ready;
    /* How often it was sent without anybody knowing whether the values were written: no complete
     * answer, or that of a gateway. */
    unsigned unknown;
    int64_t started_us, latency_us;
};

struct thingworx_handlers {
    void *ctx;
    /* The end of a request; the body is the caller's again. `answer` is valid during the call. */
    void (*answered)(void *ctx, void *request_ctx, const struct thingworx_answer *answer);
    /* Requests may be sent: comes after the answers of one turn of the loop, and when a base URL
     * or a paused destination may be tried again. May be NULL. */
    void (*capacity)(void *ctx);
    /* Asked before anything goes on, see http_set_gate. May be NULL. */
    bool (*steady)(void *ctx);
    /* Asked before a request that reached nobody goes to another base URL: whether it may still be
     * sent. If not, it is answered. May be NULL: it may. */
    bool (*wanted)(void *ctx, const void *request_ctx);
    /* "ok", "paused" (configuration fault; the data is kept) or "unreachable"; on change only.
     * `why` is NULL for "ok". The change has been logged. May be NULL. */
    void (*state)(void *ctx, const char *state, const struct error *why);
};

struct thingworx_counters {
    uint64_t requests;                /* sent to the end */
    uint64_t answers[ANSWER_CLASSES]; /* of these, by class */
    uint64_t confirmed;               /* SUSPECT with refusal_confirmed */
    uint64_t body_bytes;              /* sent, of all requests */
    uint64_t latency_us;              /* sum over all requests */
    uint64_t moved;                   /* not connected, and sent to another base URL at once */
    uint64_t connections;             /* opened so far */
    unsigned in_flight;
    unsigned usable; /* base URLs whose breaker is closed */
};

/* Checks the configuration and starts probing. Strings are copied. If a base URL is unusable
 * nothing is sent, and the state is "unreachable" for that reason, until thingworx_reconfigure puts
 * it right. `dns` may be NULL if every host is a numeric address. */
struct thingworx *thingworx_open(struct event_base *base, struct evdns_base *dns,
                                 const struct thingworx_config *config,
                                 struct thingworx_handlers handlers);

/* Whether a request may be sent now: room, not paused (or a trial is due), a base URL usable. */
bool thingworx_ready_to_send(const struct thingworx *tw, int64_t now_us);

/* POST <base URL>/Things/<thing>/Services/<service>; false, and nothing happens,
 * unless thingworx_ready_to_send.
 * `body` (JSON) stays the caller's and unchanged until answered. `refused_since_us`: 0, or the
 * time at which an earlier SUSPECT or CONFIGURATION answer about what is sent here arrived; keep
 * the first one while a batch is bisected. `answered` comes later, from the loop, exactly once.
 * Callbacks may call this. */
bool thingworx_post(struct thingworx *tw, struct slice thing, struct slice service,
                    struct slice body, int64_t refused_since_us, void *request_ctx, int64_t now_us);

/* The same for a request about many Things, or for another service (of the resource EntityServices
 * if `thing` is empty), which proves nothing about values: what its answer says of each is the
 * caller's to read, and to tell with thingworx_accepted. */
bool thingworx_post_bulk(struct thingworx *tw, struct slice thing, struct slice service,
                         struct slice body, void *request_ctx, int64_t now_us);
/* From within `answered` of such a request: it has written values of the Thing, which is evidence
 * of what its base URL can do. Two distinct Things are enough. */
void thingworx_accepted(struct thingworx *tw, const struct thingworx_answer *answer,
                        struct slice thing);

/* Another key: used from the next request on; a paused destination is tried at once. */
void thingworx_set_app_key(struct thingworx *tw, const char *app_key);

/* From now on; everything is copied. False with `err` if some of it cannot be used: then nothing is
 * trusted until it is set right, so that nothing goes out less secured than it was meant to. Not
 * from a callback. */
bool thingworx_set_security(struct thingworx *tw, const struct thingworx_security *security,
                            struct error *err);

/* Somebody says that it works again: everything that is waited for is tried at once. */
void thingworx_restart(struct thingworx *tw);

/* Base URLs, limits and time-outs anew; base URLs that stay keep what is known about them, and
 * requests under way go on. An app_key of NULL stays as it was. False with `err` (and nothing
 * changed) if a base URL is unusable. Not from a callback. */
bool thingworx_reconfigure(struct thingworx *tw, const struct thingworx_config *config,
                           struct error *err);

/* Cancels what is under way, without callbacks: the bodies are the caller's again. Not from a
 * callback. */
void thingworx_cancel(struct thingworx *tw);

struct thingworx_counters thingworx_count(const struct thingworx *tw);

/* The base URL of that number and its breaker's state; NULL behind the last. */
const char *thingworx_base_url(const struct thingworx *tw, size_t number,
                               enum breaker_state *state);

/* "ok", "paused" or "unreachable". */
const char *thingworx_state(const struct thingworx *tw);

/* Cancels what is under way and frees everything; no callbacks. Not from a callback. */
void thingworx_close(struct thingworx *tw);
