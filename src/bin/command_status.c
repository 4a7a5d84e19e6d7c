#include "base/clock.h"
#include "base/memory.h"
#include "bin/commands.h"
#include "bin/options.h"
#include "bin/page.h"
#include "bin/status_text.h"
#include "node/survey.h"
#include "pg/connection.h"
#include "store/overview.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* `holdfast status`: the cluster at a glance. It asks the views of a reader on a connection that
 * it keeps while it watches; after a fail-over it finds the primary by the list of hosts. */

enum { EVENTS = 8, DEADLINE_S = 15, CONNECT_S = 5 };

struct status {
    struct options options;
    struct event_base *base;
    struct evdns_base *dns;
    struct survey *survey;
    struct pg_connection *pg;
    struct event *deadline, *next, *signals[2];
    char *last;      /* the last answer; NULL: none yet */
    int64_t last_us; /* when it came */
    struct error why;
    int exit_status;
    bool coloured, live; /* live: a terminal that is drawn over */
    bool drawn;
};

/* ---- showing ------------------------------------------------------------------------------ */

/* Draws over what stands there, line by line: nothing is cleared first, so nothing flickers. What
 * does not fit on the screen is left out at its end. */
static void draw(struct status *s, struct page *page)
{
    struct winsize size = {0};
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    int rows = size.ws_row > 2 ? size.ws_row - 1 : 1000;
    struct buffer screen;
    buffer_init(&screen, 1 << 20);
    (void)buffer_append_text(&screen, s->drawn ? "\033[H" : "\033[2J\033[H");
    struct slice rest = buffer_slice(&page->text);
    while (rest.n > 0 && rows-- > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t n = end != NULL ? (size_t)(end - rest.p) : rest.n;
        (void)buffer_append(&screen, rest.p, n);
        (void)buffer_append_text(&screen, "\033[K\n");
        rest = end != NULL ? (struct slice){end + 1, rest.n - n - 1} : (struct slice){end, 0};
    }
    (void)buffer_append_text(&screen, "\033[J");
    (void)fwrite(screen.data, 1, screen.n, stdout);
    buffer_free(&screen);
    s->drawn = true;
}

static void put_error(struct page *page, const struct error *err)
{
    page_words(page, BAD, "cannot tell", 14, err->message);
    if (err->detail[0] != '\0')
        page_words(page, FAINT, "  why", 14, err->detail);
    if (err->hint[0] != '\0')
        page_words(page, FAINT, "  do", 14, err->hint);
}

static void show_text(struct status *s, bool fresh)
{
    struct page page;
    page_init(&page, s->coloured);
    if (!fresh)
        put_error(&page, &s->why);
    if (!fresh && s->last != NULL) {
        char age[64];
        (void)snprintf(age, sizeof age,
                       "%" PRId64 " s ago it was:", (clock_now_us() - s->last_us) / SECOND_US);
        page_end(&page);
        page_words(&page, FAINT, age, 0, "");
    }
    if (s->last != NULL)
        (void)status_text(&page, s->last);
    if (s->live) {
        draw(s, &page);
    } else {
        if (s->drawn)
            page_end(&page);
        (void)fwrite(page.text.data, 1, page.text.n, stdout);
        s->drawn = true;
    }
    page_free(&page);
}

static void put_member(struct buffer *to, const char *name, const char *text)
{
    (void)buffer_printf(to, ",\"%s\":\"", name);
    (void)buffer_append_json(to, slice_from(text));
    (void)buffer_append_text(to, "\"");
}

/* One object on one line; of one that failed only state and why. */
static void show_json(struct status *s, bool fresh)
{
    struct buffer text;
    buffer_init(&text, 1 << 16);
    if (!fresh) {
        (void)buffer_append_text(&text, "{\"state\":\"unknown\"");
        put_member(&text, "error", s->why.message);
        put_member(&text, "detail", s->why.detail);
        put_member(&text, "hint", s->why.hint);
        (void)buffer_append_text(&text, "}");
    }
    (void)printf("%s\n", fresh ? s->last : buffer_text(&text));
    buffer_free(&text);
}

/* ---- a round ------------------------------------------------------------------------------ */

static void begin(struct status *s);

/* The end of a round; `err` NULL: s->last is fresh. */
static void end(struct status *s, const struct error *err)
{
    evtimer_del(s->deadline);
    if (err != NULL) {
        s->why = *err;
        if (strstr(err->hint, "The node") != NULL) /* it tries again, we may not */
            error_hint(&s->why, "Check --database, and whether PostgreSQL runs, is reachable, and "
                                "is not in the middle of a fail-over.");
    }
    s->exit_status = err != NULL ? EXIT_FAILED : status_is_healthy(s->last) ? EXIT_DONE : EXIT_NO;
    if (s->options.json)
        show_json(s, err == NULL);
    else
        show_text(s, err == NULL);
    (void)fflush(stdout);
    if (s->options.watch)
        evtimer_add(s->next, &(struct timeval){.tv_sec = s->options.interval_s});
    else
        (void)event_base_loopbreak(s->base);
}

