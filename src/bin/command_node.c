#include "admin/http.h"
#include "admin/node_metrics.h"
#include "admin/service.h"
#include "admin/status_page.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/process.h"
#include "bin/commands.h"
#include "bin/options.h"
#include "node/node.h"
#include "pg/connection.h"
#include "pg/migrate.h"
#include "pg/secure.h"
#include "thingworx/library.h"

#include <curl/curl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNALS = 5 };

struct process {
    struct options options;
    struct log *log;
    struct event_base *base;
    struct evdns_base *dns;
    struct event *signals[SIGNALS];
    struct node *node;
    struct metrics *metrics;
    struct node_metrics *node_metrics;
    struct admin_http *http;
    struct status_page *page;
    struct service *service;
    int schema_version;
    char schema_digest[65];
    bool stopping;
};

static void on_finished(void *ctx)
{
    struct process *process = ctx;
    (void)event_base_loopbreak(process->base);
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
    struct process *process = ctx;
    (void)what;
    if (number == SIGHUP) {
        log_info(process->log, "reading the secrets anew");
        node_reload(process->node);
        return;
    }
    if (number == SIGUSR1 || number == SIGUSR2) {
        node_log_more(process->node, number == SIGUSR1);
        return;
    }
    if (process->stopping) {
        log_warning(process->log, "told to stop twice: ending at once");
        (void)event_base_loopbreak(process->base);
        return;
    }
    process->stopping = true;
    node_stop(process->node);
    service_stopping(process->service);
}

static void watch_signals(struct process *process)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < SIGNALS; i++) {
        process->signals[i] = evsignal_new(process->base, numbers[i], on_signal, process);
        event_priority_set(process->signals[i], 0);
        event_add(process->signals[i], NULL);
    }
}

/* Level-triggered epoll without a change list: the plain form, as file descriptors are closed and
 * reused by three libraries. Two priorities: the heartbeat runs before all I/O. */
static bool open_loop(struct process *process, struct error *err)
{
    process->base = event_base_new();
    if (process->base == NULL || event_base_priority_init(process->base, 2) != 0)
        return error_set(err, "could not make the event loop");
    process->dns = evdns_base_new(process->base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                                     EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (process->dns == NULL) /* no name server is configured: /etc/hosts and addresses work */
        process->dns = evdns_base_new(process->base, 0);
    if (process->dns == NULL)
        return error_set(err, "could not make the resolver");
    (void)evdns_base_load_hosts(process->dns, "/etc/hosts");
    return true;
}

static void start(struct process *process)
{
    const struct options *options = &process->options;
    process->metrics = metrics_create();
    process->node_metrics = node_metrics_create(process->metrics, process->schema_version);
    struct node_config config = {.database = options->database,
                                 .name = options->name,
                                 .secrets_folder = options->secrets,
                                 .ttl_ms = (int)options->ttl_ms,
                                 .capacity = (int)options->capacity,
                                 .drain_ms = (int)options->drain_ms,
                                 .autonomy_ms = (int)options->autonomy_ms,
                                 .token_lifetime_s = options->token_lifetime_s,
                                 .schema_version = process->schema_version,
                                 .schema_digest = process->schema_digest,
                                 .metrics = process->metrics,
                                 .discard = options->discard};
    char *database = pg_scrub(options->database);
    log_info(process->log, "starting", F_TEXT("version", HOLDFAST_VERSION),
             F_TEXT("database", database));
    free(database);
    struct error weak;
    if (pg_insecure(options->database, &weak))
        log_failure(process->log, LOG_WARNING,
                    "the connection to the database can be tampered with", &weak, NULL);
    process->node =
        node_start(process->base, process->dns, &config, process->log, on_finished, process);
}

static bool is_ready(void *ctx, struct buffer *why)
{
    const struct process *process = ctx;
    return node_ready(process->node, why);
}

static void before_scrape(void *ctx)
{
    const struct process *process = ctx;
    node_metrics_update(process->node_metrics, process->node);
}

static void show_page(void *ctx, bool fragment, struct buffer *html)
{
    const struct process *process = ctx;
    status_page_write(process->page, fragment, html);
}

static enum admin_http_page page_for(const char *whom)
{
    return strcmp(whom, "all") == 0    ? PAGE_FOR_ALL
           : strcmp(whom, "none") == 0 ? PAGE_FOR_NOBODY
                                       : PAGE_FOR_LOOPBACK;
}

static bool start_http(struct process *process, struct error *err)
{
    const struct options *options = &process->options;
    struct admin_http_handlers handlers = {
        .ctx = process, .ready = is_ready, .before_scrape = before_scrape, .page = show_page};
    process->page = status_page_create(process->base, process->dns, options->database,
                                       options->name, process->node, process->log);
    struct admin_http_config config = {
        .address = options->http_address,
        .port = (uint16_t)options->http_port,
        .name = options->name,
        .hosts = options->http_hosts,
        .page_for = page_for(options->status_page),
        .page_policy = status_page_policy(process->page),
        .limits = {.connections = (int)options->http_connections,
                   .connections_per_peer = (int)options->http_connections_per_peer,
                   .head_ms = (int)options->http_head_ms,
                   .idle_ms = (int)options->http_idle_ms,
                   .stall_ms = (int)options->http_stall_ms,
                   .request_ms = (int)options->http_request_ms}};
    process->http = admin_http_start(process->base, &config, process->metrics, handlers, err);
    if (process->http == NULL)
        return false;
    log_info(process->log, "listening", F_TEXT("address", options->http_address),
             F_NUMBER("port", admin_http_port(process->http)));
    return true;
}

static void release(struct process *process)
{
    service_free(process->service);
    admin_http_stop(process->http);
    status_page_free(process->page);
    node_free(process->node);
    node_metrics_free(process->node_metrics);
    metrics_free(process->metrics);
    for (size_t i = 0; i < SIGNALS; i++)
        if (process->signals[i] != NULL)
            event_free(process->signals[i]);
    if (process->dns != NULL)
        evdns_base_free(process->dns, 0);
    if (process->base != NULL)
        event_base_free(process->base);
    curl_global_cleanup();
    libevent_global_shutdown();
    log_close(process->log);
    options_free(&process->options);
}

int command_node(int argc, char **argv)
{
    struct process process = {0};
    struct error err;
    if (!options_parse(&process.options, "node", argc, argv, &err)) {
        options_free(&process.options);
        return usage_error(&err);
    }
    if (process.options.help) {
        options_help("node", stdout);
        options_free(&process.options);
        return EXIT_DONE;
    }
    process_seclude(process.options.core_dumps[0] != 'a');
    library_start();
    process.log = open_log(&process.options, process.options.name);
    int status = EXIT_DONE;
    if (!migrate_expected(sql_folder(&process.options), &process.schema_version,
                          process.schema_digest, &err) ||
        !open_loop(&process, &err)) {
        log_error(process.log, "could not start", &err);
        status = EXIT_FAILED;
    } else {
        watch_signals(&process);
        start(&process);
        if (start_http(&process, &err)) {
            process.service = service_start(process.base, process.node, process.log);
            (void)event_base_dispatch(process.base);
            log_info(process.log, "stopped");
        } else {
            log_error(process.log, "could not start", &err);
            status = EXIT_FAILED;
        }
    }
    release(&process);
    return status;
}
