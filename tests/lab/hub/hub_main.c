#include "base/clock.h"
#include "base/memory.h"
#include "hub/certificates.h"
#include "hub/connection.h"
#include "hub/control.h"
#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char help[] =
    "usage: holdfast-lab hub [options]\n"
    "An Event Hubs-compatible endpoint.\n\n"
    "  --address ADDR    IPv4 address to listen on (127.0.0.1)\n"
    "  --port N          AMQP port; 0, the default, picks a free one\n"
    "  --tls-port N      AMQP over TLS as well; 0 picks a free one\n"
    "  --tls-dir DIR     where its certificate authority is kept, or made: clients trust ca.pem\n"
    "  --tls-name NAME   one more host name of the server's certificate (may be repeated)\n"
    "  --control-port N  HTTP port for /generate, /state, ...; 0 picks a free one\n"
    "  --hub NAME        the hub's name (telemetry)\n"
    "  --partitions N    how many (8)\n"
    "  --data DIR        keep the logs there over a restart\n"
    "  --key-name NAME   the policy that tokens must be signed with (holdfast)\n"
    "  --key-file FILE   its key; without it every token is accepted, and none is needed\n"
    "  --iothub HOST     be the IoT Hub of that name too, which redirects its readers\n"
    "  --redirect-host HOST  to this host (localhost)\n"
    "  --retain EVENTS   forget the oldest events of a partition beyond this number\n"
    "  --set NAME=VALUE  behave so where the service may do either (may be repeated)\n"
    "  --settings        list the names and their values, and end\n"
    "  --exit-with-parent\n"
    "  --verbose         log every attach and refusal\n";

enum { TLS_NAMES = 16 };

struct arguments {
    struct hub_options hub;
    struct in_addr address;
    long port;
    long tls_port; /* -1: no TLS */
    const char *tls_dir;
    const char *tls_names[TLS_NAMES];
    size_t tls_name_n;
    long control_port;
    char *key;
    bool verbose;
};

/* A port that clients connect to. */
struct entrance {
    struct hub *hub;
    SSL_CTX *tls; /* NULL: plain */
    long port;
    struct evconnlistener *listener;
};

struct server {
    struct hub *hub;
    struct entrance plain;
    struct entrance tls; /* without a listener: there is none */
    struct generator *generator;
    struct replay *replay;
    struct control *control;
    struct event *tick;
    struct event *signals[2];
};

static bool parse_long(const char *text, long least, long most, long *value)
{
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *value >= least && *value <= most;
}

static char *read_key(const char *path)
{
    char text[1024];
    FILE *file = fopen(path, "re");
    char *key = file && fgets(text, sizeof text, file) ? text : NULL;
    if (file != NULL)
        (void)fclose(file);
    if (key == NULL) {
        fprintf(stderr, "holdfast-lab hub: cannot read the key from %s\n", path);
        return NULL;
    }
    key[strcspn(key, "\r\n")] = '\0';
    return xstrdup(key);
}

static bool set_option(struct arguments *a, int option, const char *value)
{
    long number = 0;
    switch (option) {
    case 'a':
        return inet_pton(AF_INET, value, &a->address) == 1;
    case 'p':
        return parse_long(value, 0, 65535, &a->port);
    case 'c':
        return parse_long(value, 0, 65535, &a->control_port);
    case 't':
        return parse_long(value, 0, 65535, &a->tls_port);
    case 'D':
        a->tls_dir = value;
        return true;
    case 'N':
        if (a->tls_name_n == TLS_NAMES)
            return false;
        a->tls_names[a->tls_name_n++] = value;
        return true;
    case 'h':
        a->hub.name = value;
        return *value != '\0' && strchr(value, '/') == NULL;
    case 'n':
        a->hub.partitions = parse_long(value, 1, 2048, &number) ? (int)number : 0;
        return a->hub.partitions > 0;
    case 'd':
        a->hub.data = value;
        return true;
    case 'k':
        a->hub.key_name = value;
        return true;
    case 'f':
        free(a->key);
        a->hub.key = a->key = read_key(value);
        return a->key != NULL;
    case 'i':
        a->hub.iothub = value;
        return *value != '\0' && strpbrk(value, ":/") == NULL;
    case 'R':
        a->hub.redirect_host = value;
        return *value != '\0';
    case 'r':
        a->hub.retain = parse_long(value, 1, LONG_MAX, &number) ? number : 0;
        return a->hub.retain > 0;
    case 's': {
        struct error err = {0};
        if (!settings_parse(&a->hub.settings, value, &err))
            fprintf(stderr, "holdfast-lab hub: %s\n", err.message);
        return err.message[0] == '\0';
    }
    case 'e':
        return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
    case 'v':
        a->verbose = true;
        return true;
    default:
        return false;
    }
}

