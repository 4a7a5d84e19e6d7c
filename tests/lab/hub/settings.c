#include "hub/settings.h"

#include <string.h>

enum { VALUES = 4 };

static const struct {
    const char *name;
    const char *values[VALUES]; /* the default first */
} table[SETTING_COUNT] = {
    [SETTING_TOKEN_STATUS] = {"token_status", {"200", "202"}},
    [SETTING_TOKEN_SCOPE] = {"token_scope", {"prefix", "exact"}},
    [SETTING_LOWER_EPOCH] = {"lower_epoch",
                             {"amqp:link:stolen", "amqp:not-allowed", "amqp:resource-locked"}},
    [SETTING_BAD_OFFSET] = {"bad_offset",
                            {"com.microsoft:argument-error", "com.microsoft:argument-out-of-range",
                             "com.microsoft:georeplication:invalid-offset"}},
    [SETTING_UNKNOWN_PARTITION] = {"unknown_partition",
                                   {"amqp:not-found", "com.microsoft:argument-out-of-range",
                                    "com.microsoft:argument-error"}},
    [SETTING_REDIRECT] = {"redirect", {"int_port", "uint_port", "text_port", "address"}},
    [SETTING_REPLY] = {"reply", {"dashes", "camel"}},
    [SETTING_PARTITION_IDS] = {"partition_ids", {"array", "list"}},
    [SETTING_OFFSETS] = {"offsets", {"number", "prefixed"}},
    [SETTING_TRANSFERS] = {"transfers", {"settled", "unsettled"}},
    [SETTING_MESSAGE_SIZE] = {"message_size", {"given", "absent"}},
    [SETTING_MECHANISMS] = {"mechanisms", {"ANONYMOUS", "MSSBCBS PLAIN ANONYMOUS EXTERNAL"}},
};

const char *settings_text(const struct settings *settings, enum setting which)
{
    return table[which].values[settings->chosen[which]];
}

bool settings_differs(const struct settings *settings, enum setting which)
{
    return settings->chosen[which] != 0;
}

static bool set(struct settings *settings, const char *name, const char *value, struct error *err)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        for (int v = 0; v < VALUES && table[i].values[v] != NULL; v++) {
            if (strcmp(table[i].values[v], value) == 0) {
                settings->chosen[i] = v;
                return true;
            }
        }
        return error_set(err, "the setting \"%s\" has no value \"%s\"", name, value);
    }
    return error_set(err, "there is no setting \"%s\"", name);
}

bool settings_parse(struct settings *settings, const char *pair, struct error *err)
{
    char name[64];
    const char *equals = strchr(pair, '=');
    if (equals == NULL || (size_t)(equals - pair) >= sizeof name)
        return error_set(err, "\"%s\" is no name=value", pair);
    memcpy(name, pair, (size_t)(equals - pair));
    name[equals - pair] = '\0';
    return set(settings, name, equals + 1, err);
}

bool settings_apply(struct settings *settings, struct json_object *body, struct error *err)
{
    struct settings changed = *settings;
    struct json_object_iterator it = json_object_iter_begin(body);
    struct json_object_iterator end = json_object_iter_end(body);
    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        struct json_object *value = json_object_iter_peek_value(&it);
        const char *text = value ? json_object_get_string(value) : "null";
        if (!set(&changed, json_object_iter_peek_name(&it), text, err))
            return false;
    }
    *settings = changed;
    return true;
}

void settings_show(const struct settings *settings, struct json_object *out)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        json_object_object_add(out, table[i].name,
                               json_object_new_string(settings_text(settings, (enum setting)i)));
}

void settings_list(FILE *to)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        fputs(table[i].name, to);
        for (int v = 0; v < VALUES && table[i].values[v] != NULL; v++)
            fprintf(to, "\t%s", table[i].values[v]);
        fputc('\n', to);
    }
}
