/* Drives one Event Hubs source by lines on stdin and prints what it hears as lines on stdout:
 *   read PARTITION TOKEN POSITION CREDIT | credit PARTITION N | hold PARTITION
 *   release PARTITION | stop PARTITION | refresh | counters | quit
 * with a position of earliest, latest, after:OFFSET, time:MS or sequence:NUMBER.
 * With --bench N it reads every partition from the start, throws N events away and prints what
 * that cost: scanned as the node does, or as they came (--raw), or decoded by Proton (--proton).
 * With --details a message has a second line; --conditions prints the table of conditions.
 * The connection string comes in the environment, SOURCE_CONNECTION. */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "source/eventhubs/conditions.h"
#include "source/eventhubs/eventhubs.h"

#include <proton/message.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/event.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTITIONS 64
#define BENCH_CREDIT 2000

struct partition {
    char name[32];
    struct source_reader *reader;
    uint32_t taken; /* credit to give back */
};

struct driver {
    struct event_base *base;
    struct source *source;
    struct partition partitions[PARTITIONS];
    size_t count;
    bool details;
    pn_message_t *decoded; /* of a bench that decodes as Proton does; else NULL */
    uint64_t bench;
    uint64_t seen;
    int64_t cpu_us;
    int64_t began_us;
    int64_t beat_us; /* when the timer of the bench last ran */
    int64_t longest_us;
};

static struct partition *find(struct driver *driver, const char *name)
{
    for (size_t i = 0; i < driver->count; i++)
        if (strcmp(driver->partitions[i].name, name) == 0)
            return &driver->partitions[i];
    if (driver->count == PARTITIONS)
        return NULL;
    struct partition *partition = &driver->partitions[driver->count++];
    (void)snprintf(partition->name, sizeof partition->name, "%s", name);
    return partition;
}

/* A timer of a millisecond: the CPU time between two of its calls shows for how long the loop is
 * busy with others. */
static void on_beat(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct driver *driver = ctx;
    int64_t now_us = clock_cpu_us();
    if (driver->beat_us > 0 && now_us - driver->beat_us > driver->longest_us)
        driver->longest_us = now_us - driver->beat_us;
    driver->beat_us = now_us;
}

static void on_up(void *ctx)
{
    struct driver *driver = ctx;
    printf("up\n");
    if (driver->bench == 0 || driver->seen > 0)
        return;
    driver->cpu_us = clock_cpu_us();
    driver->began_us = clock_now_us();
    for (size_t i = 0; i < driver->count; i++) {
        struct partition *p = &driver->partitions[i];
        p->reader =
            source_read(driver->source, slice_from(p->name), 1,
                        (struct source_position){.kind = SOURCE_AT_EARLIEST}, BENCH_CREDIT, p);
    }
}

static void on_metadata(void *ctx, const struct source_metadata *metadata)
{
    struct driver *driver = ctx;
    printf("metadata %.*s %" PRId64, (int)metadata->endpoint.n, metadata->endpoint.p,
           metadata->created_ms);
    for (size_t i = 0; i < metadata->partition_count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%.*s", (int)metadata->partitions[i].n,
                       metadata->partitions[i].p);
        printf(" %s", name);
        if (driver->bench > 0)
            (void)find(driver, name);
    }
    printf("\n");
}

static void on_down(void *ctx, const struct error *why)
{
    (void)ctx;
    printf("down %s | %s | %s\n", why->message, why->detail, why->hint);
}

static void on_opened(void *ctx, void *reader_ctx)
{
    (void)ctx;
    printf("opened %s\n", ((struct partition *)reader_ctx)->name);
}

static void bench_message(struct driver *driver, struct partition *partition)
{
    if (++partition->taken == BENCH_CREDIT / 4) {
        source_credit(partition->reader, partition->taken);
        partition->taken = 0;
    }
    if (++driver->seen != driver->bench)
        return;
    int64_t cpu_us = clock_cpu_us() - driver->cpu_us;
    int64_t wall_us = clock_now_us() - driver->began_us;
    printf("bench {\"events\":%" PRIu64 ",\"cpu_us\":%" PRId64 ",\"wall_us\":%" PRId64
           ",\"events_per_cpu_second\":%.0f,\"longest_turn_us\":%" PRId64 "}\n",
           driver->seen, cpu_us, wall_us, (double)driver->seen * 1e6 / (double)cpu_us,
           driver->longest_us);
    (void)event_base_loopbreak(driver->base);
}

static void on_raw(void *ctx, void *reader_ctx, struct slice encoded)
{
    struct driver *driver = ctx;
    if (driver->decoded != NULL && pn_message_decode(driver->decoded, encoded.p, encoded.n) != 0)
        printf("error Proton cannot decode a message\n");
    bench_message(driver, reader_ctx);
}

