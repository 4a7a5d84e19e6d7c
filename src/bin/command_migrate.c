#include "base/log.h"
#include "bin/commands.h"
#include "bin/options.h"
#include "pg/migrate.h"

int command_migrate(int argc, char **argv)
{
    struct options options;
    struct error err;
    if (!options_parse(&options, "migrate", argc, argv, &err)) {
        options_free(&options);
        return usage_error(&err);
    }
    if (options.help) {
        options_help("migrate", stdout);
        options_free(&options);
        return EXIT_DONE;
    }
    struct log *log = open_log(&options, "migrate");
    enum migrate_outcome outcome = MIGRATE_UP_TO_DATE;
    int status = EXIT_DONE;
    if (!migrate_run(options.database, sql_folder(&options), options.allow_breaking, options.check,
                     log, &err, &outcome)) {
        log_error(log, "migrate failed", &err);
        /* To a check, a database that this build does not know is an answer, not a failure. */
        status = options.check ? EXIT_NO : EXIT_FAILED;
    } else if (outcome == MIGRATE_PENDING) {
        log_info(log, "the database is not up to date: run `holdfast migrate`");
        status = EXIT_NO;
    } else {
        log_info(log, outcome == MIGRATE_APPLIED ? "the database is up to date now"
                                                 : "the database is up to date");
    }
    log_close(log);
    options_free(&options);
    return status;
}
