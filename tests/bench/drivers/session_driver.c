/* Many sessions in one process: the node's own membership, three connections each, without hubs and
 * telemetry. What the sessions own is counted, and not read.
 *
 *     HOLDFAST_DATABASE=... HOLDFAST_SQL_DIR=... session-driver PREFIX COUNT TTL_MS START_MS
 *
 * The sessions start evenly over START_MS. Since SIGUSR1 every session calls report() as often as a
 * node does. Prints "live N", "owned N" and "lost N" when one of them changes, and ends, without
 * leaving, with its parent or by a signal. */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "node/membership.h"
#include "pg/migrate.h"
#include "store/progress.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

enum { TICK_MS = 50, NAME_BYTES = 64 };

struct driver;

struct member {
    struct driver *driver;
    struct membership *membership;
    char name[NAME_BYTES];
    size_t owned;
    int64_t start_at_us, report_at_us;
};

struct driver {
    struct event_base *base;
    struct evdns_base *dns;
    struct random random;
    struct log *log;
    int schema_version;
    char schema_digest[65];
    int ttl_ms;
    int64_t start_us;
    bool reporting;
    size_t count;
    struct member *members;
    size_t live, owned, lost;
    size_t said_live, said_owned, said_lost;
};

static void on_live(void *ctx)
{
    struct member *member = ctx;
    member->driver->live++;
}

static void on_doubt(void *ctx)
{
    struct member *member = ctx;
    struct driver *driver = member->driver;
    driver->live--;
    driver->lost++;
    driver->owned -= member->owned;
    member->owned = 0;
}

static void on_assignment(void *ctx, const struct store_assigned *rows, size_t count)
{
    struct member *member = ctx;
    (void)rows;
    member->driver->owned += count - member->owned;
    member->owned = count;
}

static void on_configuration(void *ctx, struct configuration *configuration)
{
    (void)ctx;
    configuration_free(configuration);
}

static void on_leader(void *ctx, bool leader, int64_t token)
{
    const struct member *member = ctx;
    (void)token;
    if (leader)
        printf("leader %s\n", member->name);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static void on_reported(void *ctx, const struct error *err)
{
    const struct member *member = ctx;
    if (err != NULL && err->code[0] != '\0')
        log_error(member->driver->log, "could not report", err);
}

static void report(struct member *member, int64_t now_us)
{
    struct pg_connection *work = membership_work(member->membership);
    if (work == NULL || now_us < member->report_at_us)
        return;
    member->report_at_us = now_us + membership_cadence_us(member->membership);
    /* As long as a node's. */
    store_report(
        work, membership_key(member->membership),
        "{\"events_delivered\":0,\"values_delivered\":0,\"dead_letters\":0,\"in_flight\":0,"
        "\"events_per_second\":0,\"loop_stall_max_ms\":0,\"rss_kib\":38912,"
        "\"bindings_cached\":0,\"destinations\":{},\"hubs\":{}}",
        NULL, 0, on_reported, member);
}

static void say(const char *what, size_t *said, size_t now)
{
    if (*said == now)
        return;
    *said = now;
    printf("%s %zu\n", what, now);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct driver *driver = ctx;
    (void)fd;
    (void)what;
    int64_t now_us = clock_now_us();
    for (size_t i = 0; i < driver->count; i++) {
        if (now_us < driver->members[i].start_at_us)
            continue;
        membership_tick(driver->members[i].membership, now_us);
        if (driver->reporting)
            report(&driver->members[i], now_us);
    }
    say("lost", &driver->said_lost, driver->lost);
    say("live", &driver->said_live, driver->live);
    say("owned", &driver->said_owned, driver->owned);
    (void)fflush(stdout);
}

static void on_signal(evutil_socket_t fd, short what, void *ctx)
{
    struct driver *driver = ctx;
    (void)fd;
    (void)what;
    driver->reporting = true;
    for (size_t i = 0; i < driver->count; i++) {
        struct member *member = &driver->members[i];
        member->report_at_us = clock_now_us() + membership_cadence_us(member->membership) *
                                                    (int64_t)i / (int64_t)driver->count;
    }
}

static void start(struct driver *driver, struct member *member, const char *prefix, size_t number,
                  const char *database)
{
    member->driver = driver;
    (void)snprintf(member->name, sizeof member->name, "%s-%03zu", prefix, number);
    /* Not all in one moment. */
    int64_t place = (int64_t)number, of = (int64_t)driver->count;
    member->start_at_us = clock_now_us() + driver->start_us * place / of;
    struct membership_config config = {.database = database,
                                       .node = member->name,
                                       .ttl_ms = driver->ttl_ms,
                                       .capacity = 1,
                                       .schema_version = driver->schema_version,
                                       .schema_digest = driver->schema_digest};
    struct membership_handlers handlers = {.ctx = member,
                                           .live = on_live,
                                           .doubt = on_doubt,
                                           .assignment = on_assignment,
                                           .configuration = on_configuration,
                                           .bindings_changed = nothing,
                                           .replays_wanted = nothing,
                                           .leader = on_leader,
                                           .confirmed = nothing,
                                           .gone = nothing};
    member->membership =
        membership_open(driver->base, driver->dns, &config, handlers, &driver->random, driver->log);
}

static bool open_loop(struct driver *driver)
{
    driver->base = event_base_new();
    if (driver->base == NULL)
        return false;
    driver->dns = evdns_base_new(driver->base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                                   EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    return driver->dns != NULL;
}

int main(int argc, char **argv)
{
    static const struct timeval every = {0, TICK_MS * MS_US};
    struct driver driver = {0};
    struct error err;
    const char *database = getenv("HOLDFAST_DATABASE");
    const char *folder = getenv("HOLDFAST_SQL_DIR");
    if (argc != 5 || database == NULL || folder == NULL) {
        fputs("usage: session-driver PREFIX COUNT TTL_MS START_MS\n", stderr);
        return 2;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    driver.count = (size_t)strtoul(argv[2], NULL, 10);
    driver.ttl_ms = (int)strtol(argv[3], NULL, 10);
    driver.start_us = strtol(argv[4], NULL, 10) * MS_US;
    driver.log = log_open(stderr, LOG_LOGFMT, LOG_WARNING, argv[1]);
    driver.members = xcalloc(driver.count, sizeof *driver.members);
    random_seed(&driver.random, (uint64_t)clock_wall_us());
    if (!migrate_expected(folder, &driver.schema_version, driver.schema_digest, &err) ||
        !open_loop(&driver)) {
        log_error(driver.log, "could not start", &err);
        return 1;
    }
    for (size_t i = 0; i < driver.count; i++)
        start(&driver, &driver.members[i], argv[1], i + 1, database);
    struct event *tick = event_new(driver.base, -1, EV_PERSIST, on_tick, &driver);
    struct event *signalled = evsignal_new(driver.base, SIGUSR1, on_signal, &driver);
    if (tick == NULL || signalled == NULL)
        return 1;
    (void)event_add(signalled, NULL);
    (void)event_add(tick, &every);
    (void)event_base_dispatch(driver.base);
    return 0;
}