static void print_text(const char *name, struct slice text)
{
    if (text.n > 0)
        printf(" %s=%.*s", name, (int)text.n, text.p);
}

static void print_property(const struct source_property *property)
{
    printf(" %.*s:", (int)property->name.n, property->name.n ? property->name.p : "");
    switch (property->kind) {
    case SOURCE_VALUE_NULL:
        printf("null");
        break;
    case SOURCE_VALUE_BOOLEAN:
        printf("%s", property->integer ? "true" : "false");
        break;
    case SOURCE_VALUE_INTEGER:
        printf("%" PRId64, property->integer);
        break;
    case SOURCE_VALUE_TIME:
        printf("@%" PRId64, property->integer);
        break;
    case SOURCE_VALUE_NUMBER:
        printf("%g", property->number);
        break;
    case SOURCE_VALUE_TEXT:
        printf("'%.*s'", (int)property->text.n, property->text.n ? property->text.p : "");
        break;
    case SOURCE_VALUE_OTHER:
        printf("%zu bytes", property->text.n);
        break;
    }
}

/* With --details: what else is known of a message, on a line of its own. */
static void print_details(const struct partition *partition, const struct source_message *m)
{
    printf("details %s %" PRId64, partition->name, m->creation_ms);
    print_text("module", m->module);
    print_text("type", m->content_type);
    print_text("encoding", m->content_encoding);
    print_text("source", m->message_source);
    print_text("generation", m->auth_generation);
    print_text("auth", m->auth_method);
    print_text("subject", m->subject);
    print_text("id", m->message_id);
    print_text("correlation", m->correlation_id);
    struct source_property property;
    for (struct slice rest = m->properties; source_next_property(&rest, &property);)
        print_property(&property);
    printf("\n");
}

static void on_message(void *ctx, void *reader_ctx, const struct source_message *m)
{
    struct driver *driver = ctx;
    struct partition *partition = reader_ctx;
    if (driver->bench > 0) {
        bench_message(driver, partition);
        return;
    }
    printf("%s %s %" PRId64 " %.*s %" PRId64 " %.*s %" PRId64 " %zu %.*s\n",
           m->unreadable ? "unreadable" : "message", partition->name, m->sequence, (int)m->offset.n,
           m->offset.p, m->enqueued_ms, (int)m->device.n, m->device.n ? m->device.p : "",
           m->last_sequence, m->body.n, (int)(m->body.n > 200 ? 200 : m->body.n),
           m->body.n ? m->body.p : "");
    if (driver->details)
        print_details(partition, m);
}

static void on_ended(void *ctx, void *reader_ctx, enum source_end end, const struct error *why)
{
    (void)ctx;
    struct partition *partition = reader_ctx;
    partition->reader = NULL;
    printf("ended %s %s | %s | %s | %s\n", partition->name, source_end_name(end), why->message,
           why->detail, why->hint);
}

static void command_read(struct driver *driver, struct partition *partition, const char *token,
                         const char *position, const char *credit)
{
    struct source_position where = {.kind = SOURCE_AT_EARLIEST};
    if (strcmp(position, "latest") == 0)
        where.kind = SOURCE_AT_LATEST;
    else if (strncmp(position, "after:", 6) == 0)
        where = (struct source_position){.kind = SOURCE_AFTER_OFFSET,
                                         .offset = slice_from(position + 6)};
    else if (strncmp(position, "time:", 5) == 0)
        where = (struct source_position){.kind = SOURCE_AT_TIME,
                                         .time_ms = strtoll(position + 5, NULL, 10)};
    else if (strncmp(position, "sequence:", 9) == 0)
        where = (struct source_position){.kind = SOURCE_AT_SEQUENCE,
                                         .sequence = strtoll(position + 9, NULL, 10)};
    partition->reader =
        source_read(driver->source, slice_from(partition->name), strtoll(token, NULL, 10), where,
                    (uint32_t)strtoul(credit, NULL, 10), partition);
}

