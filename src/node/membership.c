#include "node/membership.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/cadence.h"
#include "core/lease.h"
#include "core/notice.h"
#include "core/retry.h"
#include "core/session.h"
#include "node/lines.h"
#include "node/schema_check.h"
#include "pg/connection.h"

#include <stdlib.h>
#include <string.h>

enum {
    POLL_GAP_MS = 100,    /* however many notices come */
    WATCH_MS = 800,       /* below deadlock_timeout: see holdfast.watch */
    WATCH_ALONE_MS = 500, /* nobody to watch: look again */
    RETRY_BASE_MS = 100,
    RETRY_CAP_MS = 1500, /* so that a new primary is found soon */
    TEND_MS = 1000
};

struct membership {
    struct membership_config config;
    struct membership_handlers handlers;
    struct random *random;
    struct log *log;
    enum session_state state;
    struct lease lease;
    struct lines *lines;
    struct store_joined session;
    char key[SESSION_KEY_TEXT];
    int64_t highest_token;
    int64_t join_sent_us, retry_at_us, poll_at_us, poll_sent_us, watch_at_us, tend_at_us;
    int64_t ping_us, live_sessions;
    int64_t refresh_sent_us, sweep_sent_us, asked_us;
    unsigned attempts;
    int64_t config_version, assignment_version, binding_version;
    bool polling, refreshing, refresh_again, watching, configuring, tending;
    bool leader, confirming;
    int64_t leader_token;
};

static void step(struct membership *m, enum session_event event, const struct error *why);

/* ---- what comes back ---------------------------------------------------------------------- */

/* An ordinary SQL error on a live session is no doubt about the lease. */
static void call_failed(struct membership *m, const char *what, const struct error *err)
{
    if (m->state != SESSION_LIVE || err->code[0] == '\0')
        return; /* the connection's own handler says it */
    if (strcmp(err->code, HF_SESSION_ENDED) == 0) {
        step(m, SESSION_ENDED, err);
        return;
    }
    if (strcmp(err->code, HF_NOT_LEADER) != 0)
        log_error(m->log, what, err, F_NUMBER("session", m->session.session_id));
}

static void on_assignment(void *ctx, const struct store_assigned *rows, size_t count,
                          const struct error *err)
{
    struct membership *m = ctx;
    m->refreshing = false;
    if (err != NULL) {
        /* The next poll asks again: without that a grant would stay unknown to its owner. */
        m->assignment_version = -1;
        m->refresh_again = false;
        call_failed(m, "could not read the assignment", err);
        return;
    }
    if (m->state != SESSION_LIVE)
        return;
    for (size_t i = 0; i < count; i++)
        membership_saw_token(m, rows[i].token);
    m->asked_us = m->refresh_sent_us;
    m->handlers.assignment(m->handlers.ctx, rows, count);
    if (m->refresh_again) {
        m->refresh_again = false;
        membership_refresh(m);
    }
}

void membership_refresh(struct membership *m)
{
    if (m->state != SESSION_LIVE)
        return;
    if (m->refreshing) {
        m->refresh_again = true;
        return;
    }
    m->refreshing = true;
    m->refresh_sent_us = clock_now_us();
    store_assignment(lines_get(m->lines, LINE_WORK), m->key, on_assignment, m);
}

static void on_configuration(void *ctx, struct configuration *configuration,
                             const struct error *err)
{
    struct membership *m = ctx;
    m->configuring = false;
    if (err != NULL) {
        call_failed(m, "could not read the configuration", err);
        return;
    }
    m->config_version = configuration->version;
    m->handlers.configuration(m->handlers.ctx, configuration);
}

static void configure(struct membership *m)
{
    if (m->configuring)
        return;
    m->configuring = true;
    store_configuration(lines_get(m->lines, LINE_WORK), m->key, on_configuration, m);
}

