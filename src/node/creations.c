#include "node/creations.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/creation.h"
#include "core/hash.h"
#include "core/lane.h"
#include "node/membership.h"
#include "node/parts.h"
#include "store/configuration.h"
#include "store/progress.h"
#include "thingworx/client.h"

#include <stdlib.h>
#include <uthash.h>

enum {
    JOBS_MAX = 1000,      /* what finds no place asks again */
    PROPERTIES_MAX = 256, /* that are learnt at once; others follow one by one */
    CALLS_MAX = 4,        /* on the wire at a time */
    TRIED_SLOTS = 1024,
    TELL_MS = 10000,
    WANTED_MS = 60000, /* lanes try again every ten seconds at most */
    SYNC_MS = 2000     /* until all of a cluster know a definition */
};

struct learnt {
    char *name, *base_type; /* as they stand in JSON */
};

struct creation_job {
    UT_hash_handle hh;
    struct creation state;
    char *thing, *template, *project;
    struct learnt learnt[PROPERTIES_MAX];
    uint32_t count;
    bool calling;
    bool needless;     /* the Thing was there after all */
    int64_t wanted_us; /* when rows last waited for it */
};

/* A property that was defined, or could not be; where two share a place the later one stays, which
 * costs a call more. */
struct tried {
    uint64_t property;
    int64_t at_us;
};

struct creations {
    struct node_parts *node;
    const char *destination;
    struct creation_job *jobs;
    unsigned calls;
    int64_t told_us; /* when it was last said that a Thing cannot be made */
    struct tried tried[TRIED_SLOTS];
};

struct creations *creations_create(struct node_parts *node, const char *destination)
{
    struct creations *c = xcalloc(1, sizeof *c);
    c->node = node;
    c->destination = destination;
    return c;
}

/* ---- jobs --------------------------------------------------------------------------------- */

static void forget_learnt(struct creation_job *job)
{
    while (job->count > 0) {
        job->count--;
        free(job->learnt[job->count].name);
        free(job->learnt[job->count].base_type);
    }
    free(job->template);
    free(job->project);
    job->template = job->project = NULL;
}

static void job_free(struct creations *c, struct creation_job *job)
{
    HASH_DEL(c->jobs, job);
    forget_learnt(job);
    free(job->thing);
    free(job);
}

void creations_free(struct creations *c)
{
    if (c == NULL)
        return;
    struct creation_job *job, *next;
    HASH_ITER(hh, c->jobs, job, next)
    {
        job_free(c, job);
    }
    free(c);
}

static struct creation_job *job_of(struct creations *c, struct slice thing, int64_t now_us)
{
    struct creation_job *job;
    HASH_FIND(hh, c->jobs, thing.p, thing.n, job);
    if (job != NULL)
        job->wanted_us = now_us;
    if (job != NULL || HASH_COUNT(c->jobs) >= JOBS_MAX)
        return job;
    job = xcalloc(1, sizeof *job);
    job->state.step = CREATION_DONE;
    job->wanted_us = now_us;
    job->thing = xstrndup(thing.p, thing.n);
    HASH_ADD_KEYPTR(hh, c->jobs, job->thing, thing.n, job);
    return job;
}

static bool knows(const struct creation_job *job, struct slice name)
{
    for (uint32_t i = 0; i < job->count; i++)
        if (slice_equal(slice_from(job->learnt[i].name), name))
            return true;
    return false;
}

static void begin(struct creation_job *job, const struct fleet_config *fleet,
                  const struct lane *lane, bool missing, int64_t now_us)
{
    struct slice name, base_type;
    struct buffer row;
    buffer_init(&row, TRANSLATE_TEXT_MAX);
    forget_learnt(job);
    job->template = xstrdup(fleet->create_template);
    job->project = fleet->create_project != NULL ? xstrdup(fleet->create_project) : NULL;
    for (uint32_t i = 0; job->count < PROPERTIES_MAX && lane_row(lane, i, &row); i++)
        if (creation_learn(buffer_slice(&row), &name, &base_type) && !knows(job, name))
            job->learnt[job->count++] =
                (struct learnt){xstrndup(name.p, name.n), xstrndup(base_type.p, base_type.n)};
    buffer_free(&row);
    creation_begin(&job->state, missing, job->count, now_us);
}

