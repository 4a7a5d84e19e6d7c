#include "bin/options.h"

#include "base/memory.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum option_kind { OPTION_TEXT, OPTION_NUMBER, OPTION_FLAG };

struct option_row {
    const char *name, *environment;
    enum option_kind kind;
    size_t at;
    const char *otherwise; /* default; NULL: none */
    int64_t least, most;
    const char *commands; /* which subcommands take it */
    const char *help;
};

#define AT(member) offsetof(struct options, member)

/* In the order of the help: what everybody needs first. */
static const struct option_row table[] = {
    {"database", "HOLDFAST_DATABASE", OPTION_TEXT, AT(database), NULL, 0, 0,
     "migrate node check status explain",
     "connection string of PostgreSQL: key=value pairs or a URI, several hosts too"},
    {"name", "HOLDFAST_NAME", OPTION_TEXT, AT(name), NULL, 0, 0, "node",
     "stable name of the node; the host name if not given"},
    {"secrets", "HOLDFAST_SECRETS", OPTION_TEXT, AT(secrets), NULL, 0, 0, "node check",
     "folder with one file per secret"},
    {"http-address", "HOLDFAST_HTTP_ADDRESS", OPTION_TEXT, AT(http_address), "127.0.0.1", 0, 0,
     "node", "address of /healthz, /readyz, /metrics and the status page"},
    {"http-port", "HOLDFAST_HTTP_PORT", OPTION_NUMBER, AT(http_port), "9464", 0, 65535, "node",
     "their port; 0 takes any that is free"},
    {"http-hosts", "HOLDFAST_HTTP_HOSTS", OPTION_TEXT, AT(http_hosts), NULL, 0, 0, "node",
     "names by which they may be asked, besides addresses, localhost and the node's name; "
     "separated "
     "by commas, * for all"},
    {"http-connections", "HOLDFAST_HTTP_CONNECTIONS", OPTION_NUMBER, AT(http_connections), "128", 1,
     512, "node", "how many connections that port holds"},
    {"http-connections-per-peer", "HOLDFAST_HTTP_CONNECTIONS_PER_PEER", OPTION_NUMBER,
     AT(http_connections_per_peer), "32", 1, 512, "node", "and how many of one address"},
    {"http-head-ms", "HOLDFAST_HTTP_HEAD_MS", OPTION_NUMBER, AT(http_head_ms), "5000", 50, 600000,
     "node", "how long a peer may take to ask, milliseconds"},
    {"http-idle-ms", "HOLDFAST_HTTP_IDLE_MS", OPTION_NUMBER, AT(http_idle_ms), "75000", 50, 600000,
     "node", "and to ask again on the same connection"},
    {"http-stall-ms", "HOLDFAST_HTTP_STALL_MS", OPTION_NUMBER, AT(http_stall_ms), "5000", 50,
     600000, "node", "and in which it may take no byte of an answer"},
    {"http-request-ms", "HOLDFAST_HTTP_REQUEST_MS", OPTION_NUMBER, AT(http_request_ms), "30000", 50,
     600000, "node", "and for a request with its answer in all"},
    {"status-page", "HOLDFAST_STATUS_PAGE", OPTION_TEXT, AT(status_page), "loopback", 0, 0, "node",
     "to whom that port shows the status page: loopback, all or none"},
    {"core-dumps", "HOLDFAST_CORE_DUMPS", OPTION_TEXT, AT(core_dumps), "deny", 0, 0, "node",
     "deny or allow: a core file may hold secrets, and so may what a debugger sees"},
    {"log-format", "HOLDFAST_LOG_FORMAT", OPTION_TEXT, AT(log_format), "logfmt", 0, 0,
     "migrate node", "logfmt or json"},
    {"log-level", "HOLDFAST_LOG_LEVEL", OPTION_TEXT, AT(log_level), "info", 0, 0, "migrate node",
     "debug, info, warning or error"},
    {"capacity", "HOLDFAST_CAPACITY", OPTION_NUMBER, AT(capacity), "100", 1, 1000000, "node",
     "weight of the node when partitions are shared out"},
    {"ttl-ms", "HOLDFAST_TTL_MS", OPTION_NUMBER, AT(ttl_ms), "5000", 500, 600000, "node check",
     "time to live of the lease, milliseconds"},
    {"drain-ms", "HOLDFAST_DRAIN_MS", OPTION_NUMBER, AT(drain_ms), "10000", 0, 3600000, "node",
     "how long a clean stop may take, milliseconds"},
    {"autonomy-ms", "HOLDFAST_AUTONOMY_MS", OPTION_NUMBER, AT(autonomy_ms), "900000", 0, 86400000,
     "node", "how long to go on without the database, milliseconds"},
    {"token-lifetime-s", "HOLDFAST_TOKEN_LIFETIME_S", OPTION_NUMBER, AT(token_lifetime_s), "3600",
     30, 86400, "node", "how long a token for a hub is valid, seconds; renewed well before"},
    {"sql-dir", "HOLDFAST_SQL_DIR", OPTION_TEXT, AT(sql_dir), NULL, 0, 0, "migrate node check",
     "folder with migrations/ and sql/ of this build"},
    {"device", NULL, OPTION_TEXT, AT(device), NULL, 0, 0, "explain", "whose event it is"},
    {"module", NULL, OPTION_TEXT, AT(module), NULL, 0, 0, "explain", "and which module of it"},
    {"fleet", NULL, OPTION_TEXT, AT(fleet), NULL, 0, 0, "explain",
     "which fleet it is of; found by its binding, or the only one, if not given"},
    {"subject", NULL, OPTION_TEXT, AT(subject), NULL, 0, 0, "explain", "component (dt-subject)"},
    {"content-type", NULL, OPTION_TEXT, AT(content_type), NULL, 0, 0, "explain",
     "content type of the message"},
    {"property", NULL, OPTION_TEXT, AT(property), NULL, 0, 0, "explain",
     "NAME=VALUE: a property of the message"},
    {"file", NULL, OPTION_TEXT, AT(file), NULL, 0, 0, "explain",
     "file with the body of the event; the standard input if not given"},
    {"watch", NULL, OPTION_FLAG, AT(watch), NULL, 0, 0, "status",
     "again and again, until it is ended by Ctrl-C"},
    {"interval-s", NULL, OPTION_NUMBER, AT(interval_s), "1", 1, 3600, "status",
     "time between two looks of --watch, seconds"},
    {"json", NULL, OPTION_FLAG, AT(json), NULL, 0, 0, "check status",
     "one JSON object on one line, for programs"},
    {"timeout-s", NULL, OPTION_NUMBER, AT(timeout_s), "15", 1, 600, "check",
     "how long each trial may take, seconds"},
    {"thing", NULL, OPTION_TEXT, AT(thing), NULL, 0, 0, "check",
     "Thing whose permissions are tried, without writing; one that is bound if not given"},
    {"allow-breaking", NULL, OPTION_TEXT, AT(allow_breaking), NULL, 0, 0, "migrate",
     "name of a migration that may be applied though it breaks nodes that are live"},
    {"check", NULL, OPTION_FLAG, AT(check), NULL, 0, 0, "migrate",
     "only say whether the database is up to date; exit status 1 if it is not"},
    {"discard", NULL, OPTION_FLAG, AT(discard), NULL, 0, 0, "node",
     "receive, settle and throw away: measures the source alone, loses telemetry"},
    {"help", NULL, OPTION_FLAG, AT(help), NULL, 0, 0, "migrate node check status explain",
     "show this help"},
};
enum { ROWS = sizeof table / sizeof table[0], VALUE_CEILING = 64 * 1024 };

