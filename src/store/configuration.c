#include "store/configuration.h"

#include "base/memory.h"
#include "pg/connection.h"
#include "store/values.h"

#include <json-c/json.h>
#include <stdlib.h>

/* ---- reading members ---------------------------------------------------------------------- */

static char *text_of(struct json_object *from, const char *name)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(from, name, &value) || value == NULL)
        return NULL;
    return xstrdup(json_object_get_string(value));
}

/* A text that the schema promises: absent means that the schema is of another build. */
static bool need_text(struct json_object *from, const char *name, char **to, struct error *err)
{
    *to = text_of(from, name);
    if (*to != NULL)
        return true;
    error_set(err, "the configuration in the database lacks \"%s\"", name);
    return error_hint(err, "Run `holdfast migrate`, or upgrade this node.");
}

static int64_t number_of(struct json_object *from, const char *name, int64_t otherwise)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(from, name, &value) || value == NULL)
        return otherwise;
    return json_object_get_int64(value);
}

static struct json_object *list_of(struct json_object *from, const char *name, size_t *count)
{
    struct json_object *list = NULL;
    *count = 0;
    if (json_object_object_get_ex(from, name, &list) && json_object_is_type(list, json_type_array))
        *count = json_object_array_length(list);
    return list;
}

/* ---- the three lists ---------------------------------------------------------------------- */

static bool read_destination(struct json_object *from, struct destination_config *to,
                             struct error *err)
{
    if (!need_text(from, "name", &to->name, err) ||
        !need_text(from, "app_key_secret", &to->app_key_secret, err))
        return false;
    struct json_object *urls = list_of(from, "base_urls", &to->base_url_count);
    to->base_urls = xcalloc(to->base_url_count, sizeof *to->base_urls);
    for (size_t i = 0; i < to->base_url_count; i++)
        to->base_urls[i] = xstrdup(json_object_get_string(json_object_array_get_idx(urls, i)));
    to->max_in_flight = (unsigned)number_of(from, "max_in_flight", 16);
    to->request_timeout_ms = (int)number_of(from, "request_timeout_ms", 10000);
    to->max_rows = (unsigned)number_of(from, "max_rows", 1000);
    to->max_bytes = (size_t)number_of(from, "max_bytes", 1 << 20);
    to->linger_ms = (int)number_of(from, "linger_ms", 0);
    return true;
}

static bool read_fleet(struct json_object *from, struct fleet_config *to, struct error *err)
{
    to->time_member = text_of(from, "time_member");
    return need_text(from, "name", &to->name, err) &&
           need_text(from, "destination", &to->destination, err);
}

/* Keywords that the schema has checked already are told apart by their first letter. */
static bool begins_with(struct json_object *from, const char *name, char letter)
{
    char *text = text_of(from, name);
    bool yes = text != NULL && text[0] == letter;
    free(text);
    return yes;
}

static bool read_hub(struct json_object *from, struct hub_config *to, struct error *err)
{
    to->start_at_latest = begins_with(from, "start_at", 'l');
    to->start_ms = number_of(from, "start_ms", -1);
    to->new_log_latest = begins_with(from, "on_new_log", 'l');
    to->on_invalid_offset = begins_with(from, "on_invalid_offset", 'e')   ? INVALID_OFFSET_EARLIEST
                            : begins_with(from, "on_invalid_offset", 'l') ? INVALID_OFFSET_LATEST
                                                                          : INVALID_OFFSET_STOP;
    to->ca_secret = text_of(from, "ca_secret");
    struct json_object *enabled = NULL;
    to->enabled =
        !json_object_object_get_ex(from, "enabled", &enabled) || json_object_get_boolean(enabled);
    return need_text(from, "name", &to->name, err) && need_text(from, "fleet", &to->fleet, err) &&
           need_text(from, "connection_secret", &to->connection_secret, err) &&
           need_text(from, "consumer_group", &to->consumer_group, err);
}

static bool read_all(struct json_object *root, struct configuration *c, struct error *err)
{
    bool ok = true;
    c->version = number_of(root, "version", 0);
    struct json_object *list = list_of(root, "destinations", &c->destination_count);
    c->destinations = xcalloc(c->destination_count, sizeof *c->destinations);
    for (size_t i = 0; ok && i < c->destination_count; i++)
        ok = read_destination(json_object_array_get_idx(list, i), &c->destinations[i], err);
    list = list_of(root, "fleets", &c->fleet_count);
    c->fleets = xcalloc(c->fleet_count, sizeof *c->fleets);
    for (size_t i = 0; ok && i < c->fleet_count; i++)
        ok = read_fleet(json_object_array_get_idx(list, i), &c->fleets[i], err);
    list = list_of(root, "hubs", &c->hub_count);
    c->hubs = xcalloc(c->hub_count, sizeof *c->hubs);
    for (size_t i = 0; ok && i < c->hub_count; i++)
        ok = read_hub(json_object_array_get_idx(list, i), &c->hubs[i], err);
    return ok;
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
    }
    for (size_t i = 0; i < c->fleet_count; i++) {
        free(c->fleets[i].name);
        free(c->fleets[i].destination);
        free(c->fleets[i].time_member);
    }
    for (size_t i = 0; i < c->hub_count; i++) {
        free(c->hubs[i].name);
        free(c->hubs[i].fleet);
        free(c->hubs[i].connection_secret);
        free(c->hubs[i].consumer_group);
        free(c->hubs[i].ca_secret);
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