static void set_leader(struct membership *m, bool leader, int64_t token)
{
    if (m->leader == leader && m->leader_token == token)
        return;
    m->leader = leader;
    m->leader_token = token;
    if (leader) {
        membership_saw_token(m, token);
        log_info(m->log, "leading the cluster", F_NUMBER("token", token));
        m->tend_at_us = 0;
    } else {
        log_info(m->log, "not leading any more");
    }
    m->handlers.leader(m->handlers.ctx, leader, token);
}

static void on_poll(void *ctx, const struct store_poll *poll, const struct error *err)
{
    struct membership *m = ctx;
    m->polling = false;
    if (err != NULL) {
        call_failed(m, "could not poll the database", err);
        return;
    }
    if (m->state != SESSION_LIVE)
        return;
    m->live_sessions = poll->live_sessions;
    set_leader(m, poll->leader, poll->leader ? poll->leader_token : 0);
    if (poll->config_version != m->config_version)
        configure(m);
    if (poll->assignment_version != m->assignment_version) {
        m->assignment_version = poll->assignment_version;
        membership_refresh(m);
    }
    if (poll->binding_version != m->binding_version) {
        m->binding_version = poll->binding_version;
        m->handlers.bindings_changed(m->handlers.ctx);
    }
    if (poll->replays)
        m->handlers.replays_wanted(m->handlers.ctx);
}

static void poll_now(struct membership *m)
{
    if (m->polling || m->state != SESSION_LIVE)
        return;
    m->polling = true;
    m->poll_sent_us = clock_now_us();
    m->poll_at_us = m->poll_sent_us + membership_cadence_us(m);
    store_poll(lines_get(m->lines, LINE_WORK), m->key, on_poll, m);
}

/* ---- the watch ---------------------------------------------------------------------------- */

/* Whether there is something to be done about the answer. */
static bool watch_answered(struct membership *m, const char *failure, const struct error *err)
{
    m->watching = false;
    m->watch_at_us = 0;
    if (err != NULL) {
        call_failed(m, failure, err);
        m->watch_at_us = clock_now_us() + WATCH_ALONE_MS * MS_US;
    }
    return err == NULL && m->state == SESSION_LIVE;
}

static void on_sweep(void *ctx, const struct store_assigned *rows, size_t count,
                     const struct error *err)
{
    struct membership *m = ctx;
    if (!watch_answered(m, "could not sweep", err))
        return;
    for (size_t i = 0; i < count; i++)
        membership_saw_token(m, rows[i].token);
    m->asked_us = m->sweep_sent_us;
    m->handlers.assignment(m->handlers.ctx, rows, count);
    poll_now(m);
}

static void on_watch(void *ctx, const char *what, const struct error *err)
{
    struct membership *m = ctx;
    if (!watch_answered(m, "could not watch the predecessor", err))
        return;
    if (strcmp(what, "died") == 0) {
        m->watching = true;
        m->sweep_sent_us = clock_now_us();
        store_sweep(lines_get(m->lines, LINE_WATCH), m->key, on_sweep, m);
        return;
    }
    if (strcmp(what, "alone") == 0)
        m->watch_at_us = clock_now_us() + WATCH_ALONE_MS * MS_US;
    else
        membership_tick(m, clock_now_us());
}

static void watch(struct membership *m)
{
    m->watching = true;
    store_watch(lines_get(m->lines, LINE_WATCH), m->key, WATCH_MS, on_watch, m);
}

/* ---- the leader's timer ------------------------------------------------------------------- */

static void on_tend(void *ctx, int64_t again_ms, const struct error *err)
{
    struct membership *m = ctx;
    m->tending = false;
    int64_t wait = err != NULL || again_ms < 0 || again_ms > TEND_MS ? TEND_MS : again_ms;
    m->tend_at_us = clock_now_us() + wait * MS_US;
    if (err != NULL)
        call_failed(m, "could not tend the cluster", err);
}

/* ---- pings -------------------------------------------------------------------------------- */

