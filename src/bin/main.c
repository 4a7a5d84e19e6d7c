#include "base/error.h"
#include "base/log.h"
#include "base/process.h"
#include "bin/build_info.h"
#include "bin/commands.h"
#include "bin/options.h"
#include "core/log_events.h"

#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static int command_help(int argc, char **argv);

static int command_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    (void)printf("holdfast %s (%s)\n", HOLDFAST_VERSION, build_info);
    return EXIT_DONE;
}

static int command_document(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    options_document(stdout);
    return EXIT_DONE;
}

static const struct command commands[] = {
    {"node", command_node, "run a connector node"},
    {"migrate", command_migrate, "bring the schema of the database up to date"},
    {"check", command_check, "try a deployment before it goes live"},
    {"status", command_status, "show the cluster at a glance"},
    {"explain", command_explain, "show what an event would become, and where it would go"},
    {"version", command_version, "show the version"},
    {"options", command_document, "show all options as a Markdown table"},
    {"help", command_help, "show this help"},
};

static int command_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    (void)printf("holdfast %s: device telemetry from event hubs into ThingWorx, coordinated by "
                 "PostgreSQL\n\nusage: holdfast COMMAND [options]\n\n",
                 HOLDFAST_VERSION);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        (void)printf("  %-9s %s\n", commands[i].name, commands[i].help);
    (void)printf("\noptions of node:\n");
    options_help("node", stdout);
    (void)printf("\noptions of migrate:\n");
    options_help("migrate", stdout);
    (void)printf("\noptions of check:\n");
    options_help("check", stdout);
    (void)printf("\noptions of status:\n");
    options_help("status", stdout);
    (void)printf("\noptions of explain, behind which the name of a file may stand:\n");
    options_help("explain", stdout);
    return EXIT_DONE;
}

int usage_error(const struct error *err)
{
    (void)fprintf(stderr, "holdfast: %s\n", err->message);
    if (err->detail[0] != '\0')
        (void)fprintf(stderr, "DETAIL: %s\n", err->detail);
    if (err->hint[0] != '\0')
        (void)fprintf(stderr, "HINT: %s\n", err->hint);
    return EXIT_USAGE;
}

struct log *open_log(const struct options *options, const char *node)
{
    enum log_level level = LOG_INFO;
    size_t count;
    (void)log_level_read(options->log_level, &level); /* it was checked */
    enum log_format format = options->log_format[0] == 'j' ? LOG_JSON : LOG_LOGFMT;
    struct log *log = log_open(stderr, format, level, node);
    const struct log_event *events = log_events(&count);
    log_know(log, events, count);
    return log;
}

int main(int argc, char **argv)
{
    process_seclude(true); /* every command may come to hold a password */
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc > 2 ? argc - 2 : 0, argv + 2);
    struct error err;
    error_set(&err, "there is no command \"%s\"", name);
    error_hint(&err, "See `holdfast help`.");
    return usage_error(&err);
}
