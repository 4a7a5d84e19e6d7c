/* What posting alone costs: reads events from stdin, lines of "Thing TAB body", makes the request
 * bodies that a node would send of them, and then posts these from memory again and again, with the
 * node's own HTTP code and nothing else of it.
 *
 *     SINK_KEY=... sink-driver bulk|per_thing BASE_URL EVENTS IN_FLIGHT EVENTS_PER_REQUEST
 *
 * In bulk mode a request takes so many events as they come, else those of one Thing that follow
 * each other. Prints one line of JSON: events, requests, microseconds of CPU and of time. */
#include "base/clock.h"
#include "base/memory.h"
#include "core/bulk_body.h"
#include "core/parcel.h"
#include "core/translate.h"
#include "core/update_body.h"
#include "thingworx/http.h"
#include "thingworx/path.h"
#include "thingworx/request_headers.h"

#include <event2/event.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 1 << 20, URL_MAX = 1024, TIMEOUT_MS = 60000 };

struct body {
    struct buffer url, text;
    uint64_t events;
    char *thing;
};

struct driver {
    struct event_base *base;
    struct http *http;
    struct http_headers *headers;
    const char *base_url;
    bool bulk;
    struct body *bodies;
    size_t count, next;
    uint64_t wanted, posted, answered, requests, failed, per_request;
};

/* ---- bodies ---- */

static struct body *body_begin(struct driver *driver, const char *thing)
{
    driver->bodies = xrealloc(driver->bodies, (driver->count + 1) * sizeof *driver->bodies);
    struct body *body = &driver->bodies[driver->count++];
    *body = (struct body){.thing = xstrdup(thing)};
    buffer_init(&body->url, URL_MAX);
    buffer_init(&body->text, BODY_MAX);
    (void)buffer_printf(&body->url, "%s/Things/", driver->base_url);
    path_append(&body->url, slice_from(driver->bulk ? BULK_THING : thing));
    (void)buffer_printf(&body->url, "/Services/%s",
                        driver->bulk ? BULK_SERVICE : "UpdatePropertyValues");
    if (driver->bulk)
        bulk_body_begin(&body->text);
    else
        update_body_begin(&body->text);
    return body;
}

static void body_end(const struct driver *driver, struct body *body)
{
    if (driver->bulk)
        bulk_body_end(&body->text);
    else
        update_body_end(&body->text);
}

static struct body *body_for(struct driver *driver, const char *thing)
{
    struct body *last = driver->count > 0 ? &driver->bodies[driver->count - 1] : NULL;
    bool fits = last != NULL && last->events < driver->per_request &&
                (driver->bulk || strcmp(last->thing, thing) == 0);
    if (fits)
        return last;
    if (last != NULL)
        body_end(driver, last);
    return body_begin(driver, thing);
}

static bool add_event(struct driver *driver, struct rows *rows, char *line)
{
    struct error why;
    struct translate_rules rules = {{NULL, 0}};
    char *body_text = line;
    const char *thing = strsep(&body_text, "\t");
    if (body_text == NULL ||
        !translate(slice_from(body_text), clock_wall_us() / MS_US, &rules, rows, &why))
        return false;
    struct parcel_origin origin = {.partition = NULL};
    struct parcel *parcel = parcel_create(rows, &origin);
    struct body *body = body_for(driver, thing);
    uint32_t n = driver->bulk ? bulk_body_rows(&body->text, slice_from(thing), parcel,
                                               parcel->row_count, BODY_MAX)
                              : update_body_rows(&body->text, parcel, parcel->row_count, BODY_MAX);
    bool whole = n == parcel->row_count;
    body->events++;
    parcel_free(parcel);
    return whole;
}

static bool read_events(struct driver *driver)
{
    struct rows rows;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    bool ok = true;
    rows_init(&rows);
    while (ok && (n = getline(&line, &capacity, stdin)) > 0) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        ok = add_event(driver, &rows, line);
    }
    if (driver->count > 0)
        body_end(driver, &driver->bodies[driver->count - 1]);
    free(line);
    rows_free(&rows);
    return ok && driver->count > 0;
}

/* ---- posting ---- */

static void post_next(struct driver *driver);

static void on_done(void *ctx, const struct http_result *result)
{
    struct driver *driver = ctx;
    driver->requests++;
    if (result->outcome != HTTP_ANSWERED || result->status != 200)
        driver->failed++;
    post_next(driver);
    if (driver->requests == driver->answered)
        (void)event_base_loopbreak(driver->base);
}

/* `answered` counts the answers that are to come in all. */
static void post_next(struct driver *driver)
{
    if (driver->posted >= driver->wanted)
        return;
    struct body *body = &driver->bodies[driver->next];
    driver->next = (driver->next + 1) % driver->count;
    driver->posted += body->events;
    driver->answered++;
    http_send(driver->http, &(struct http_request){.url = buffer_text(&body->url),
                                                   .post = true,
                                                   .body = buffer_slice(&body->text),
                                                   .headers = driver->headers,
                                                   .connect_timeout_ms = TIMEOUT_MS,
                                                   .timeout_ms = TIMEOUT_MS,
                                                   .done = on_done,
                                                   .ctx = driver});
}

static void run(struct driver *driver, unsigned in_flight)
{
    const char *key = getenv("SINK_KEY");
    driver->base = event_base_new();
    driver->http = http_open(driver->base, in_flight, NULL, NULL);
    driver->headers = request_headers_create("sink-driver", key != NULL ? key : "");
    int64_t cpu_us = clock_cpu_us(), began_us = clock_now_us();
    for (unsigned i = 0; i < in_flight; i++)
        post_next(driver);
    (void)event_base_dispatch(driver->base);
    cpu_us = clock_cpu_us() - cpu_us;
    printf("{\"events\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"failed\":%" PRIu64
           ",\"cpu_us\":%" PRId64 ",\"wall_us\":%" PRId64 "}\n",
           driver->posted, driver->requests, driver->failed, cpu_us, clock_now_us() - began_us);
    http_close(driver->http);
    http_headers_release(driver->headers);
    event_base_free(driver->base);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        (void)fputs("usage: sink-driver bulk|per_thing BASE_URL EVENTS IN_FLIGHT "
                    "EVENTS_PER_REQUEST\n",
                    stderr);
        return 2;
    }
    struct driver driver = {.bulk = strcmp(argv[1], "bulk") == 0,
                            .base_url = argv[2],
                            .wanted = strtoull(argv[3], NULL, 10),
                            .per_request = strtoull(argv[5], NULL, 10)};
    bool ok = read_events(&driver);
    if (ok)
        run(&driver, (unsigned)strtoul(argv[4], NULL, 10));
    else
        (void)fputs("sink-driver: no events, or one that cannot be read\n", stderr);
    for (size_t i = 0; i < driver.count; i++) {
        buffer_free(&driver.bodies[i].url);
        buffer_free(&driver.bodies[i].text);
        free(driver.bodies[i].thing);
    }
    free(driver.bodies);
    return ok && driver.failed == 0 ? 0 : 1;
}
