#include "store/configuration.h"

#include "base/clock.h"
#include "base/memory.h"
#include "core/heartbeat.h"
#include "core/mapping.h"
#include "pg/connection.h"
#include "store/values.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading members ---------------------------------------------------------------------- */

/* A member that is there and not null, else NULL. */
static struct json_object *member_of(struct json_object *from, const char *name)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(from, name, &value) ? value : NULL;
}

/* The schema promises the members and their types: another one is of another build. */
static bool refuse(struct error *err, const char *how, const char *name)
{
    error_set(err, "the configuration in the database %s \"%s\"", how, name);
    return error_hint(err, "Run `holdfast migrate`, or upgrade this node.");
}

static bool copy_text(struct json_object *value, const char *name, char **to, struct error *err)
{
    if (!json_object_is_type(value, json_type_string) ||
        strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
        return refuse(err, "has no text in", name);
    *to = xstrdup(json_object_get_string(value));
    return true;
}

/* Leaves `to` NULL when there is none. */
static bool text_of(struct json_object *from, const char *name, char **to, struct error *err)
{
    struct json_object *value = member_of(from, name);
    return value == NULL || copy_text(value, name, to, err);
}

static bool need_text(struct json_object *from, const char *name, char **to, struct error *err)
{
    return text_of(from, name, to, err) && (*to != NULL || refuse(err, "lacks", name));
}

/* Leaves `to`, which holds the default, when there is none. */
static bool number_of(struct json_object *from, const char *name, int64_t *to, struct error *err)
{
    struct json_object *value = member_of(from, name);
    if (value == NULL)
        return true;
    if (!json_object_is_type(value, json_type_int))
        return refuse(err, "has no whole number in", name);
    *to = json_object_get_int64(value);
    return true;
}

static bool limit_of(struct json_object *from, const char *name, int64_t least, int64_t *to,
                     struct error *err)
{
    if (!number_of(from, name, to, err))
        return false;
    return (*to >= least && *to <= INT32_MAX) ||
           refuse(err, "has a number that cannot be used in", name);
}

static bool flag_of(struct json_object *from, const char *name, bool *to, struct error *err)
{
    struct json_object *value = member_of(from, name);
    if (value == NULL)
        return true;
    if (!json_object_is_type(value, json_type_boolean))
        return refuse(err, "has neither true nor false in", name);
    *to = json_object_get_boolean(value);
    return true;
}

/* Keywords that the schema has checked already are told apart by their first letter. */
static bool letter_of(struct json_object *from, const char *name, char *to, struct error *err)
{
    char *text = NULL;
    bool ok = text_of(from, name, &text, err);
    *to = text != NULL ? text[0] : '\0';
    free(text);
    return ok;
}

static bool list_of(struct json_object *from, const char *name, struct json_object **list,
                    size_t *count, struct error *err)
{
    *list = member_of(from, name);
    if (!json_object_is_type(*list, json_type_array))
        return refuse(err, "lacks the list", name);
    *count = json_object_array_length(*list);
    return true;
}

/* ---- the three lists ---------------------------------------------------------------------- */

static bool read_base_urls(struct json_object *from, struct destination_config *to,
                           struct error *err)
{
    struct json_object *urls;
    if (!list_of(from, "base_urls", &urls, &to->base_url_count, err))
        return false;
    to->base_urls = xcalloc(to->base_url_count, sizeof *to->base_urls);
    for (size_t i = 0; i < to->base_url_count; i++)
        if (!copy_text(json_object_array_get_idx(urls, i), "base_urls", &to->base_urls[i], err))
            return false;
    return true;
}

static bool read_destination(struct json_object *from, struct destination_config *to,
                             struct error *err)
{
    int64_t in_flight = 16, timeout_ms = 10000, rows = 1000, bytes = 1 << 20, linger_ms = 0;
    int64_t rate = 0, failed_after_s = 900;
    char delivery = '\0';
    to->adaptive = true;
    if (!need_text(from, "name", &to->name, err) ||
        !need_text(from, "app_key_secret", &to->app_key_secret, err) ||
        !read_base_urls(from, to, err) || !limit_of(from, "max_in_flight", 1, &in_flight, err) ||
        !limit_of(from, "request_timeout_ms", 1, &timeout_ms, err) ||
        !limit_of(from, "max_rows", 1, &rows, err) ||
        !limit_of(from, "max_bytes", 1, &bytes, err) ||
        !limit_of(from, "linger_ms", 0, &linger_ms, err) ||
        !limit_of(from, "max_rows_per_second", 0, &rate, err) ||
        !flag_of(from, "adaptive", &to->adaptive, err) ||
        !letter_of(from, "delivery", &delivery, err) ||
        !limit_of(from, "failed_after_s", 1, &failed_after_s, err) ||
        !number_of(from, "restarts", &to->restarts, err) ||
        !text_of(from, "ca_secret", &to->ca_secret, err) ||
        !text_of(from, "certificate_secret", &to->certificate_secret, err) ||
        !text_of(from, "proxy", &to->proxy, err))
        return false;
    to->max_in_flight = (unsigned)in_flight;
    to->request_timeout_ms = (int)timeout_ms;
    to->max_rows = (unsigned)rows;
    to->max_bytes = (size_t)bytes;
    to->linger_ms = (int)linger_ms;
    to->bulk = delivery != 'p'; /* per_thing */
    to->max_rows_per_second = (unsigned)rate;
    to->failed_after_s = (int)failed_after_s;
    return true;
}

static bool read_fleet(struct json_object *from, struct fleet_config *to, struct error *err)
{
    struct json_object *creation = member_of(from, "creation");
    return need_text(from, "name", &to->name, err) &&
           need_text(from, "destination", &to->destination, err) &&
           text_of(from, "time_member", &to->time_member, err) &&
           (creation == NULL || (need_text(creation, "template", &to->create_template, err) &&
                                 text_of(creation, "project", &to->create_project, err)));
}

static bool read_action(struct json_object *from, struct mapping_rule *to, struct error *err)
{
    static const char *const names[] = {[MAPPING_PROPERTY] = "property",
                                        [MAPPING_DROP] = "drop",
                                        [MAPPING_FLATTEN] = "flatten",
                                        [MAPPING_CONSTANT] = "constant",
                                        [MAPPING_OPCUA] = "opcua"};
    char *action = NULL;
    size_t i = 0;
    if (!need_text(from, "action", &action, err) || action == NULL)
        return false;
    while (i < sizeof names / sizeof names[0] && strcmp(names[i], action) != 0)
        i++;
    free(action);
    to->action = (enum mapping_action)i;
    return i < sizeof names / sizeof names[0] || refuse(err, "has an unknown word in", "action");
}

static bool read_rule(struct json_object *from, struct mapping_rule *to, struct error *err)
{
    return need_text(from, "name", &to->name, err) && read_action(from, to, err) &&
           text_of(from, "devices", &to->devices, err) &&
           text_of(from, "modules", &to->modules, err) &&
           text_of(from, "subjects", &to->subjects, err) &&
           text_of(from, "with_property", &to->with_property, err) &&
           text_of(from, "with_value", &to->with_value, err) &&
           text_of(from, "pointer", &to->pointer, err) &&
           text_of(from, "property", &to->property, err) &&
           text_of(from, "base_type", &to->base_type, err) &&
           text_of(from, "separator", &to->separator, err) &&
           text_of(from, "value", &to->value, err) && text_of(from, "thing", &to->thing, err) &&
           text_of(from, "writers", &to->writers, err) && text_of(from, "nodes", &to->nodes, err);
}

/* The rules come in the order in which they decide; those of one fleet are put together. A database
 * of the version before has none. */
static bool read_rules(struct json_object *root, struct fleet_config *fleet, struct error *err)
{
    struct json_object *list = member_of(root, "mappings");
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    fleet->rules = xcalloc(count, sizeof *fleet->rules);
    for (size_t i = 0; i < count; i++) {
        struct json_object *row = json_object_array_get_idx(list, i);
        struct json_object *name = member_of(row, "fleet");
        if (name == NULL || strcmp(json_object_get_string(name), fleet->name) != 0)
            continue;
        if (!read_rule(row, &fleet->rules[fleet->rule_count++], err))
            return false;
    }
    if (fleet->rule_count > 0)
        fleet->mapping = mapping_compile(fleet->rules, fleet->rule_count, err);
    return fleet->rule_count == 0 || fleet->mapping != NULL;
}

static bool read_heartbeat(struct json_object *from, struct heartbeat_rule *to, struct error *err)
{
    to->silence_ms = 0;
    return need_text(from, "name", &to->name, err) &&
           need_text(from, "property", &to->property, err) &&
           text_of(from, "devices", &to->devices, err) &&
           text_of(from, "modules", &to->modules, err) &&
           number_of(from, "silence_ms", &to->silence_ms, err) &&
           (to->silence_ms > 0 || refuse(err, "has a number that cannot be used in", "silence_ms"));
}

/* The same of the heartbeat rules. */
static bool read_heartbeats(struct json_object *root, struct fleet_config *fleet, struct error *err)
{
    struct json_object *list = member_of(root, "heartbeats");
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    fleet->heartbeats = xcalloc(count, sizeof *fleet->heartbeats);
    for (size_t i = 0; i < count; i++) {
        struct json_object *row = json_object_array_get_idx(list, i);
        struct json_object *name = member_of(row, "fleet");
        if (name == NULL || strcmp(json_object_get_string(name), fleet->name) != 0)
            continue;
        if (!read_heartbeat(row, &fleet->heartbeats[fleet->heartbeat_count++], err))
            return false;
    }
    return true;
}

static bool read_hub(struct json_object *from, struct hub_config *to, struct error *err)
{
    char start, new_log, invalid_offset;
    to->start_ms = -1;
    to->start_sequence = -1;
    to->enabled = true;
    if (!need_text(from, "name", &to->name, err) || !need_text(from, "fleet", &to->fleet, err) ||
        !need_text(from, "connection_secret", &to->connection_secret, err) ||
        !need_text(from, "consumer_group", &to->consumer_group, err) ||
        !text_of(from, "ca_secret", &to->ca_secret, err) ||
        !text_of(from, "proxy", &to->proxy, err) ||
        !number_of(from, "start_ms", &to->start_ms, err) ||
        !number_of(from, "start_sequence", &to->start_sequence, err) ||
        !flag_of(from, "enabled", &to->enabled, err) || !letter_of(from, "start_at", &start, err) ||
        !letter_of(from, "on_new_log", &new_log, err) ||
        !letter_of(from, "on_invalid_offset", &invalid_offset, err))
        return false;
    to->start_at_latest = start == 'l';
    to->new_log_latest = new_log == 'l';
    to->on_invalid_offset = invalid_offset == 'e'   ? INVALID_OFFSET_EARLIEST
                            : invalid_offset == 'l' ? INVALID_OFFSET_LATEST
                                                    : INVALID_OFFSET_STOP;
    return true;
}

/* A database that was not migrated yet does not have it. */
static bool read_log_level(struct json_object *root, struct verbosity_wish *wish, struct error *err)
{
    struct json_object *from = member_of(root, "log_level");
    int64_t remaining_ms = 0;
    char *level = NULL;
    if (from == NULL)
        return true;
    bool ok = number_of(from, "id", &wish->id, err) &&
              number_of(from, "remaining_ms", &remaining_ms, err) &&
              need_text(from, "level", &level, err) &&
              (log_level_read(level, &wish->level) || refuse(err, "has no level in", "log_level"));
    wish->for_us = remaining_ms * MS_US;
    free(level);
    return ok;
}

static bool read_all(struct json_object *root, struct configuration *c, struct error *err)
{
    struct json_object *list;
    if (!number_of(root, "version", &c->version, err) ||
        !list_of(root, "destinations", &list, &c->destination_count, err))
        return false;
    c->destinations = xcalloc(c->destination_count, sizeof *c->destinations);
    for (size_t i = 0; i < c->destination_count; i++)
        if (!read_destination(json_object_array_get_idx(list, i), &c->destinations[i], err))
            return false;
    if (!list_of(root, "fleets", &list, &c->fleet_count, err))
        return false;
    c->fleets = xcalloc(c->fleet_count, sizeof *c->fleets);
    for (size_t i = 0; i < c->fleet_count; i++)
        if (!read_fleet(json_object_array_get_idx(list, i), &c->fleets[i], err) ||
            !read_rules(root, &c->fleets[i], err) || !read_heartbeats(root, &c->fleets[i], err))
            return false;
    if (!read_log_level(root, &c->log_level, err) ||
        !list_of(root, "hubs", &list, &c->hub_count, err))
        return false;
    c->hubs = xcalloc(c->hub_count, sizeof *c->hubs);
    for (size_t i = 0; i < c->hub_count; i++)
        if (!read_hub(json_object_array_get_idx(list, i), &c->hubs[i], err))
            return false;
    return true;
}

struct configuration *configuration_parse(const char *json, struct error *err)
{
    struct json_object *root = json_tokener_parse(json);
    if (root == NULL || !json_object_is_type(root, json_type_object)) {
        json_object_put(root);
        error_set(err, "the configuration in the database is not a JSON object");
        error_hint(err, "Run `holdfast migrate`.");
        return NULL;
    }
    struct configuration *c = xcalloc(1, sizeof *c);
    if (!read_all(root, c, err)) {
        configuration_free(c);
        c = NULL;
    }
    json_object_put(root);
    return c;
}

static void free_rules(struct fleet_config *fleet)
{
    mapping_free(fleet->mapping);
    for (size_t i = 0; i < fleet->rule_count; i++) {
        struct mapping_rule *rule = &fleet->rules[i];
        char *texts[] = {rule->name,          rule->devices,    rule->modules, rule->subjects,
                         rule->with_property, rule->with_value, rule->pointer, rule->property,
                         rule->base_type,     rule->separator,  rule->value,   rule->thing,
                         rule->writers,       rule->nodes};
        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
            free(texts[t]);
    }
    free(fleet->rules);
    for (size_t i = 0; i < fleet->heartbeat_count; i++) {
        struct heartbeat_rule *rule = &fleet->heartbeats[i];
        free(rule->name);
        free(rule->property);
        free(rule->devices);
        free(rule->modules);
    }
    free(fleet->heartbeats);
}

void configuration_free(struct configuration *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->destination_count; i++) {
        struct destination_config *d = &c->destinations[i];
        for (size_t u = 0; u < d->base_url_count; u++)
            free(d->base_urls[u]);
        free(d->base_urls);
        free(d->name);
        free(d->app_key_secret);
        free(d->ca_secret);
        free(d->certificate_secret);
        free(d->proxy);
    }
    for (size_t i = 0; i < c->fleet_count; i++) {
        free(c->fleets[i].name);
        free(c->fleets[i].destination);
        free(c->fleets[i].time_member);
        free(c->fleets[i].create_template);
        free(c->fleets[i].create_project);
        free_rules(&c->fleets[i]);
    }
    for (size_t i = 0; i < c->hub_count; i++) {
        free(c->hubs[i].name);
        free(c->hubs[i].fleet);
        free(c->hubs[i].connection_secret);
        free(c->hubs[i].consumer_group);
        free(c->hubs[i].ca_secret);
        free(c->hubs[i].proxy);
    }
    free(c->destinations);
    free(c->fleets);
    free(c->hubs);
    free(c);
}

