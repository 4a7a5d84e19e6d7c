#include "base/clock.h"
#include "base/memory.h"
#include "bin/check.h"
#include "node/hub_source.h"
#include "store/configuration.h"

#include <stdlib.h>

/* A hub, as nodes connect to it: TLS, token, metadata; then the consumer group, by a reader without
 * an epoch and without credit. It throws nobody out, and is itself refused where a node reads. */

struct hub_trial {
    struct check *check;
    const struct hub_config *hub;
    struct source *source;
    char *first; /* partition */
    size_t partitions;
    bool over;
};

static void finish(struct hub_trial *t)
{
    t->over = true;
    check_done(t->check);
}

static void on_metadata(void *ctx, const struct source_metadata *metadata)
{
    struct hub_trial *t = ctx;
    if (t->first != NULL || metadata->partition_count == 0)
        return;
    t->partitions = metadata->partition_count;
    t->first = xstrndup(metadata->partitions[0].p, metadata->partitions[0].n);
    check_tell(t->check, FINDING_OK, NULL, "it lets us in: %zu partitions at %.*s", t->partitions,
               (int)metadata->endpoint.n, metadata->endpoint.p);
}

static void on_up(void *ctx)
{
    struct hub_trial *t = ctx;
    struct source_position newest = {.kind = SOURCE_AT_LATEST};
    if (t->over || t->first == NULL)
        return;
    check_subject(t->check, "hub %s, consumer group %s", t->hub->name, t->hub->consumer_group);
    (void)source_read(t->source, slice_from(t->first), SOURCE_NO_TOKEN, newest, 0, t);
}

static void on_down(void *ctx, const struct error *why)
{
    struct hub_trial *t = ctx;
    if (t->over)
        return;
    struct error what = *why;
    char subject[300];
    (void)snprintf(subject, sizeof subject, "hub %s", t->hub->name);
    check_found(t->check, FINDING_ERROR, subject, &what);
    finish(t);
}

static void on_opened(void *ctx, void *reader_ctx)
{
    struct hub_trial *t = ctx;
    (void)reader_ctx;
    if (t->over)
        return;
    check_tell(t->check, FINDING_OK, NULL, "it may be read, and nobody reads partition %s now",
               t->first);
    finish(t);
}

static void on_message(void *ctx, void *reader_ctx, const struct source_message *message)
{
    (void)ctx;
    (void)reader_ctx;
    (void)message;
}

static void on_ended(void *ctx, void *reader_ctx, enum source_end end, const struct error *why)
{
    struct hub_trial *t = ctx;
    (void)reader_ctx;
    if (t->over)
        return;
    if (end == SOURCE_END_STOLEN) {
        check_tell(t->check, FINDING_OK, NULL,
                   "it is there; partition %s is being read, with an "
                   "epoch as nodes do",
                   t->first);
    } else if (end == SOURCE_END_BUSY) {
        check_tell(t->check, FINDING_WARNING,
                   "At most five readers without an epoch may share a partition: let each program "
                   "have a consumer group of its own.",
                   "the hub lets no further reader in: %s", why->message);
    } else {
        char subject[400];
        (void)snprintf(subject, sizeof subject, "hub %s, consumer group %s", t->hub->name,
                       t->hub->consumer_group);
        check_found(t->check, FINDING_ERROR, subject, why);
    }
    finish(t);
}

static void *begin_hub(struct check *check, const void *what)
{
    struct hub_trial *t = xcalloc(1, sizeof *t);
    struct error err;
    t->check = check;
    t->hub = what;
    check_subject(check, "hub %s", t->hub->name);
    struct hub_secrets secrets = {check->options->secrets, t->hub->connection_secret,
                                  t->hub->ca_secret};
    struct source_config config = {.name = t->hub->name,
                                   .proxy = t->hub->proxy,
                                   .consumer_group = t->hub->consumer_group,
                                   .node = "holdfast-check",
                                   .window_bytes = 65536,
                                   .random = &check->random};
    struct source_handlers handlers = {.up = on_up,
                                       .metadata = on_metadata,
                                       .down = on_down,
                                       .opened = on_opened,
                                       .message = on_message,
                                       .ended = on_ended};
    t->source = hub_source_open(check->base, check->dns, &secrets, config, handlers, t, &err);
    if (t->source == NULL)
        on_down(t, &err);
    return t;
}

static void end_hub(void *trial)
{
    struct hub_trial *t = trial;
    t->over = true;
    if (t->source != NULL)
        source_close(t->source);
    free(t->first);
    free(t);
}

const struct check_trial check_hub = {begin_hub, end_hub};
