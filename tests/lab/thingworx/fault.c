#include "thingworx/fault.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>
#include <utlist.h>

static const struct {
    const char *name;
    enum fault_kind kind;
} kinds[] = {
    {"status", FAULT_STATUS},         {"latency", FAULT_LATENCY},     {"hang", FAULT_HANG},
    {"lost_reply", FAULT_LOST_REPLY}, {"not_ready", FAULT_NOT_READY}, {"starting", FAULT_STARTING},
    {"close", FAULT_CLOSE},
};

static const char *const members[] = {"kind",        "status",   "ms",    "seconds",
                                      "count",       "thing",    "body",  "html",
                                      "retry_after", "property", "value", "ready"};

static int64_t number(struct json_object *wish, const char *name, int64_t otherwise)
{
    struct json_object *found;
    return json_object_object_get_ex(wish, name, &found) ? json_object_get_int64(found) : otherwise;
}

static char *text(struct json_object *wish, const char *name)
{
    struct json_object *found;
    if (!json_object_object_get_ex(wish, name, &found) || found == NULL)
        return NULL;
    return xstrdup(json_object_get_string(found));
}

static bool flag(struct json_object *wish, const char *name)
{
    struct json_object *found;
    return json_object_object_get_ex(wish, name, &found) && json_object_get_boolean(found);
}

/* A misspelt member must not turn a narrow fault into a wide one. */
static bool known_members(struct json_object *wish, struct error *err)
{
    json_object_object_foreach(wish, key, unused)
    {
        (void)unused;
        bool known = false;
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
            known = known || strcmp(members[i], key) == 0;
        if (!known)
            return error_set(err, "a fault has no member \"%s\"", key);
    }
    return true;
}

static bool find_kind(struct json_object *wish, enum fault_kind *kind, struct error *err)
{
    struct json_object *found;
    if (!json_object_object_get_ex(wish, "kind", &found))
        return error_set(err, "a fault needs a kind");
    const char *name = json_object_get_string(found);
    for (size_t i = 0; name != NULL && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0) {
            *kind = kinds[i].kind;
            return true;
        }
    return error_set(err, "unknown kind of fault \"%s\"", name != NULL ? name : "null");
}

static void free_fault(struct fault *fault)
{
    free(fault->thing);
    free(fault->property);
    free(fault->value);
    free(fault->body);
    free(fault);
}

bool faults_add(struct faults *faults, struct json_object *wish, int64_t now_us, struct error *err)
{
    enum fault_kind kind = FAULT_STATUS;
    struct json_object *seconds = NULL;
    if (!known_members(wish, err) || !find_kind(wish, &kind, err))
        return false;
    int64_t status = number(wish, "status", kind == FAULT_STARTING ? 404 : 0);
    if (kind == FAULT_STATUS && (status < 200 || status > 599))
        return error_set(err, "a fault of kind status needs a status from 200 to 599");
    if (kind == FAULT_LATENCY && number(wish, "ms", 0) <= 0)
        return error_set(err, "a fault of kind latency needs ms");
    int64_t us = 0;
    if (json_object_object_get_ex(wish, "seconds", &seconds))
        us = (int64_t)(json_object_get_double(seconds) * (double)SECOND_US);
    struct fault *fault = xcalloc(1, sizeof *fault);
    *fault = (struct fault){
        .kind = kind,
        .status = (int)status,
        .retry_after = (int)number(wish, "retry_after", 0),
        .ms = number(wish, "ms", 0),
        .until_us = us > 0 ? now_us + us : 0,
        .left = number(wish, "count", -1),
        .probes = flag(wish, "ready") || kind == FAULT_STARTING || kind == FAULT_NOT_READY,
        .html = flag(wish, "html") || kind == FAULT_STARTING,
        .thing = text(wish, "thing"),
        .property = text(wish, "property"),
        .value = text(wish, "value"),
        .body = text(wish, "body"),
    };
    LL_APPEND(faults->list, fault);
    return true;
}

void faults_clear(struct faults *faults)
{
    struct fault *fault;
    struct fault *next;
    LL_FOREACH_SAFE(faults->list, fault, next)
    {
        free_fault(fault);
    }
    faults->list = NULL;
}

static bool has_row(const struct fault *fault, const struct update *update)
{
    for (size_t i = 0; update != NULL && i < update->n; i++) {
        const struct update_row *row = &update->rows[i];
        if (slice_equal(row->name, slice_from(fault->property)) &&
            (fault->value == NULL || memmem(row->value.text.p, row->value.text.n, fault->value,
                                            strlen(fault->value)) != NULL))
            return true;
    }
    return false;
}

static bool hits(const struct fault *fault, const struct fault_target *target, int64_t now_us)
{
    if (fault->left == 0 || (fault->until_us != 0 && now_us >= fault->until_us))
        return false;
    if (target->probe && !fault->probes)
        return false;
    if (fault->thing != NULL && !slice_equal(target->thing, slice_from(fault->thing)))
        return false;
    return fault->property == NULL || has_row(fault, target->update);
}

static void add_effect(const struct fault *fault, struct fault_effect *effect)
{
    switch (fault->kind) {
    case FAULT_LATENCY:
        effect->latency_us += fault->ms * MS_US;
        break;
    case FAULT_HANG:
        effect->hang = true;
        effect->hang_until_us = fault->until_us;
        break;
    case FAULT_LOST_REPLY:
        effect->lost_reply = true;
        break;
    case FAULT_NOT_READY:
        effect->not_ready = true;
        break;
    case FAULT_CLOSE:
        effect->close = true;
        break;
    case FAULT_STATUS:
    case FAULT_STARTING:
    default:
        if (effect->status == NULL)
            effect->status = fault;
        break;
    }
}

void faults_apply(struct faults *faults, const struct fault_target *target, bool with_property,
                  int64_t now_us, struct fault_effect *effect)
{
    struct fault *fault;
    LL_FOREACH(faults->list, fault)
    {
        if ((fault->property != NULL) != with_property || !hits(fault, target, now_us))
            continue;
        if (fault->left > 0)
            fault->left--;
        add_effect(fault, effect);
    }
}