static void on_ping(void *ctx, int64_t pid, const struct error *err)
{
    struct membership *m = ctx;
    int64_t now = clock_now_us();
    if (m->state != SESSION_LIVE && m->state != SESSION_LEAVING)
        return;
    if (err != NULL) {
        /* The backend has answered, so it lives and holds its lock; without an answer the
         * connection is lost, and its handler says so. */
        if (err->code[0] != '\0')
            lease_ping_answered(&m->lease);
        return;
    }
    if (pid != lines_backend_pid(m->lines, LINE_LEASE)) {
        lines_give_up(m->lines, m->key);
        return;
    }
    m->ping_us = now - m->lease.sent_us;
    lease_ping_answered(&m->lease);
    if (m->confirming && lease_trusted(&m->lease, now)) {
        m->confirming = false;
        m->handlers.confirmed(m->handlers.ctx);
    }
}

static void ping(struct membership *m, int64_t now_us)
{
    lease_ping_sent(&m->lease, now_us);
    store_ping(lines_get(m->lines, LINE_LEASE), on_ping, m);
}

void membership_confirm(struct membership *m, int64_t now_us)
{
    m->confirming = true;
    if (m->state == SESSION_LIVE && m->lease.sent_us == 0)
        ping(m, now_us);
}

/* ---- carrying out ------------------------------------------------------------------------- */

static void on_up(void *ctx)
{
    step(ctx, SESSION_CONNECTED, NULL);
}

static void on_lost(void *ctx, const struct error *why)
{
    step(ctx, SESSION_LOST, why);
}

static void on_notified(void *ctx, const char *payload)
{
    struct membership *m = ctx;
    if (m->state != SESSION_LIVE)
        return;
    struct notice notice = notice_read(payload, m->session.session_id, m->leader);
    if (notice.refresh)
        membership_refresh(m);
    if (notice.tend)
        m->tend_at_us = 0;
    if (notice.poll) /* the tick asks */
        m->poll_at_us = m->poll_sent_us + POLL_GAP_MS * MS_US;
    membership_tick(m, clock_now_us());
}

/* What a stale primary says of our grants is no confirmation. */
static void on_looked(void *ctx, const struct error *why)
{
    struct membership *m = ctx;
    if (why != NULL)
        step(m, SESSION_LEFT_BEHIND, why);
    else
        membership_refresh(m);
}

static void close_all(struct membership *m)
{
    lines_close(m->lines);
    m->polling = m->refreshing = m->refresh_again = m->watching = false;
    m->configuring = m->tending = false;
}

static void on_schema(void *ctx, enum schema_verdict verdict, const struct error *why)
{
    struct membership *m = ctx;
    if (m->state != SESSION_CHECKING)
        return;
    /* A node that has been in the cluster stays in it while a rolling upgrade migrates the
     * database: signatures never change in place, and join states the protocol's version. */
    bool stays = verdict == SCHEMA_OTHER && m->key[0] != '\0';
    if (why != NULL && (stays || verdict == SCHEMA_KNOWN))
        log_failure(m->log, LOG_WARNING, "the schema was migrated under this node", why, NULL);
    if (stays || verdict == SCHEMA_KNOWN)
        step(m, SESSION_SCHEMA_KNOWN, NULL);
    else
        step(m, SESSION_SCHEMA_UNKNOWN, why);
}

static void on_joined(void *ctx, const struct store_joined *joined, const struct error *err)
{
    struct membership *m = ctx;
    if (m->state != SESSION_JOINING)
        return;
    if (err != NULL) {
        step(m, SESSION_REFUSED, err);
        return;
    }
    struct error why;
    if (!lines_joined(m->lines, &joined->place, &why)) {
        step(m, SESSION_REFUSED, &why);
        return;
    }
    m->session = *joined;
    memcpy(m->key, joined->session_key, sizeof m->key);
    lease_taken(&m->lease, m->join_sent_us, clock_now_us());
    step(m, SESSION_JOINED, NULL);
}

