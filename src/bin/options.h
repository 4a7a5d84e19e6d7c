#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What a subcommand can be told, by option or by environment. One table drives parsing, checks,
 * --help and the page in docs/. */
struct options {
    char *database, *name, *secrets, *http_address, *log_format, *log_level, *sql_dir;
    char *http_hosts, *status_page, *core_dumps;
    char *device, *module, *fleet, *subject, *content_type, *property, *file, *thing,
        *allow_breaking;
    int64_t http_port, ttl_ms, capacity, drain_ms, autonomy_ms, token_lifetime_s;
    int64_t interval_s, timeout_s;
    int64_t http_connections, http_connections_per_peer, http_head_ms, http_idle_ms, http_stall_ms,
        http_request_ms;
    bool check, discard, watch, json, help;
};

/* Fills `options` with defaults, then the environment, then the arguments. What HOLDFAST_X may say
 * HOLDFAST_X_FILE may too, with the name of a file that holds it. `command` is the
 * subcommand: options that it does not take are refused. Free with options_free in any case. */
bool options_parse(struct options *options, const char *command, int argc, char **argv,
                   struct error *err);
void options_free(struct options *options);
/* The options of one subcommand, one line each. */
void options_help(const char *command, FILE *out);
/* All options as a Markdown table, for docs/configuration.md. */
void options_document(FILE *out);
