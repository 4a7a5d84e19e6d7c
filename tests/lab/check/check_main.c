#include "base/buffer.h"
#include "check/compare.h"
#include "check/events.h"
#include "check/fetch.h"
#include "check/report.h"
#include "lab.h"

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPORT_CEILING = 16 * 1024 * 1024, URL_CEILING = 16 * 1024 };

enum { STATUS_PASSED, STATUS_FAILED, STATUS_ERROR };

struct options {
    const char *hub;
    const char *thingworx;
    const char *template;
    const char *except;
    const char *names;
    const char *not_sender;
    const char *json;
    int64_t since_us;
    bool help;
};

static void usage(FILE *out)
{
    fputs(
        "usage: holdfast-lab check --hub URL --thingworx URL [options]\n\n"
        "  --hub URL              control endpoint of the hub, http://127.0.0.1:PORT\n"
        "  --thingworx URL        control endpoint of the ThingWorx\n"
        "  --thing-template TEXT  the Thing of a device (default {device}; {module} is known too)\n"
        "  --except FILE          events that may be missing, lines \"device TAB seq\" or\n"
        "                         \"device TAB #partition:sequence\"\n"
        "  --names A,B            compare these members only\n"
        "  --since-us T           first_accepted_us looks at acceptances from T on,\n"
        "  --not-sender NODE      and at none of this node\n"
        "  --json FILE            write the result to FILE too\n\n"
        "Exit status: 0 nothing lost, altered or out of order; 1 something was; 2 no result.\n",
        out);
}

static bool read_number(const char *text, int64_t *number)
{
    return fetch_number(slice_from(text), number);
}

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"hub", required_argument, NULL, 'h'},
        {"thingworx", required_argument, NULL, 't'},
        {"thing-template", required_argument, NULL, 'm'},
        {"except", required_argument, NULL, 'e'},
        {"names", required_argument, NULL, 'n'},
        {"since-us", required_argument, NULL, 's'},
        {"not-sender", required_argument, NULL, 'x'},
        {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, '?' + 128},
        {NULL, 0, NULL, 0},
    };
    const struct {
        int option;
        const char **to;
    } texts[] = {
        {'h', &o->hub},   {'t', &o->thingworx},  {'m', &o->template}, {'e', &o->except},
        {'n', &o->names}, {'x', &o->not_sender}, {'j', &o->json},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == '?' || (option == 's' && !read_number(optarg, &o->since_us)))
            return false;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            if (texts[i].option == option)
                *texts[i].to = optarg;
        o->help = o->help || option == '?' + 128;
    }
    return o->help || (optind == argc && o->hub != NULL && o->thingworx != NULL);
}

/* The ledger of the compared members, and of seq, which the join needs. */
static void ledger_url(const struct options *o, struct buffer *url)
{
    (void)buffer_printf(url, "%s/ledger", o->thingworx);
    if (o->names == NULL)
        return;
    char *names = curl_easy_escape(NULL, o->names, 0);
    (void)buffer_printf(url, "?names=seq%%2C%s", names != NULL ? names : "");
    curl_free(names);
}

static bool collect(const struct options *o, struct events *events, struct error *err)
{
    struct buffer url;
    buffer_init(&url, URL_CEILING);
    (void)buffer_printf(&url, "%s/log", o->hub);
    bool ok = fetch_lines(buffer_text(&url), events_take, events, err);
    buffer_free(&url);
    return ok && (o->except == NULL || events_except(events, o->except, err));
}

static bool join(const struct options *o, struct compare *compare, struct error *err)
{
    struct buffer url;
    buffer_init(&url, URL_CEILING);
    ledger_url(o, &url);
    bool ok = fetch_lines(buffer_text(&url), compare_take, compare, err);
    buffer_free(&url);
    if (ok)
        compare_finish(compare);
    return ok;
}

static bool publish(const struct options *o, const struct compare *compare, struct error *err)
{
    struct buffer text;
    buffer_init(&text, REPORT_CEILING);
    bool ok = report_write(compare, &text);
    (void)fputs(buffer_text(&text), stdout);
    ok = fflush(stdout) == 0 && ok;
    FILE *file = o->json != NULL ? fopen(o->json, "we") : NULL;
    if (file != NULL)
        ok = fputs(buffer_text(&text), file) >= 0 && ok;
    if (o->json != NULL)
        ok = file != NULL && fclose(file) == 0 && ok;
    buffer_free(&text);
    return ok || error_set(err, "cannot write the result: %s", strerror(errno));
}

static int run(const struct options *o, struct error *err)
{
    struct events events;
    struct compare compare;
    int status = STATUS_ERROR;
    events_init(&events, o->template, o->names);
    if (collect(o, &events, err)) {
        compare_init(&compare, &events, o->since_us, o->not_sender);
        if (join(o, &compare, err) && publish(o, &compare, err))
            status = report_passed(&compare) ? STATUS_PASSED : STATUS_FAILED;
        compare_free(&compare);
    }
    events_free(&events);
    return status;
}

int lab_check_main(int argc, char **argv)
{
    struct options o = {.template = "{device}"};
    struct error err = {.message = ""};
    if (!read_options(argc, argv, &o) || o.help) {
        usage(o.help ? stdout : stderr);
        return o.help ? STATUS_PASSED : STATUS_ERROR;
    }
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    int status = run(&o, &err);
    if (status == STATUS_ERROR)
        fprintf(stderr, "holdfast-lab check: %s%s%s\n", err.message,
                err.detail[0] != '\0' ? ": " : "", err.detail);
    curl_global_cleanup();
    return status;
}
