/* holdfast-lab: stands in for the event hub and for ThingWorx, and compares what the one
 * emitted with what the other accepted. A dispatcher, nothing more. */
#include "lab.h"

#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *description;
};

static void usage(FILE *out, const struct command *commands)
{
    fputs("usage: holdfast-lab COMMAND [options]\n\n", out);
    for (const struct command *c = commands; c->name != NULL; c++)
        fprintf(out, "  %-10s %s\n", c->name, c->description);
    fputs("\nholdfast-lab COMMAND --help lists the options of a command.\n", out);
}

int main(int argc, char **argv)
{
    const struct command commands[] = {
        {"hub", lab_hub_main, "an Event Hubs-compatible endpoint with logs, generator and faults"},
        {"thingworx", lab_thingworx_main, "the ThingWorx REST surface with a ledger and faults"},
        {"check", lab_check_main, "compares the hub's log with the ThingWorx ledger"},
        {NULL, NULL, NULL},
    };
    if (argc < 2) {
        usage(stderr, commands);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout, commands);
        return 0;
    }
    for (const struct command *c = commands; c->name != NULL; c++)
        if (strcmp(argv[1], c->name) == 0)
            return c->run(argc - 1, argv + 1);
    fprintf(stderr, "holdfast-lab: no command \"%s\"\n", argv[1]);
    usage(stderr, commands);
    return 2;
}
