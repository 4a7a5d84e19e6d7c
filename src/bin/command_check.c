#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "bin/check.h"
#include "bin/commands.h"
#include "bin/options.h"
#include "bin/page.h"
#include "store/configuration.h"
#include "thingworx/library.h"

#include <curl/curl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* `holdfast check`: makes the trials and shows what they find, one line each. */

enum { JSON_CEILING = 16 << 20 };

struct queued {
    const struct check_trial *trial;
    const void *what;
};

struct check_run {
    struct check shared;
    struct queued *queue;
    size_t count, next;
    const struct check_trial *present;
    void *trial;
    struct event *advance, *deadline;
    char subject[400];
    int found[3];
    bool coloured;
    struct buffer json;
};

/* ---- findings ----------------------------------------------------------------------------- */

static void add_member(struct buffer *to, const char *name, const char *text)
{
    (void)buffer_printf(to, "%s\"%s\":\"", name[0] == 'l' ? "{" : ",", name);
    (void)buffer_append_json(to, slice_from(text));
    (void)buffer_append_text(to, "\"");
}

static void add_json(struct check_run *run, enum finding_level level, const char *subject,
                     const struct error *what)
{
    if (run->json.n > 0)
        (void)buffer_append_text(&run->json, ",");
    add_member(&run->json, "level", finding_level_name(level));
    add_member(&run->json, "subject", subject);
    add_member(&run->json, "what", what->message);
    add_member(&run->json, "detail", what->detail);
    add_member(&run->json, "hint", what->hint);
    (void)buffer_append_text(&run->json, "}");
}

static void show(const struct check_run *run, enum finding_level level, const char *subject,
                 const struct error *what)
{
    static const enum colour colours[] = {GOOD, DOUBTFUL, BAD};
    struct page page;
    char label[16];
    page_init(&page, run->coloured);
    (void)snprintf(label, sizeof label, "%-8s ", finding_level_name(level));
    page_put(&page, colours[level], label);
    page_put(&page, PLAIN, subject);
    page_put(&page, PLAIN, ": ");
    page_put(&page, PLAIN, what->message);
    if (what->detail[0] != '\0') {
        page_put(&page, FAINT, " -- ");
        page_put(&page, FAINT, what->detail);
    }
    if (what->hint[0] != '\0') {
        page_put(&page, PLAIN, " -> ");
        page_put(&page, PLAIN, what->hint);
    }
    page_end(&page);
    (void)fwrite(page.text.data, 1, page.text.n, stdout);
    (void)fflush(stdout);
    page_free(&page);
}

void check_found(void *ctx, enum finding_level level, const char *subject, const struct error *what)
{
    const struct check *check = ctx;
    struct check_run *run = check->run;
    run->found[level]++;
    if (subject == NULL)
        subject = run->subject;
    if (check->options->json)
        add_json(run, level, subject, what);
    else
        show(run, level, subject, what);
}

void check_tell(struct check *check, enum finding_level level, const char *hint, const char *format,
                ...)
{
    struct error what;
    char text[sizeof what.message];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_set(&what, "%s", text);
    if (hint != NULL)
        error_hint(&what, "%s", hint);
    check_found(check, level, NULL, &what);
}

void check_subject(struct check *check, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(check->run->subject, sizeof check->run->subject, format, arguments);
    va_end(arguments);
}

/* ---- one trial after the other ------------------------------------------------------------ */

void check_queue(struct check *check, const struct check_trial *trial, const void *what)
{
    struct check_run *run = check->run;
    run->queue = xrealloc(run->queue, (run->count + 1) * sizeof *run->queue);
    run->queue[run->count++] = (struct queued){trial, what};
}

/* From the loop, so that no trial is freed from inside its own callbacks. */
void check_done(struct check *check)
{
    event_active(check->run->advance, EV_TIMEOUT, 0);
}

static void end_present(struct check_run *run)
{
    if (run->present != NULL)
        run->present->end(run->trial);
    run->present = NULL;
    run->trial = NULL;
}

static void on_advance(evutil_socket_t fd, short what, void *ctx)
{
    struct check_run *run = ctx;
    (void)fd;
    (void)what;
    evtimer_del(run->deadline);
    end_present(run);
    if (run->next == run->count) {
        (void)event_base_loopbreak(run->shared.base);
        return;
    }
    struct queued next = run->queue[run->next++];
    evtimer_add(run->deadline, &(struct timeval){.tv_sec = run->shared.options->timeout_s});
    run->present = next.trial;
    run->trial = next.trial->begin(&run->shared, next.what);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
    struct check_run *run = ctx;
    (void)fd;
    (void)what;
    check_tell(&run->shared, FINDING_ERROR,
               "See whether something stands in the way (firewall, proxy, load balancer), or give "
               "it more time with --timeout-s.",
               "no answer within %lld s", (long long)run->shared.options->timeout_s);
    check_done(&run->shared);
}

/* ---- life --------------------------------------------------------------------------------- */

static void open_loop(struct check_run *run)
{
    struct check *check = &run->shared;
    check->base = event_base_new();
    check->dns = evdns_base_new(check->base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                                 EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (check->dns == NULL)
        check->dns = evdns_base_new(check->base, 0);
    (void)evdns_base_load_hosts(check->dns, "/etc/hosts");
    (void)signal(SIGPIPE, SIG_IGN);
    run->advance = event_new(check->base, -1, 0, on_advance, run);
    run->deadline = evtimer_new(check->base, on_deadline, run);
    uint64_t seed;
    random_secret(&seed, sizeof seed);
    random_seed(&check->random, seed);
    buffer_init(&run->json, JSON_CEILING);
}

static int conclude(struct check_run *run)
{
    int status = run->found[FINDING_ERROR] > 0     ? EXIT_USAGE
                 : run->found[FINDING_WARNING] > 0 ? EXIT_NO
                                                   : EXIT_DONE;
    const char *state = finding_level_name((enum finding_level)status);
    if (run->shared.options->json)
        (void)printf("{\"state\":\"%s\",\"findings\":[%s]}\n", state, buffer_text(&run->json));
    else
        (void)printf("%d ok, %d warning%s, %d error%s\n", run->found[FINDING_OK],
                     run->found[FINDING_WARNING], run->found[FINDING_WARNING] == 1 ? "" : "s",
                     run->found[FINDING_ERROR], run->found[FINDING_ERROR] == 1 ? "" : "s");
    return status;
}

static void release(struct check_run *run)
{
    struct check *check = &run->shared;
    end_present(run);
    for (size_t i = 0; check->things != NULL && i < check->configuration->destination_count; i++)
        free(check->things[i]);
    free(check->things);
    configuration_free(check->configuration);
    free(run->queue);
    buffer_free(&run->json);
    event_free(run->advance);
    event_free(run->deadline);
    evdns_base_free(check->dns, 0);
    event_base_free(check->base);
    curl_global_cleanup();
    libevent_global_shutdown();
}

int command_check(int argc, char **argv)
{
    struct options options;
    struct error err;
    if (!options_parse(&options, "check", argc, argv, &err)) {
        options_free(&options);
        return usage_error(&err);
    }
    if (options.help) {
        options_help("check", stdout);
        options_free(&options);
        return EXIT_DONE;
    }
    struct check_run run = {.coloured = page_colours(stdout)};
    run.shared.options = &options;
    run.shared.run = &run;
    library_start();
    open_loop(&run);
    check_queue(&run.shared, &check_hosts, NULL);
    check_done(&run.shared);
    (void)event_base_dispatch(run.shared.base);
    int status = conclude(&run);
    release(&run);
    options_free(&options);
    return status;
}
