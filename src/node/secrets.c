#include "node/secrets.h"

#include "base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_CEILING = 64 * 1024 };

/* A name from the database must not reach outside the folder. */
static bool is_plain(const char *name)
{
    if (name[0] == '\0' || name[0] == '.')
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("-_.", *c) == NULL)
            return false;
    return true;
}

static char *from_environment(const char *name)
{
    char *variable = xasprintf("HOLDFAST_SECRET_%s", name);
    for (char *c = variable; *c != '\0'; c++)
        *c = *c == '-' || *c == '.' ? '_' : (char)toupper((unsigned char)*c);
    const char *value = getenv(variable);
    free(variable);
    return value != NULL ? xstrdup(value) : NULL;
}

static char *from_file(const char *folder, const char *name, int *problem)
{
    char *path = xasprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    *problem = file == NULL ? errno : 0;
    free(path);
    if (file == NULL)
        return NULL;
    char *text = xcalloc(1, SECRET_CEILING + 1);
    size_t n = fread(text, 1, SECRET_CEILING, file);
    (void)fclose(file);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    return text;
}

char *secret_read(const char *folder, const char *name, struct error *err)
{
    if (!is_plain(name)) {
        error_set(err, "\"%s\" is not a name of a secret", name);
        error_hint(err, "Use letters, digits, '-', '_' and '.', not beginning with '.'.");
        return NULL;
    }
    int problem = ENOENT;
    char *secret = folder != NULL ? from_file(folder, name, &problem) : NULL;
    if (secret == NULL)
        secret = from_environment(name);
    if (secret != NULL && secret[0] != '\0')
        return secret;
    secret_free(secret);
    error_set(err, "the secret \"%s\" cannot be read", name);
    error_detail(err, "%s: %s", folder != NULL ? folder : "no secrets folder is given",
                 folder != NULL ? strerror(problem) : "and the environment has none");
    error_hint(err,
               "Put it into a file of that name in the secrets folder (--secrets), or into the "
               "environment as HOLDFAST_SECRET_<NAME>.");
    return NULL;
}

void secret_free(char *secret)
{
    if (secret == NULL)
        return;
    explicit_bzero(secret, strlen(secret));
    free(secret);
}
