/* A node's cache of bindings: resolves DEVICES devices through the database, then looks them up.
 *
 *     HOLDFAST_DATABASE=... HOLDFAST_SQL_DIR=... binding-driver FLEET DEVICES SECONDS
 *
 * The devices are device-0000000 onwards. Prints one line of JSON: how long loading took, resident
 * memory before and after, and look-ups per second of CPU in random order. */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "node/binder.h"
#include "node/membership.h"
#include "node/parts.h"
#include "pg/migrate.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { TICK_MS = 20 /* as a node */, ASK_AHEAD = 4000, TTL_MS = 5000 };

struct driver {
    struct node_parts parts;
    const char *fleet;
    size_t devices, next, answered, found;
    double seconds;
    int64_t began_us, loaded_us, before_kib;
    bool live;
};

static int64_t resident_kib(void)
{
    char text[128];
    FILE *file = fopen("/proc/self/statm", "re");
    const char *read = file ? fgets(text, sizeof text, file) : NULL;
    if (file != NULL)
        (void)fclose(file);
    /* The second number. */
    const char *pages = read ? strchr(read, ' ') : NULL;
    return pages ? strtol(pages, NULL, 10) * sysconf(_SC_PAGESIZE) / 1024 : 0;
}

static enum binding_state find(struct driver *driver, size_t number)
{
    char name[32];
    const struct lane_key *key;
    int n = snprintf(name, sizeof name, "device-%07zu", number);
    return binder_find(driver->parts.binder, driver->fleet, (struct slice){name, (size_t)n},
                       SLICE_LITERAL(""), &key);
}

static void finish(struct driver *driver)
{
    int64_t after_kib = resident_kib();
    uint64_t lookups = 0;
    int64_t began_us = clock_cpu_us();
    int64_t until_us = began_us + (int64_t)(driver->seconds * 1e6);
    while (clock_cpu_us() < until_us) {
        for (int i = 0; i < 1000; i++)
            driver->found +=
                find(driver, random_below(&driver->parts.random, driver->devices)) == BINDING_BOUND;
        lookups += 1000;
    }
    double spent = (double)(clock_cpu_us() - began_us) / 1e6;
    printf("{\"load_seconds\":%.2f,\"memory_kib\":%lld,\"lookups\":%llu,\"found\":%zu,"
           "\"lookups_per_cpu_second\":%.0f}\n",
           (double)(driver->loaded_us - driver->began_us) / 1e6,
           (long long)(after_kib - driver->before_kib), (unsigned long long)lookups, driver->found,
           (double)lookups / spent);
    (void)event_base_loopbreak(driver->parts.base);
}

/* Asks for the devices in their order, never far ahead of the answers. */
static void load(struct driver *driver)
{
    while (driver->answered < driver->next && find(driver, driver->answered) != BINDING_PENDING)
        driver->answered++;
    while (driver->next < driver->devices && driver->next - driver->answered < ASK_AHEAD)
        (void)find(driver, driver->next++);
    if (driver->answered < driver->devices)
        return;
    driver->loaded_us = clock_now_us();
    finish(driver);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct driver *driver = ctx;
    (void)fd;
    (void)what;
    int64_t now_us = clock_now_us();
    membership_tick(driver->parts.membership, now_us);
    if (!driver->live)
        return;
    if (driver->began_us == 0) {
        driver->before_kib = resident_kib();
        driver->began_us = now_us;
    }
    load(driver);
    binder_tick(driver->parts.binder, now_us);
}

static void on_live(void *ctx)
{
    struct driver *driver = ctx;
    driver->live = true;
}

static void on_assignment(void *ctx, const struct store_assigned *rows, size_t count)
{
    (void)ctx;
    (void)rows;
    (void)count;
}

static void on_configuration(void *ctx, struct configuration *configuration)
{
    (void)ctx;
    configuration_free(configuration);
}

static void on_leader(void *ctx, bool leader, int64_t token)
{
    (void)ctx;
    (void)leader;
    (void)token;
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static bool start(struct driver *driver, const char *database, const char *folder)
{
    static const struct timeval every = {0, TICK_MS * MS_US};
    static struct membership_config config = {
        .node = "binding-driver", .ttl_ms = TTL_MS, .capacity = 1};
    static char digest[65];
    struct error err;
    struct node_parts *parts = &driver->parts;
    parts->log = log_open(stderr, LOG_LOGFMT, LOG_WARNING, "binding-driver");
    parts->base = event_base_new();
    parts->dns = parts->base ? evdns_base_new(parts->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE) : NULL;
    if (parts->dns == NULL || !migrate_expected(folder, &config.schema_version, digest, &err)) {
        log_error(parts->log, "could not start", &err);
        return false;
    }
    random_seed(&parts->random, 1);
    config.database = database;
    config.schema_digest = digest;
    struct membership_handlers handlers = {.ctx = driver,
                                           .live = on_live,
                                           .doubt = nothing,
                                           .assignment = on_assignment,
                                           .configuration = on_configuration,
                                           .bindings_changed = nothing,
                                           .replays_wanted = nothing,
                                           .leader = on_leader,
                                           .confirmed = nothing,
                                           .gone = nothing};
    parts->membership =
        membership_open(parts->base, parts->dns, &config, handlers, &parts->random, parts->log);
    parts->binder = binder_create(parts);
    struct event *tick = event_new(parts->base, -1, EV_PERSIST, on_tick, driver);
    return tick != NULL && event_add(tick, &every) == 0;
}

int main(int argc, char **argv)
{
    struct driver driver = {0};
    const char *database = getenv("HOLDFAST_DATABASE");
    const char *folder = getenv("HOLDFAST_SQL_DIR");
    if (argc != 4 || database == NULL || folder == NULL) {
        fputs("usage: binding-driver FLEET DEVICES SECONDS\n", stderr);
        return 2;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    driver.fleet = argv[1];
    driver.devices = (size_t)strtoul(argv[2], NULL, 10);
    driver.seconds = strtod(argv[3], NULL);
    if (!start(&driver, database, folder))
        return 1;
    (void)event_base_dispatch(driver.parts.base);
    return driver.loaded_us > 0 ? 0 : 1;
}
