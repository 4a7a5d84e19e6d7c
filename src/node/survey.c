#include "node/survey.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "pg/connection.h"
#include "pg/host_list.h"
#include "store/server.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONNECT_MS = 2000,
    STATEMENT_MS = 1000,
    PATIENT_MS = 3000,
    SEEK_MS = 10000,      /* while a standby answers, which may be promoted any moment */
    ASK_AGAIN_MS = 250,   /* it costs a connection that is there already next to nothing */
    OPEN_AGAIN_MS = 1000, /* a host that has failed */
    NAME_SIZE = 96,
    DETAIL_SIZE = 2048
};

/* One host, and what it has said so far. */
struct probe {
    struct survey *survey;
    struct pg_connection *pg;
    struct primary_answer answer;
    int64_t failed_us;
    bool asking_again; /* it was read only; that stands until it answers anew */
    char why[512];     /* it cannot be used; "" while it can */
};

struct survey {
    struct survey_config config;
    struct survey_handlers handlers;
    struct pg_host_list hosts;
    struct probe probes[PG_HOSTS_MAX];
    struct primary_place known;
    struct event *timer;
    int64_t usable_us, deadline_us;
    bool looking, patient;
};

static void close_probes(struct survey *s)
{
    evtimer_del(s->timer);
    s->looking = false;
    for (size_t i = 0; i < s->hosts.count; i++) {
        struct pg_connection *pg = s->probes[i].pg;
        s->probes[i].pg = NULL; /* first: closing answers what was asked */
        pg_close(pg);
    }
}

static void explain_none(const struct survey *s, struct error *why)
{
    struct buffer text;
    buffer_init(&text, DETAIL_SIZE);
    bool left_behind = false;
    error_set(why, "no host of the connection string is a primary to work with");
    for (size_t i = 0; i < s->hosts.count; i++) {
        char name[NAME_SIZE];
        pg_host_name(&s->hosts.host[i], name, sizeof name);
        const char *said = s->probes[i].why;
        enum primary_state state = s->probes[i].answer.state;
        if (state == PRIMARY_WRITABLE) {
            said = "on a timeline that was left behind";
            left_behind = true;
        } else if (state == PRIMARY_READ_ONLY) {
            said = "read only";
        } else if (state == PRIMARY_ASKED) {
            said = "no answer";
        }
        (void)buffer_printf(&text, "%s%s: %s", i > 0 ? "; " : "", name, said);
    }
    error_detail(why, "%s", buffer_text(&text));
    buffer_free(&text);
    error_hint(why, left_behind
                        ? "Stop the old primary, and look why the new one is not reachable. If the "
                          "newer timeline was given up on purpose, restart the nodes."
                        : "The node tries again by itself; look whether a fail-over is under way.");
}

static void finish(struct survey *s)
{
    struct primary_answer answers[PG_HOSTS_MAX] = {0};
    for (size_t i = 0; i < s->hosts.count; i++)
        answers[i] = s->probes[i].answer;
    int best = primary_choose(&s->known, answers, s->hosts.count);
    close_probes(s);
    if (best >= 0) {
        struct primary_place place = answers[best].place;
        s->handlers.found(s->handlers.ctx, &s->hosts.host[best], &place);
        return;
    }
    struct error why;
    explain_none(s, &why);
    s->handlers.none(s->handlers.ctx, &why);
}

static void arm(struct survey *s, int64_t at_us, int64_t now_us)
{
    int64_t wait = at_us > now_us ? at_us - now_us : 0;
    struct timeval t = {.tv_sec = wait / SECOND_US, .tv_usec = wait % SECOND_US};
    evtimer_add(s->timer, &t);
}

static bool a_standby_answers(const struct survey *s)
{
    for (size_t i = 0; i < s->hosts.count; i++)
        if (s->probes[i].answer.state == PRIMARY_READ_ONLY)
            return true;
    return false;
}

static int64_t wake_up_us(const struct survey *s, int64_t now_us)
{
    if (s->usable_us != 0)
        return s->usable_us + PRIMARY_GRACE_US;
    int64_t again = now_us + ASK_AGAIN_MS * MS_US;
    return !s->patient && again < s->deadline_us ? again : s->deadline_us;
}

static void look_whether_done(struct survey *s)
{
    struct primary_answer answers[PG_HOSTS_MAX] = {0};
    int64_t now = clock_now_us();
    for (size_t i = 0; i < s->hosts.count; i++)
        answers[i] = s->probes[i].answer;
    bool usable = primary_choose(&s->known, answers, s->hosts.count) >= 0;
    if (!usable || s->patient)
        s->usable_us = 0;
    else if (s->usable_us == 0)
        s->usable_us = now;
    bool settled = primary_settled(&s->known, answers, s->hosts.count, s->usable_us, now);
    bool worth_waiting = !usable && !s->patient && a_standby_answers(s);
    if (now >= s->deadline_us || (settled && !worth_waiting))
        finish(s);
    else
        arm(s, wake_up_us(s, now), now);
}

