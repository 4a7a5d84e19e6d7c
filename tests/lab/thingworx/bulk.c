#include "base/clock.h"
#include "base/memory.h"
#include "thingworx/call.h"

#include <stdlib.h>

/* The service of thingworx/holdfast-bulk.xml, as that script does it: Thing by Thing, and those
 * that refuse once more at the end, row by row. */

#define BULK_THING "Holdfast.Bulk"

struct outcome {
    bool refused, missing;
    char reason[160];
};

bool bulk_is_called(const struct call *call)
{
    return call->server->bulk && call->method == EVHTTP_REQ_POST && call->n_segments == 5 &&
           strcmp(call->segments[2], BULK_THING) == 0 &&
           strcmp(call->segments[3], "Services") == 0 &&
           strcmp(call->segments[4], "UpdateValues") == 0;
}

/* What a call of the Thing's own service with these rows would run into; NULL if nothing. */
static const char *fault_of(struct call *call, struct slice name, struct update_row *rows, size_t n)
{
    struct update view = {.rows = rows, .n = n};
    struct fault_target target = {.thing = name, .update = &view};
    struct fault_effect effect = {.close = false};
    int64_t now_us = clock_now_us();
    faults_apply(&call->server->faults, &target, false, now_us, &effect);
    faults_apply(&call->server->faults, &target, true, now_us, &effect);
    if (effect.status == NULL)
        return NULL;
    return effect.status->body != NULL ? effect.status->body : "Fault";
}

/* One call of UpdatePropertyValues: all or nothing. Why it fails; NULL if it does not. */
static const char *update_thing(struct call *call, struct thing *thing, struct update_row *rows,
                                size_t n)
{
    struct property *property;
    const char *why = fault_of(call, slice_from(thing->name), rows, n);
    if (why == NULL && !thing->enabled)
        why = "the Thing is not enabled";
    for (size_t i = 0; why == NULL && i < n; i++)
        why = properties_check_row(call->server, thing, &rows[i], &property);
    if (why != NULL)
        return why;
    int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < n; i++)
        properties_accept_row(call, thing, &rows[i], now_us);
    return NULL;
}

static void set_outcome(struct outcome *outcome, const char *why, bool missing)
{
    *outcome = (struct outcome){.refused = why != NULL, .missing = missing};
    if (why != NULL)
        (void)snprintf(outcome->reason, sizeof outcome->reason, "%s", why);
}

/* The first go: all rows of a Thing at once. False if it waits for the second. */
static bool write_run(struct call *call, struct update_row *rows, size_t n)
{
    struct thing *thing = model_seen(&call->server->model, rows[0].thing);
    return thing != NULL && update_thing(call, thing, rows, n) == NULL;
}

/* The second go: row by row. */
static void write_rows(struct call *call, struct update_row *rows, size_t n,
                       struct outcome *outcomes)
{
    struct thing *thing = model_seen(&call->server->model, rows[0].thing);
    for (size_t i = 0; i < n; i++)
        set_outcome(&outcomes[i],
                    thing != NULL ? update_thing(call, thing, &rows[i], 1) : "Thing not found",
                    thing == NULL);
}

/* How many rows from `at` on are of one Thing. */
static size_t run_length(const struct update *update, size_t at)
{
    size_t n = 1;
    while (at + n < update->n && slice_equal(update->rows[at].thing, update->rows[at + n].thing))
        n++;
    return n;
}

/* Whether rows of the same Thing have been left for the second go already. */
static bool waits(const struct update *update, const bool *left, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (left[i] && slice_equal(update->rows[i].thing, update->rows[at].thing))
            return true;
    return false;
}

static void put_refusals(struct call *call, const struct outcome *outcomes)
{
    const struct update *update = &call->server->update;
    struct buffer *out = &call->answer.body;
    bool first = true;
    call->answer.type = "application/json;charset=UTF-8";
    (void)buffer_append_text(out, "{\"dataShape\":{\"fieldDefinitions\":{}},\"rows\":[");
    for (size_t i = 0; i < update->n; i++) {
        if (!outcomes[i].refused)
            continue;
        (void)buffer_printf(out, "%s{\"row\":%zu,\"missing\":%s,\"thing\":\"", first ? "" : ",", i,
                            outcomes[i].missing ? "true" : "false");
        (void)buffer_append_json(out, update->rows[i].thing);
        (void)buffer_append_text(out, "\",\"name\":\"");
        (void)buffer_append_json(out, update->rows[i].name);
        (void)buffer_append_text(out, "\",\"reason\":\"");
        (void)buffer_append_json(out, slice_from(outcomes[i].reason));
        (void)buffer_append_text(out, "\"}");
        first = false;
    }
    (void)buffer_append_text(out, "]}");
}

void bulk_write(struct call *call)
{
    struct update *update = &call->server->update;
    if (call->read != UPDATE_OK) {
        call_answer(call, call->read == UPDATE_NOT_JSON ? 400 : 500,
                    "Unable to Invoke Service UpdateValues on " BULK_THING " : %s", update->reason);
        return;
    }
    struct outcome *outcomes = xcalloc(update->n + 1, sizeof *outcomes);
    bool *left = xcalloc(update->n + 1, sizeof *left);
    for (size_t at = 0; at < update->n; at += run_length(update, at))
        left[at] =
            waits(update, left, at) || !write_run(call, &update->rows[at], run_length(update, at));
    for (size_t at = 0; at < update->n; at += run_length(update, at))
        if (left[at])
            write_rows(call, &update->rows[at], run_length(update, at), &outcomes[at]);
    free(left);
    put_refusals(call, outcomes);
    free(outcomes);
}