void creations_thing(struct creations *c, const struct fleet_config *fleet, const struct lane *lane,
                     int64_t now_us)
{
    struct creation_job *job = job_of(c, lane_thing(lane), now_us);
    if (job == NULL || job->calling || job->state.step != CREATION_DONE)
        return;
    /* Soon after, it is only not known everywhere yet. */
    if (job->state.done_us != 0 && now_us - job->state.done_us < CREATION_SYNC_MS * MS_US)
        return;
    begin(job, fleet, lane, true, now_us);
}

static struct tried *tried_of(struct creations *c, struct slice thing, struct slice property)
{
    uint64_t hash = hash_bytes(thing) * 31 + hash_bytes(property);
    struct tried *tried = &c->tried[hash % TRIED_SLOTS];
    if (tried->property != hash)
        *tried = (struct tried){.property = hash};
    return tried;
}

bool creations_property(struct creations *c, const struct fleet_config *fleet,
                        const struct lane *lane, int64_t now_us)
{
    struct slice name, base_type;
    struct buffer row;
    struct creation_job *job = job_of(c, lane_thing(lane), now_us);
    bool untried = false, fresh = false;
    buffer_init(&row, TRANSLATE_TEXT_MAX);
    for (uint32_t i = 0; i < PROPERTIES_MAX && lane_row(lane, i, &row); i++) {
        if (!creation_learn(buffer_slice(&row), &name, &base_type))
            continue;
        int64_t tried_us = tried_of(c, lane_thing(lane), name)->at_us;
        untried = untried || tried_us == 0;
        fresh = fresh || (tried_us != 0 && now_us - tried_us < SYNC_MS * MS_US);
    }
    buffer_free(&row);
    if (job != NULL && (job->calling || job->state.step != CREATION_DONE))
        return true;
    if (untried && job != NULL)
        begin(job, fleet, lane, false, now_us);
    return untried || fresh;
}

void creations_needless(struct creations *c, struct slice thing)
{
    struct creation_job *job;
    if (c->jobs == NULL)
        return;
    HASH_FIND(hh, c->jobs, thing.p, thing.n, job);
    if (job == NULL || job->state.step != CREATION_CREATE)
        return;
    job->needless = job->calling;
    if (!job->calling)
        job_free(c, job);
}

/* ---- calls -------------------------------------------------------------------------------- */

struct creation_job *creations_next(struct creations *c, int64_t now_us)
{
    struct creation_job *job, *next;
    if (c->calls >= CALLS_MAX)
        return NULL;
    HASH_ITER(hh, c->jobs, job, next)
    {
        if (!job->calling && job->state.step != CREATION_DONE && job->state.next_us <= now_us)
            return job;
    }
    return NULL;
}

int64_t creations_due_us(const struct creations *c)
{
    const struct creation_job *job;
    int64_t due = INT64_MAX;
    for (job = c->jobs; job != NULL; job = job->hh.next)
        if (!job->calling && job->state.step != CREATION_DONE && job->state.next_us < due)
            due = job->state.next_us;
    return due;
}

static void put_text(struct buffer *body, const char *name, const char *text, bool escaped)
{
    (void)buffer_printf(body, "%s\"%s\":\"", body->n > 1 ? "," : "", name);
    if (escaped)
        (void)buffer_append_text(body, text);
    else
        (void)buffer_append_json(body, slice_from(text));
    (void)buffer_append_text(body, "\"");
}

void creations_write(struct creation_job *job, struct slice *thing, struct slice *service,
                     struct buffer *body)
{
    static const char *const services[] = {[CREATION_CREATE] = "CreateThing",
                                           [CREATION_ENABLE] = "EnableThing",
                                           [CREATION_PROPERTY] = "AddPropertyDefinition",
                                           [CREATION_RESTART] = "RestartThing"};
    bool create = job->state.step == CREATION_CREATE;
    *thing = create ? (struct slice){NULL, 0} : slice_from(job->thing);
    *service = slice_from(services[job->state.step]);
    buffer_clear(body);
    (void)buffer_append_text(body, "{");
    if (create) {
        put_text(body, "name", job->thing, false);
        put_text(body, "thingTemplateName", job->template, false);
        put_text(body, "description", "made by Holdfast", false);
        if (job->project != NULL)
            put_text(body, "projectName", job->project, false);
    } else if (job->state.step == CREATION_PROPERTY) {
        put_text(body, "name", job->learnt[job->state.property].name, true);
        put_text(body, "type", job->learnt[job->state.property].base_type, true);
    }
    (void)buffer_append_text(body, "}");
}