static void hang_up(struct status *s)
{
    struct pg_connection *pg = s->pg;
    s->pg = NULL;
    pg_close(pg);
    survey_cancel(s->survey);
}

static void on_answer(void *ctx, const char *json, const struct error *err)
{
    struct status *s = ctx;
    if (err == NULL) {
        free(s->last);
        s->last = xstrdup(json);
        s->last_us = clock_now_us();
        end(s, NULL);
    } else if (s->pg != NULL && err->code[0] != '\0') {
        end(s, err);
    } /* else the connection was lost, and says so */
}

static void on_up(void *ctx)
{
    struct status *s = ctx;
    store_overview(s->pg, EVENTS, on_answer, s);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct status *s = ctx;
    hang_up(s);
    if (evtimer_pending(s->deadline, NULL)) /* a round is under way */
        end(s, why);
}

static void on_found(void *ctx, const struct pg_host *host, const struct primary_place *place)
{
    struct status *s = ctx;
    (void)place;
    struct pg_settings settings = {.conninfo = s->options.database,
                                   .application_name = "holdfast status",
                                   .host = host,
                                   .connect_timeout_us = CONNECT_S * SECOND_US};
    struct pg_handlers handlers = {.ctx = s, .up = on_up, .lost = on_lost};
    s->pg = pg_open(s->base, s->dns, &settings, handlers, NULL);
}

static void on_none(void *ctx, const struct error *why)
{
    end(ctx, why);
}

static void begin(struct status *s)
{
    evtimer_add(s->deadline, &(struct timeval){.tv_sec = DEADLINE_S});
    if (s->pg != NULL)
        on_up(s);
    else
        survey_look(s->survey, false);
}

static void on_next(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    begin(ctx);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
    struct status *s = ctx;
    struct error err;
    (void)fd;
    (void)what;
    hang_up(s);
    error_set(&err, "the database does not answer");
    error_detail(&err, "Nothing came within %d s.", DEADLINE_S);
    error_hint(&err, "See whether it runs, whether something holds a lock on tables of the schema, "
                     "and the way to it.");
    end(s, &err);
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
    struct status *s = ctx;
    (void)number;
    (void)what;
    (void)event_base_loopbreak(s->base);
}

/* ---- life --------------------------------------------------------------------------------- */

static void run(struct status *s)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    s->base = event_base_new();
    s->dns = evdns_base_new(s->base,
                            EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (s->dns == NULL)
        s->dns = evdns_base_new(s->base, 0);
    (void)evdns_base_load_hosts(s->dns, "/etc/hosts");
    (void)signal(SIGPIPE, SIG_IGN);
    s->deadline = evtimer_new(s->base, on_deadline, s);
    s->next = evtimer_new(s->base, on_next, s);
    for (size_t i = 0; i < 2; i++) {
        s->signals[i] = evsignal_new(s->base, numbers[i], on_signal, s);
        event_add(s->signals[i], NULL);
    }
    struct survey_config survey = {
        .base = s->base, .dns = s->dns, .database = s->options.database, .node = "status"};
    s->survey = survey_create(
        &survey, (struct survey_handlers){.ctx = s, .found = on_found, .none = on_none});
    s->coloured = page_colours(stdout);
    s->live = s->options.watch && !s->options.json && isatty(STDOUT_FILENO) == 1;
    s->exit_status = EXIT_FAILED;
    begin(s);
    (void)event_base_dispatch(s->base);
    hang_up(s);
}

static void release(struct status *s)
{
    free(s->last);
    survey_free(s->survey);
    event_free(s->deadline);
    event_free(s->next);
    event_free(s->signals[0]);
    event_free(s->signals[1]);
    evdns_base_free(s->dns, 0);
    event_base_free(s->base);
    libevent_global_shutdown();
}

int command_status(int argc, char **argv)
{
    struct status status = {.last = NULL};
    struct error err;
    int result = EXIT_DONE;
    if (!options_parse(&status.options, "status", argc, argv, &err)) {
        result = usage_error(&err);
    } else if (status.options.help) {
        options_help("status", stdout);
    } else {
        run(&status);
        result = status.exit_status;
        release(&status);
    }
    options_free(&status.options);
    return result;
}