static void join(struct membership *m)
{
    struct store_join join = {.node = m->config.node,
                              .previous_key = m->key[0] != '\0' ? m->key : NULL,
                              .highest_token = m->highest_token,
                              .capacity = m->config.capacity,
                              .ttl_ms = m->config.ttl_ms,
                              .watch_pid = lines_backend_pid(m->lines, LINE_WATCH),
                              .work_pid = lines_backend_pid(m->lines, LINE_WORK)};
    m->join_sent_us = clock_now_us();
    store_join(lines_get(m->lines, LINE_LEASE), &join, on_joined, m);
}

static void begin(struct membership *m)
{
    m->attempts = 0;
    m->config_version = m->assignment_version = m->binding_version = -1;
    m->watch_at_us = 0;
    log_info(m->log, "joined the cluster", F_NUMBER("session", m->session.session_id),
             F_NUMBER("timeline", m->session.place.timeline),
             F_TEXT("incarnation", m->session.incarnation));
    store_listen(lines_get(m->lines, LINE_WORK), NULL, m);
    m->handlers.live(m->handlers.ctx);
    if (m->confirming && lease_trusted(&m->lease, clock_now_us())) {
        m->confirming = false;
        m->handlers.confirmed(m->handlers.ctx);
    }
    configure(m);
    membership_refresh(m);
    poll_now(m);
    watch(m);
}

static void back_off(struct membership *m)
{
    m->retry_at_us = clock_now_us() + retry_delay_us(m->attempts++, RETRY_BASE_MS * MS_US,
                                                     RETRY_CAP_MS * MS_US, m->random);
}

static void on_left(void *ctx, const struct error *err)
{
    struct membership *m = ctx;
    if (err != NULL && m->state == SESSION_LEAVING)
        log_error(m->log, "could not leave cleanly", err);
    step(m, SESSION_LEFT, NULL);
}

static void doubt(struct membership *m)
{
    lease_lost(&m->lease);
    set_leader(m, false, 0);
    m->handlers.doubt(m->handlers.ctx);
}

static void carry_out(struct membership *m, unsigned actions)
{
    if (actions & SESSION_DO_CONNECT)
        lines_open(m->lines);
    if (actions & SESSION_DO_CHECK)
        schema_check(lines_get(m->lines, LINE_WORK), m->config.schema_version,
                     m->config.schema_digest, on_schema, m);
    if (actions & SESSION_DO_JOIN)
        join(m);
    if (actions & SESSION_DO_BEGIN)
        begin(m);
    if (actions & SESSION_DO_DOUBT)
        doubt(m);
    if (actions & SESSION_DO_CLOSE)
        close_all(m);
    if (actions & SESSION_DO_BACK_OFF)
        back_off(m);
    if (actions & SESSION_DO_LEAVE)
        store_leave(lines_get(m->lines, LINE_WORK), m->key, on_left, m);
    if (actions & SESSION_DO_END)
        m->handlers.gone(m->handlers.ctx);
}

static void step(struct membership *m, enum session_event event, const struct error *why)
{
    const struct session_edge *edge = session_step(m->state, event);
    if (edge == NULL)
        return;
    bool trouble = why != NULL && event != SESSION_LEAVE;
    bool first = m->attempts == 0 || event == SESSION_REFUSED || event == SESSION_SCHEMA_UNKNOWN;
    if (trouble)
        log_failure(m->log, first ? LOG_ERROR : LOG_WARNING, edge->sentence, why,
                    (struct log_field[]){F_TEXT("from", session_state_name(edge->from)),
                                         F_TEXT("to", session_state_name(edge->to)),
                                         F_NUMBER("attempt", m->attempts),
                                         {.key = NULL}});
    else
        log_debug(m->log, edge->sentence, F_TEXT("from", session_state_name(edge->from)),
                  F_TEXT("to", session_state_name(edge->to)));
    m->state = edge->to;
    carry_out(m, edge->actions);
}

/* ---- the outside -------------------------------------------------------------------------- */