void creations_sent(struct creations *c, struct creation_job *job)
{
    job->calling = true;
    c->calls++;
}

static void tell(struct creations *c, const struct creation_job *job, const struct error *what)
{
    struct pg_connection *work = membership_work(c->node->membership);
    if (work != NULL)
        store_report_event(work, membership_key(c->node->membership), "thing", job->thing, what);
}

static void say_created(struct creations *c, const struct creation_job *job)
{
    struct error what;
    c->node->counts.things_created++;
    error_set(&what, "Thing made");
    error_detail(&what, "of template %s, with %u properties, in destination %s", job->template,
                 job->count, c->destination);
    log_info(c->node->log, "Thing made", F_TEXT("thing", job->thing),
             F_TEXT("template", job->template), F_NUMBER("properties", job->count),
             F_TEXT("destination", c->destination));
    tell(c, job, &what);
}

static void say_refused(struct creations *c, const struct creation_job *job,
                        const struct thingworx_answer *answer, int64_t now_us)
{
    struct error why;
    bool forbidden = answer->status == 403 || job->state.status == 403;
    error_set(&why, "a Thing that is missing cannot be made");
    error_detail(&why, "template %s, HTTP %d: %.200s", job->template,
                 job->state.status != 0 ? job->state.status : answer->status, answer->text);
    error_hint(&why,
               "%s; or end it with SELECT holdfast.set_thing_creation(fleet, NULL). Its values "
               "are kept, and it is tried again",
               forbidden ? "let the application key's user invoke CreateThing of EntityServices"
                         : "give an existing template and project");
    log_error(c->node->log, "a Thing cannot be made", &why, F_TEXT("thing", job->thing),
              F_TEXT("destination", c->destination));
    /* What ails one ails many. */
    if (c->told_us != 0 && now_us - c->told_us < TELL_MS * MS_US)
        return;
    c->told_us = now_us;
    tell(c, job, &why);
}

static void mark_tried(struct creations *c, const struct creation_job *job, int64_t now_us)
{
    for (uint32_t i = 0; i < job->count; i++)
        tried_of(c, slice_from(job->thing), slice_from(job->learnt[i].name))->at_us = now_us;
}

void creations_answered(struct creations *c, struct creation_job *job,
                        const struct thingworx_answer *answer, int64_t now_us)
{
    job->calling = false;
    c->calls--;
    switch (creation_answered(&job->state, answer->class, answer->status, now_us)) {
    case CREATION_CREATED:
        say_created(c, job);
        break;
    case CREATION_ADDED:
        c->node->counts.properties_added++;
        break;
    case CREATION_REFUSED:
        say_refused(c, job, answer, now_us);
        break;
    case CREATION_FINISHED:
        mark_tried(c, job, now_us);
        break;
    case CREATION_NOTHING:
        break;
    }
    if (job->needless && !job->state.made)
        job_free(c, job);
    else
        job->needless = false;
}

void creations_cancelled(struct creations *c)
{
    struct creation_job *job, *next;
    HASH_ITER(hh, c->jobs, job, next)
    {
        job->calling = false;
    }
    c->calls = 0;
}

void creations_tick(struct creations *c, int64_t now_us)
{
    struct creation_job *job, *next;
    HASH_ITER(hh, c->jobs, job, next)
    {
        bool done = job->state.step == CREATION_DONE &&
                    now_us - job->state.done_us >= CREATION_SYNC_MS * MS_US;
        bool unwanted = now_us - job->wanted_us >= WANTED_MS * MS_US;
        if (!job->calling && (done || unwanted))
            job_free(c, job);
    }
}
