#include "base/memory.h"
#include "bin/commands.h"
#include "bin/options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder that this program lies in; empty where /proc does not say. */
static char *own_folder(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        *slash = '\0';
    return xstrdup(path);
}

const char *sql_folder(struct options *options)
{
    if (options->sql_dir != NULL)
        return options->sql_dir;
    char *own = own_folder();
    options->sql_dir = xasprintf("%s/%s", own, HOLDFAST_SHARE_FROM_BIN);
    char *built = xasprintf("%s/share/holdfast", own);
    char *migrations = xasprintf("%s/migrations", built);
    if (access(options->sql_dir, R_OK) != 0 && access(migrations, R_OK) == 0) {
        free(options->sql_dir);
        options->sql_dir = xstrdup(built);
    }
    free(migrations);
    free(built);
    free(own);
    return options->sql_dir;
}
