#pragma once
#include "base/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

/* How the service behaves where no source that we know of says it: each way is a switch, so that a
 * client can be shown to be right whichever it is. tests/lab/README.md lists them. */

enum setting {
    SETTING_TOKEN_STATUS,
    SETTING_TOKEN_SCOPE,
    SETTING_LOWER_EPOCH,
    SETTING_BAD_OFFSET,
    SETTING_UNKNOWN_PARTITION,
    SETTING_REDIRECT,
    SETTING_REPLY,
    SETTING_PARTITION_IDS,
    SETTING_OFFSETS,
    SETTING_TRANSFERS,
    SETTING_MESSAGE_SIZE,
    SETTING_MECHANISMS,
    SETTING_COUNT
};

struct settings {
    int chosen[SETTING_COUNT]; /* which of the setting's values; 0 is the default */
};

/* The value as text; for some settings that is what goes on the wire. */
const char *settings_text(const struct settings *settings, enum setting which);

/* Whether the setting stands at another value than its default. */
bool settings_differs(const struct settings *settings, enum setting which);

/* "name=value", as on the command line. */
bool settings_parse(struct settings *settings, const char *pair, struct error *err);

/* All members of `body` are set, or none: false and err when one makes no sense. */
bool settings_apply(struct settings *settings, struct json_object *body, struct error *err);

/* Adds every setting and its value to `out`. */
void settings_show(const struct settings *settings, struct json_object *out);

/* A line for each: its name and its values, the default first, separated by tabs. */
void settings_list(FILE *to);