const struct fleet_config *configuration_fleet(const struct configuration *c, const char *name)
{
    for (size_t i = 0; c != NULL && i < c->fleet_count; i++)
        if (strcmp(c->fleets[i].name, name) == 0)
            return &c->fleets[i];
    return NULL;
}

const struct destination_config *configuration_destination(const struct configuration *c,
                                                           const char *name)
{
    for (size_t i = 0; c != NULL && i < c->destination_count; i++)
        if (strcmp(c->destinations[i].name, name) == 0)
            return &c->destinations[i];
    return NULL;
}

/* ---- the call ----------------------------------------------------------------------------- */

struct call {
    store_configuration_fn done;
    void *ctx;
};

static void answered(void *ctx, const PGresult *result, const struct error *err)
{
    struct call call = *(struct call *)ctx;
    struct error mine;
    free(ctx);
    struct configuration *c = NULL;
    if (err == NULL) {
        const char *json = PQntuples(result) > 0 ? row_text(result, 0, 0) : NULL;
        c = configuration_parse(json != NULL ? json : "", &mine);
        err = c == NULL ? &mine : NULL;
    }
    call.done(call.ctx, c, err);
}

void store_configuration(struct pg_connection *pg, const char *key, store_configuration_fn done,
                         void *ctx)
{
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){.done = done, .ctx = ctx};
    pg_request(pg, "SELECT holdfast.configuration($1::uuid)", 1, &key, answered, call);
}
