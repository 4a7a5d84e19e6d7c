#include "base/clock.h"
#include "base/memory.h"
#include "lab.h"
#include "thingworx/control.h"
#include "thingworx/reply.h"
#include "thingworx/rest.h"
#include "thingworx/server.h"
#include "thingworx/things.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

enum { BODY_CEILING = 16 * 1024 * 1024, HEADERS_CEILING = 64 * 1024, IDLE_SECONDS = 300 };

struct options {
    const char *address;
    uint16_t port;
    uint16_t control_port;
    const char *app_key_file;
    const char *things_file;
    const char *ledger_file;
    bool exit_with_parent;
    bool verbose;
    bool help;
};

static void usage(FILE *out)
{
    fputs("usage: holdfast-lab thingworx [options]\n\n"
          "  --address ADDR        address to listen on (127.0.0.1)\n"
          "  --port N              the REST surface; 0 (default) picks a free port\n"
          "  --control-port N      the control endpoint; 0 (default) picks a free port\n"
          "  --app-key-file FILE   the only app key that is let in (default: any)\n"
          "  --things-file FILE    begin with the Things of this JSON, as POST /things takes it\n"
          "  --ledger-file FILE    keep the ledger there over a restart\n"
          "  --exit-with-parent    end when the parent process ends\n"
          "  --verbose             log more\n\n"
          "Prints one line of JSON with its ports once it listens.\n",
          out);
}

static bool read_port(const char *text, uint16_t *port)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"address", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'p'},
        {"control-port", required_argument, NULL, 'c'},
        {"app-key-file", required_argument, NULL, 'k'},
        {"things-file", required_argument, NULL, 't'},
        {"ledger-file", required_argument, NULL, 'l'},
        {"exit-with-parent", no_argument, NULL, 'x'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'p' && read_port(optarg, &o->port))
            continue;
        if (option == 'c' && read_port(optarg, &o->control_port))
            continue;
        if (option == 'p' || option == 'c' || option == '?')
            return false;
        o->address = option == 'a' ? optarg : o->address;
        o->app_key_file = option == 'k' ? optarg : o->app_key_file;
        o->things_file = option == 't' ? optarg : o->things_file;
        o->ledger_file = option == 'l' ? optarg : o->ledger_file;
        o->exit_with_parent = o->exit_with_parent || option == 'x';
        o->verbose = o->verbose || option == 'v';
        o->help = o->help || option == 'h';
    }
    return optind == argc;
}

/* The first line of the file. */
static char *read_key(const char *path)
{
    FILE *file = fopen(path, "re");
    char line[1024];
    char *key = NULL;
    if (file == NULL)
        return NULL;
    if (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        key = line[0] != '\0' ? xstrdup(line) : NULL;
    }
    (void)fclose(file);
    return key;
}

/* Listens; *port becomes the real one. NULL if it is taken. */
static struct evhttp *listen_on(struct server *server, const char *where, uint16_t *port,
                                void (*callback)(struct evhttp_request *, void *))
{
    struct evhttp *http = evhttp_new(server->base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http, where, *port);
    struct sockaddr_in address = {0};
    socklen_t n = sizeof address;
    if (bound == NULL ||
        getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &n) != 0) {
        evhttp_free(http);
        return NULL;
    }
    *port = ntohs(address.sin_port);
    evhttp_set_max_body_size(http, BODY_CEILING);
    evhttp_set_max_headers_size(http, HEADERS_CEILING);
    evhttp_set_timeout(http, IDLE_SECONDS);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                         EVHTTP_REQ_DELETE);
    evhttp_set_gencb(http, callback, server);
    return http;
}

static void on_signal(evutil_socket_t signal_number, short what, void *context)
{
    (void)signal_number;
    (void)what;
    (void)event_base_loopbreak(context);
}

static int serve(struct server *server, struct options *o)
{
    struct evhttp *rest = listen_on(server, o->address, &o->port, rest_on_request);
    struct evhttp *control = listen_on(server, o->address, &o->control_port, control_on_request);
    int status = 0;
    if (rest != NULL && control != NULL) {
        printf("{\"port\":%u,\"control_port\":%u}\n", o->port, o->control_port);
        (void)fflush(stdout);
        log_info(server->log, "listening", F_NUMBER("port", o->port),
                 F_NUMBER("control_port", o->control_port));
        (void)event_base_dispatch(server->base);
    } else {
        fprintf(stderr, "holdfast-lab thingworx: cannot listen on %s: is the port taken?\n",
                o->address);
        status = 2;
    }
    if (rest != NULL)
        evhttp_free(rest);
    if (control != NULL)
        evhttp_free(control);
    return status;
}

static bool prepare(struct server *server, const struct options *o, struct error *err)
{
    if (o->things_file != NULL && !things_from_file(&server->model, o->things_file, err))
        return false;
    if (o->ledger_file != NULL)
        server->file = ledger_file_open(o->ledger_file, server->ledger, server->model.names, err);
    return o->ledger_file == NULL || server->file != NULL;
}

static int run(struct server *server, struct options *o)
{
    server->base = event_base_new();
    struct event *term = evsignal_new(server->base, SIGTERM, on_signal, server->base);
    struct event *interrupt = evsignal_new(server->base, SIGINT, on_signal, server->base);
    (void)evsignal_add(term, NULL);
    (void)evsignal_add(interrupt, NULL);
    server->log = log_open(stderr, LOG_LOGFMT, o->verbose ? LOG_DEBUG : LOG_INFO, "lab-thingworx");
    server->ledger = ledger_create();
    model_init(&server->model);
    int status = 2;
    struct error err;
    if (prepare(server, o, &err))
        status = serve(server, o);
    else
        fprintf(stderr, "holdfast-lab thingworx: %s\n", err.message);
    reply_free(server);
    faults_clear(&server->faults);
    update_free(&server->update);
    ledger_file_close(server->file);
    ledger_drop(server->ledger);
    model_free(&server->model);
    log_close(server->log);
    event_free(term);
    event_free(interrupt);
    event_base_free(server->base);
    return status;
}

int lab_thingworx_main(int argc, char **argv)
{
    struct options o = {.address = "127.0.0.1"};
    struct server server = {.base = NULL};
    if (!read_options(argc, argv, &o) || o.help) {
        usage(o.help ? stdout : stderr);
        return o.help ? 0 : 2;
    }
    if (o.exit_with_parent)
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)signal(SIGPIPE, SIG_IGN);
    if (o.app_key_file != NULL && (server.app_key = read_key(o.app_key_file)) == NULL) {
        fprintf(stderr, "holdfast-lab thingworx: no app key in %s\n", o.app_key_file);
        return 2;
    }
    int status = run(&server, &o);
    free(server.app_key);
    return status;
}