/* ---- one host ----------------------------------------------------------------------------- */

static void failed(struct probe *probe, const struct error *why)
{
    if (probe->pg == NULL || probe->answer.state == PRIMARY_FAILED)
        return;
    probe->answer.state = PRIMARY_FAILED;
    probe->failed_us = clock_now_us();
    (void)snprintf(probe->why, sizeof probe->why, "%s",
                   why->detail[0] != '\0' ? why->detail : why->message);
    look_whether_done(probe->survey);
}

static void on_lost(void *ctx, const struct error *why)
{
    failed(ctx, why);
}

static void on_answer(void *ctx, const struct primary_answer *answer, const struct error *err)
{
    struct probe *probe = ctx;
    if (err != NULL) {
        failed(probe, err);
        return;
    }
    if (probe->pg == NULL)
        return;
    probe->answer = *answer;
    probe->asking_again = false;
    if (answer->state == PRIMARY_WRITABLE)
        log_debug(probe->survey->config.log, "a database host takes writes",
                  F_NUMBER("timeline", answer->place.timeline));
    look_whether_done(probe->survey);
}

static void on_up(void *ctx)
{
    struct probe *probe = ctx;
    if (probe->pg != NULL)
        store_server(probe->pg, on_answer, probe);
}

static void ask(struct survey *s, size_t i)
{
    struct probe *probe = &s->probes[i];
    char application[96], options[64];
    (void)snprintf(application, sizeof application, "holdfast %s survey", s->config.node);
    (void)snprintf(options, sizeof options, "-c statement_timeout=%d", STATEMENT_MS);
    struct pg_settings settings = {.conninfo = s->config.database,
                                   .application_name = application,
                                   .options = options,
                                   .host = &s->hosts.host[i],
                                   .any_server = true,
                                   .connect_timeout_us = CONNECT_MS * MS_US};
    struct pg_handlers handlers = {.ctx = probe, .up = on_up, .lost = on_lost};
    *probe = (struct probe){.survey = s, .answer.state = PRIMARY_ASKED};
    probe->pg = pg_open(s->config.base, s->config.dns, &settings, handlers, s->config.log);
}

/* No primary yet: whoever is read only may be promoted, and who has failed may be back. */
static void ask_again(struct survey *s)
{
    int64_t now = clock_now_us();
    for (size_t i = 0; i < s->hosts.count; i++) {
        struct probe *probe = &s->probes[i];
        if (probe->answer.state == PRIMARY_READ_ONLY && !probe->asking_again) {
            probe->asking_again = true;
            store_server(probe->pg, on_answer, probe);
        } else if (probe->answer.state == PRIMARY_FAILED &&
                   now - probe->failed_us >= OPEN_AGAIN_MS * MS_US) {
            struct pg_connection *pg = probe->pg;
            probe->pg = NULL; /* first, as above */
            pg_close(pg);
            ask(s, i);
        }
    }
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct survey *s = ctx;
    (void)fd;
    (void)what;
    if (!s->looking)
        return;
    if (!s->patient && s->usable_us == 0)
        ask_again(s);
    look_whether_done(s);
}

/* ---- the outside -------------------------------------------------------------------------- */

struct survey *survey_create(const struct survey_config *config, struct survey_handlers handlers)
{
    struct survey *s = xcalloc(1, sizeof *s);
    s->config = *config;
    s->handlers = handlers;
    pg_host_list_read(&s->hosts, config->database);
    s->timer = evtimer_new(config->base, on_timer, s);
    return s;
}

void survey_free(struct survey *s)
{
    if (s == NULL)
        return;
    close_probes(s);
    event_free(s->timer);
    pg_host_list_free(&s->hosts);
    free(s);
}

void survey_look(struct survey *s, bool patient)
{
    if (s->looking)
        return;
    if (!survey_has_choice(s)) {
        s->handlers.found(s->handlers.ctx, &s->hosts.host[0], NULL);
        return;
    }
    s->looking = true;
    s->patient = patient;
    s->usable_us = 0;
    int64_t now = clock_now_us();
    s->deadline_us = now + (patient ? PATIENT_MS : SEEK_MS) * MS_US;
    for (size_t i = 0; i < s->hosts.count; i++)
        ask(s, i);
    arm(s, wake_up_us(s, now), now);
}

void survey_cancel(struct survey *s)
{
    close_probes(s);
}

bool survey_has_choice(const struct survey *s)
{
    return s->hosts.count > 1;
}

const struct primary_place *survey_known(const struct survey *s)
{
    return &s->known;
}

void survey_saw(struct survey *s, const struct primary_place *place)
{
    primary_saw(&s->known, place);
}