struct membership *membership_open(struct event_base *base, struct evdns_base *dns,
                                   const struct membership_config *config,
                                   struct membership_handlers handlers, struct random *random,
                                   struct log *log)
{
    struct membership *m = xcalloc(1, sizeof *m);
    *m = (struct membership){.config = *config,
                             .handlers = handlers,
                             .random = random,
                             .log = log,
                             .state = SESSION_AWAY};
    struct lines_config lines = {
        base, dns, log, random, config->database, config->node, config->ttl_ms, config->metrics};
    struct lines_handlers line_handlers = {
        .ctx = m, .up = on_up, .lost = on_lost, .notified = on_notified, .looked = on_looked};
    m->lines = lines_create(&lines, line_handlers);
    lease_init(&m->lease, config->ttl_ms * MS_US);
    return m;
}

void membership_free(struct membership *m)
{
    if (m == NULL)
        return;
    m->state = SESSION_GONE;
    lines_free(m->lines);
    free(m);
}

void membership_tick(struct membership *m, int64_t now_us)
{
    if (m->state == SESSION_AWAY && now_us >= m->retry_at_us)
        step(m, SESSION_RETRY_DUE, NULL);
    if (m->state != SESSION_LIVE && m->state != SESSION_LEAVING)
        return;
    if (lease_doubtful(&m->lease, now_us)) {
        struct error why;
        error_set(&why, "the database did not answer a ping in time");
        error_hint(&why, "Check the network to the database, its load, and this node's stalls.");
        step(m, SESSION_TRUST_EXPIRED, &why);
        return;
    }
    if (lease_ping_due(&m->lease, now_us))
        ping(m, now_us);
    if (m->state != SESSION_LIVE)
        return;
    lines_tick(m->lines, now_us);
    if (now_us >= m->poll_at_us)
        poll_now(m);
    if (!m->watching && now_us >= m->watch_at_us)
        watch(m);
    int64_t token;
    if (!m->tending && now_us >= m->tend_at_us && membership_leads(m, now_us, &token)) {
        m->tending = true;
        store_tend(lines_get(m->lines, LINE_WORK), m->key, token, on_tend, m);
    }
}

struct pg_connection *membership_work(const struct membership *m)
{
    return m->state == SESSION_LIVE ? lines_get(m->lines, LINE_WORK) : NULL;
}

const char *membership_key(const struct membership *m)
{
    return m->key;
}

bool membership_trusted(const struct membership *m, int64_t now_us)
{
    return m->state == SESSION_LIVE && lease_trusted(&m->lease, now_us);
}

int64_t membership_remaining_trust_us(const struct membership *m, int64_t now_us)
{
    return lease_remaining_us(&m->lease, now_us);
}

bool membership_leads(const struct membership *m, int64_t now_us, int64_t *token)
{
    /* After a slow join the lease is held, but not yet trusted. */
    if (!m->leader || !membership_trusted(m, now_us))
        return false;
    *token = m->leader_token;
    return true;
}

const char *membership_state(const struct membership *m)
{
    return session_state_name(m->state);
}

int membership_session_id(const struct membership *m)
{
    return m->session.session_id;
}

int64_t membership_ping_us(const struct membership *m)
{
    return m->ping_us;
}

int64_t membership_cadence_us(const struct membership *m)
{
    return cadence_us(m->live_sessions);
}

void membership_saw_token(struct membership *m, int64_t token)
{
    if (token > m->highest_token)
        m->highest_token = token;
}

int64_t membership_asked_us(const struct membership *m)
{
    return m->asked_us;
}

bool membership_looked_since(struct membership *m, int64_t since_us)
{
    return lines_looked_since(m->lines, since_us);
}

void membership_ended(struct membership *m)
{
    struct error why;
    error_set(&why, "the database says that this session has ended");
    error_hint(&why, "Another node has buried it, or an administrator ended it; joining anew.");
    step(m, SESSION_ENDED, &why);
}

void membership_leave(struct membership *m)
{
    step(m, SESSION_LEAVE, NULL);
}