/* -1: go on; else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"address", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'p'},
        {"tls-port", required_argument, NULL, 't'},
        {"tls-dir", required_argument, NULL, 'D'},
        {"tls-name", required_argument, NULL, 'N'},
        {"control-port", required_argument, NULL, 'c'},
        {"hub", required_argument, NULL, 'h'},
        {"partitions", required_argument, NULL, 'n'},
        {"data", required_argument, NULL, 'd'},
        {"key-name", required_argument, NULL, 'k'},
        {"key-file", required_argument, NULL, 'f'},
        {"iothub", required_argument, NULL, 'i'},
        {"redirect-host", required_argument, NULL, 'R'},
        {"retain", required_argument, NULL, 'r'},
        {"set", required_argument, NULL, 's'},
        {"settings", no_argument, NULL, 'S'},
        {"exit-with-parent", no_argument, NULL, 'e'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, '?'},
        {NULL, 0, NULL, 0},
    };
    *a = (struct arguments){.hub = {.name = "telemetry",
                                    .partitions = 8,
                                    .key_name = "holdfast",
                                    .redirect_host = "localhost"},
                            .address = {htonl(INADDR_LOOPBACK)},
                            .tls_port = -1};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?' && optopt == 0 && strcmp(argv[optind - 1], "--help") == 0) {
            fputs(help, stdout);
            return 0;
        }
        if (option == 'S') {
            settings_list(stdout);
            return 0;
        }
        if (!set_option(a, option, optarg)) {
            fprintf(stderr, "holdfast-lab hub: bad option: %s\n\n%s", argv[optind - 1], help);
            return 2;
        }
    }
    if ((a->tls_port >= 0) == (a->tls_dir != NULL))
        return -1;
    fputs("holdfast-lab hub: --tls-port and --tls-dir belong together\n", stderr);
    return 2;
}

/* A listening socket; *port 0 becomes the one that was picked. */
static evutil_socket_t listen_on(struct in_addr where, long *port, struct error *err)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)*port), .sin_addr = where};
    socklen_t n = sizeof address;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 128) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &n) == 0) {
        *port = ntohs(address.sin_port);
        return fd;
    }
    error_set(err, "cannot listen on port %ld", *port);
    error_detail(err, "%s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                      int from_n, void *arg)
{
    (void)listener;
    (void)from;
    (void)from_n;
    const struct entrance *e = arg;
    if (clock_now_us() < e->hub->faults.refuse_till)
        close(fd);
    else
        connection_accept(e->hub, fd, e->port, e->tls);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    connection_tick_all(arg);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

static void entrance_open(struct entrance *e, struct hub *hub, int fd)
{
    e->hub = hub;
    e->listener = evconnlistener_new(hub->loop, on_accept, e,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (e->listener == NULL)
        abort();
}

static void server_open(struct server *s, struct event_base *loop, int control_fd)
{
    static const struct timeval second = {1, 0};
    static const int numbers[] = {SIGTERM, SIGINT};
    s->generator = generator_open(s->hub);
    s->replay = replay_open(s->hub);
    s->control = control_open(s->hub, s->generator, s->replay, control_fd);
    s->tick = event_new(loop, -1, EV_PERSIST, on_tick, s->hub);
    if (s->tick == NULL)
        abort();
    (void)event_add(s->tick, &second);
    for (int i = 0; i < 2; i++) {
        s->signals[i] = evsignal_new(loop, numbers[i], on_signal, loop);
        if (s->signals[i] == NULL)
            abort();
        (void)event_add(s->signals[i], NULL);
    }
}

static void server_close(struct server *s)
{
    s->hub->stopping = true;
    for (int i = 0; i < 2; i++)
        event_free(s->signals[i]);
    event_free(s->tick);
    control_close(s->control);
    replay_close(s->replay);
    generator_close(s->generator);
    connection_drop_all(s->hub);
}

/* Opens the ports for AMQP; their numbers stand in `server` afterwards. */
static bool open_entrances(struct server *server, const struct arguments *a, struct error *err)
{
    server->plain.port = a->port;
    int fd = listen_on(a->address, &server->plain.port, err);
    if (fd < 0)
        return false;
    entrance_open(&server->plain, server->hub, fd);
    if (a->tls_port < 0)
        return true;
    server->tls.port = a->tls_port;
    server->tls.tls = certificates_open(a->tls_dir, a->tls_names, a->tls_name_n, err);
    if (server->tls.tls == NULL)
        return false;
    fd = listen_on(a->address, &server->tls.port, err);
    if (fd < 0)
        return false;
    entrance_open(&server->tls, server->hub, fd);
    return true;
}

static void close_entrances(struct server *server)
{
    struct entrance *entrances[] = {&server->plain, &server->tls};
    for (size_t i = 0; i < 2; i++) {
        if (entrances[i]->listener != NULL)
            evconnlistener_free(entrances[i]->listener);
        SSL_CTX_free(entrances[i]->tls);
    }
}

static int run(struct server *server, const struct arguments *a, struct event_base *loop,
               struct log *log)
{
    struct error err = {0};
    long control_port = a->control_port;
    int control_fd =
        open_entrances(server, a, &err) ? listen_on(a->address, &control_port, &err) : -1;
    if (control_fd < 0) {
        log_error(log, "cannot start", &err);
        return 1;
    }
    server_open(server, loop, control_fd);
    printf("{\"amqp_port\":%ld,", server->plain.port);
    if (server->tls.listener != NULL)
        printf("\"tls_port\":%ld,", server->tls.port);
    printf("\"control_port\":%ld}\n", control_port);
    (void)fflush(stdout);
    int status = event_base_dispatch(loop) < 0 || server->hub->broken ? 1 : 0;
    server_close(server);
    return status;
}

static int serve(const struct arguments *a, struct event_base *loop, struct log *log)
{
    struct error err = {0};
    struct server server = {0};
    server.hub = hub_open(&a->hub, loop, log, &err);
    if (server.hub == NULL) {
        log_error(log, "cannot start", &err);
        return 1;
    }
    int status = run(&server, a, loop, log);
    close_entrances(&server);
    hub_close(server.hub);
    return status;
}

int lab_hub_main(int argc, char **argv)
{
    struct arguments arguments;
    int status = parse_arguments(argc, argv, &arguments);
    if (status >= 0) {
        free(arguments.key);
        return status;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    struct log *log = log_open(stderr, LOG_LOGFMT, arguments.verbose ? LOG_DEBUG : LOG_INFO, "hub");
    struct event_config *config = event_config_new();
    if (config == NULL)
        abort();
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    struct event_base *loop = event_base_new_with_config(config);
    event_config_free(config);
    if (loop == NULL)
        abort();
    status = serve(&arguments, loop, log);
    event_base_free(loop);
    log_close(log);
    free(arguments.key);
    return status;
}
