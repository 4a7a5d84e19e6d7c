#pragma once

/* One function for each subcommand; argv begins behind its name. The result is the exit status:
 * 0 done, 1 no (a check failed), 2 wrong usage, 3 failed. */
enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_USAGE = 2, EXIT_FAILED = 3 };

int command_check(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_migrate(int argc, char **argv);
int command_node(int argc, char **argv);
int command_status(int argc, char **argv);

struct error;
struct log;
struct options;
/* Shared by the subcommands. */
int usage_error(const struct error *err);
struct log *open_log(const struct options *options, const char *node);
/* Where migrations/ and sql/ of this build are: as told, below the prefix that this program was
 * installed to, or in the build tree. Kept in the options, and freed with them. */
const char *sql_folder(struct options *options);