static bool takes(const struct option_row *row, const char *command)
{
    size_t n = strlen(command);
    for (const char *at = row->commands; at != NULL; at = strchr(at, ' ')) {
        at += *at == ' ' ? 1 : 0;
        if (strncmp(at, command, n) == 0 && (at[n] == ' ' || at[n] == '\0'))
            return true;
    }
    return false;
}

static void *member(struct options *options, const struct option_row *row)
{
    return (char *)options + row->at;
}

static bool set(struct options *options, const struct option_row *row, const char *text,
                struct error *err)
{
    if (row->kind == OPTION_FLAG) {
        *(bool *)member(options, row) = true;
        return true;
    }
    if (row->kind == OPTION_TEXT) {
        char **to = member(options, row);
        free(*to);
        *to = xstrdup(text);
        return true;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < row->least || number > row->most) {
        error_set(err, "--%s is not a number that can be used: \"%s\"", row->name, text);
        return error_hint(err, "Give a whole number from %lld to %lld.", (long long)row->least,
                          (long long)row->most);
    }
    *(int64_t *)member(options, row) = number;
    return true;
}

/* The content of a file without the ends of line at its end, or NULL and what is wrong with it. It
 * may be a secret: no copy of it stays behind. */
static char *file_text(const char *path, const char **problem)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        *problem = strerror(errno);
        return NULL;
    }
    (void)setvbuf(file, NULL, _IONBF, 0);
    char *text = xcalloc(1, VALUE_CEILING + 2);
    size_t n = fread(text, 1, VALUE_CEILING + 1, file);
    *problem = ferror(file) ? strerror(errno) : n > VALUE_CEILING ? "it is too long" : NULL;
    (void)fclose(file);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    if (*problem == NULL && (n == 0 || strlen(text) != n))
        *problem = n == 0 ? "it is empty" : "it holds a NUL byte";
    if (*problem == NULL)
        return text;
    explicit_bzero(text, VALUE_CEILING + 1);
    free(text);
    return NULL;
}