static void run_command(struct driver *driver, char *line)
{
    char *word[5] = {"", "", "", "", ""};
    char *rest = line;
    for (size_t i = 0; i < 5 && rest != NULL; i++)
        word[i] = strsep(&rest, " ");
    if (strcmp(word[0], "quit") == 0) {
        (void)event_base_loopbreak(driver->base);
        return;
    }
    if (strcmp(word[0], "refresh") == 0) {
        source_refresh(driver->source);
        return;
    }
    if (strcmp(word[0], "counters") == 0) {
        struct source_counters c = source_counters(driver->source);
        printf("counters messages=%" PRIu64 " bytes=%" PRIu64 " unreadable=%" PRIu64
               " connects=%" PRIu64 " failures=%" PRIu64 " stolen=%" PRIu64 " busy=%" PRIu64 "\n",
               c.messages, c.bytes, c.unreadable, c.connects, c.failures, c.stolen, c.busy);
        return;
    }
    struct partition *partition = find(driver, word[1]);
    if (partition == NULL)
        return;
    if (strcmp(word[0], "read") == 0)
        command_read(driver, partition, word[2], word[3], word[4]);
    else if (partition->reader == NULL)
        printf("error no reader of %s\n", word[1]);
    else if (strcmp(word[0], "credit") == 0)
        source_credit(partition->reader, (uint32_t)strtoul(word[2], NULL, 10));
    else if (strcmp(word[0], "hold") == 0)
        source_hold(partition->reader, true);
    else if (strcmp(word[0], "release") == 0)
        source_hold(partition->reader, false);
    else if (strcmp(word[0], "stop") == 0)
        source_stop(partition->reader);
    else
        printf("error unknown command %s\n", word[0]);
}

static void on_input(struct bufferevent *input, void *ctx)
{
    char *line;
    while ((line = evbuffer_readln(bufferevent_get_input(input), NULL, EVBUFFER_EOL_LF)) != NULL) {
        run_command(ctx, line);
        free(line);
    }
}

static void on_input_end(struct bufferevent *input, short what, void *ctx)
{
    (void)input;
    (void)what;
    struct driver *driver = ctx;
    if (driver->bench == 0)
        (void)event_base_loopbreak(driver->base);
}

static uint64_t option(int argc, char **argv, const char *name, uint64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return strtoull(argv[i + 1], NULL, 10);
    return otherwise;
}

static bool has_option(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return false;
}

/* For tests that go through all of them. */
static int print_conditions(void)
{
    size_t count;
    const struct condition *rows = conditions(&count);
    for (size_t i = 0; i < count; i++)
        printf("%s\t%s\t%s\t%s\n", rows[i].name, rows[i].text ? rows[i].text : "",
               source_end_name(rows[i].end), rows[i].meaning);
    return 0;
}

int main(int argc, char **argv)
{
    if (has_option(argc, argv, "--conditions"))
        return print_conditions();
    struct driver driver = {.base = event_base_new(), .bench = option(argc, argv, "--bench", 0)};
    struct evdns_base *dns = evdns_base_new(driver.base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                                             EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    struct random random;
    random_seed(&random, (uint64_t)clock_now_us());
    struct log *log = log_open(stderr, LOG_LOGFMT, LOG_INFO, "driver");
    const char *node = getenv("SOURCE_NODE");
    struct source_config config = {
        .name = "hub",
        .connection_string = getenv("SOURCE_CONNECTION"),
        .ca_file = getenv("SOURCE_CA_FILE"),
        .proxy = getenv("SOURCE_PROXY"),
        .consumer_group = "$Default",
        .node = node ? node : "driver",
        .window_bytes = (size_t)option(argc, argv, "--window", 1u << 20),
        .token_lifetime_s = (int64_t)option(argc, argv, "--token-lifetime", 0),
        .idle_ms = (uint32_t)option(argc, argv, "--idle-ms", 0),
        .random = &random,
        .log = log,
    };
    struct source_handlers handlers = {.up = on_up,
                                       .metadata = on_metadata,
                                       .down = on_down,
                                       .opened = on_opened,
                                       .message = on_message,
                                       .ended = on_ended};
    driver.details = has_option(argc, argv, "--details");
    if (has_option(argc, argv, "--raw") || has_option(argc, argv, "--proton"))
        handlers.raw = on_raw;
    if (has_option(argc, argv, "--proton"))
        driver.decoded = pn_message();
    struct error err;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    driver.source = eventhubs_open(driver.base, dns, &config, handlers, &driver, &err);
    struct bufferevent *input = NULL;
    struct event *beat = event_new(driver.base, -1, EV_PERSIST, on_beat, &driver);
    static const struct timeval millisecond = {0, 1000};
    if (driver.bench > 0)
        (void)event_add(beat, &millisecond);
    if (driver.source == NULL) {
        printf("refused %s | %s | %s\n", err.message, err.detail, err.hint);
    } else {
        input = bufferevent_socket_new(driver.base, 0, 0);
        bufferevent_setcb(input, on_input, NULL, on_input_end, &driver);
        (void)bufferevent_enable(input, EV_READ);
        (void)event_base_dispatch(driver.base);
        source_close(driver.source);
        bufferevent_free(input);
    }
    pn_message_free(driver.decoded);
    event_free(beat);
    evdns_base_free(dns, 0);
    event_base_free(driver.base);
    log_close(log);
    return driver.source == NULL ? 1 : 0;
}