static const char *variable(const char *name)
{
    const char *given = getenv(name);
    return given != NULL && given[0] != '\0' ? given : NULL;
}

/* *text is what the environment says for an option, itself or by the name of a file; NULL: nothing.
 * It is shared by all subcommands: what this one does not take cannot disturb it. */
static bool from_environment(const struct option_row *row, const char *command, char **text,
                             struct error *err)
{
    *text = NULL;
    if (row->environment == NULL || !takes(row, command))
        return true;
    char *by_file = xasprintf("%s_FILE", row->environment);
    const char *given = variable(row->environment);
    const char *path = variable(by_file);
    const char *problem = NULL;
    bool ok = given == NULL || path == NULL;
    if (!ok) {
        error_set(err, "both %s and %s are given", row->environment, by_file);
        error_hint(err, "Leave one of them out.");
    } else if (path != NULL && (*text = file_text(path, &problem)) == NULL) {
        error_set(err, "the file \"%s\" cannot be used: %s", path, problem);
        error_hint(err, "Its name comes from %s.", by_file);
        ok = false;
    } else if (given != NULL) {
        *text = xstrdup(given);
    }
    free(by_file);
    return ok;
}

static bool set_default(struct options *options, const struct option_row *row, const char *command,
                        struct error *err)
{
    char *given = NULL;
    if (!from_environment(row, command, &given, err))
        return false;
    const char *text = given != NULL ? given : row->otherwise;
    bool ok = text == NULL || set(options, row, text, err);
    if (!ok && given != NULL)
        error_detail(err, "It comes from %s.", row->environment);
    if (given != NULL)
        explicit_bzero(given, strlen(given));
    free(given);
    return ok;
}

static bool set_defaults(struct options *options, const char *command, struct error *err)
{
    *options = (struct options){0};
    for (size_t i = 0; i < ROWS; i++)
        if (!set_default(options, &table[i], command, err))
            return false;
    return true;
}

static bool one_of(const char *option, const char *given, const char *const *allowed,
                   struct error *err)
{
    for (const char *const *a = allowed; *a != NULL; a++)
        if (strcmp(given, *a) == 0)
            return true;
    error_set(err, "--%s does not know \"%s\"", option, given);
    return error_hint(err, "See `holdfast help`.");
}

static bool check(struct options *options, const char *command, struct error *err)
{
    static const char *const formats[] = {"logfmt", "json", NULL};
    static const char *const levels[] = {"debug", "info", "warning", "error", NULL};
    static const char *const dumps[] = {"deny", "allow", NULL};
    static const char *const pages[] = {"loopback", "all", "none", NULL};
    if (options->help)
        return true;
    if (options->database == NULL) {
        error_set(err, "`holdfast %s` needs a database", command);
        return error_hint(err, "Give --database or HOLDFAST_DATABASE.");
    }
    if (strcmp(command, "status") == 0 || strcmp(command, "check") == 0)
        return true;
    if (strcmp(command, "explain") == 0) {
        if (options->device != NULL)
            return true;
        error_set(err, "`holdfast explain` needs a device");
        return error_hint(err, "Give --device.");
    }
    if (options->name == NULL) {
        char host[256] = "";
        (void)gethostname(host, sizeof host - 1);
        options->name = xstrdup(host);
    }
    return one_of("log-format", options->log_format, formats, err) &&
           one_of("log-level", options->log_level, levels, err) &&
           one_of("status-page", options->status_page, pages, err) &&
           one_of("core-dumps", options->core_dumps, dumps, err);
}

/* Matches "--name" and "--name=value". */
static const struct option_row *find(const char *argument, const char *command, const char **value)
{
    *value = NULL;
    if (strncmp(argument, "--", 2) != 0)
        return NULL;
    const char *equals = strchr(argument, '=');
    size_t n = (equals != NULL ? (size_t)(equals - argument) : strlen(argument)) - 2;
    for (size_t i = 0; i < ROWS; i++) {
        if (strlen(table[i].name) == n && strncmp(table[i].name, argument + 2, n) == 0 &&
            takes(&table[i], command)) {
            *value = equals != NULL ? equals + 1 : NULL;
            return &table[i];
        }
    }
    return NULL;
}

bool options_parse(struct options *options, const char *command, int argc, char **argv,
                   struct error *err)
{
    if (!set_defaults(options, command, err))
        return false;
    for (int i = 0; i < argc; i++) {
        const char *value;
        const struct option_row *row = find(argv[i], command, &value);
        /* What is no option can only be the one file that explain takes. */
        if (row == NULL && argv[i][0] != '-' && options->file == NULL &&
            (row = find("--file", command, &value)) != NULL)
            value = argv[i];
        if (row == NULL) {
            error_set(err, "`holdfast %s` does not take \"%s\"", command, argv[i]);
            return error_hint(err, "See `holdfast %s --help`.", command);
        }
        if (row->kind == OPTION_FLAG && value != NULL) {
            error_set(err, "--%s takes no value", row->name);
            return error_hint(err, "Give --%s alone, or leave it out.", row->name);
        }
        if (row->kind != OPTION_FLAG && value == NULL)
            value = i + 1 < argc ? argv[++i] : NULL;
        if (row->kind != OPTION_FLAG && value == NULL) {
            error_set(err, "--%s needs a value", row->name);
            return error_hint(err, "See `holdfast %s --help`.", command);
        }
        if (!set(options, row, value, err))
            return false;
    }
    return check(options, command, err);
}

void options_free(struct options *options)
{
    for (size_t i = 0; i < ROWS; i++)
        if (table[i].kind == OPTION_TEXT)
            free(*(char **)member(options, &table[i]));
}

void options_help(const char *command, FILE *out)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (!takes(&table[i], command))
            continue;
        (void)fprintf(out, "  --%-14s %s%s%s%s\n", table[i].name, table[i].help,
                      table[i].otherwise != NULL ? " [" : "",
                      table[i].otherwise != NULL ? table[i].otherwise : "",
                      table[i].otherwise != NULL ? "]" : "");
        if (table[i].environment != NULL)
            (void)fprintf(out, "  %-16s (%s[_FILE])\n", "", table[i].environment);
    }
}

void options_document(FILE *out)
{
    (void)fprintf(out, "| option | environment | or a file | default | subcommands | meaning |\n"
                       "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *row = &table[i];
        (void)fprintf(out, "| `--%s` |", row->name);
        if (row->environment != NULL)
            (void)fprintf(out, " `%s` | `%s_FILE` |", row->environment, row->environment);
        else
            (void)fprintf(out, "  |  |");
        (void)fprintf(out, " %s | %s | %s |\n", row->otherwise != NULL ? row->otherwise : "",
                      row->commands, row->help);
    }
}
