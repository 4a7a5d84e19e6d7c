#include "node/secrets.h"

#include "base/memory.h"
#include "base/vault.h"
#include "core/hash.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_CEILING = 64 * 1024, APP_KEY_CEILING = 256 };

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
    return value != NULL && value[0] != '\0' ? vault_copy(value, strlen(value)) : NULL;
}

/* What is wrong with the text of a file, NULL if nothing is. Cuts newlines off its end. */
static const char *problem_with(char *text, size_t n)
{
    if (n > SECRET_CEILING)
        return "the file is too long for a secret";
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    if (memchr(text, '\0', n) != NULL)
        return "the file holds a NUL byte";
    return n == 0 ? "the file is empty" : NULL;
}

/* The file of a secret: in the folder, or else, if it is there, a credential that systemd has
 * loaded. NULL if there is no folder of either kind. The caller frees it. */
static char *place_of(const char *folder, const char *name)
{
    char *path = folder != NULL ? xasprintf("%s/%s", folder, name) : NULL;
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    if (credentials == NULL || credentials[0] == '\0' || (path != NULL && access(path, F_OK) == 0))
        return path;
    char *credential = xasprintf("%s/%s", credentials, name);
    bool better = path == NULL || access(credential, F_OK) == 0;
    free(better ? path : credential);
    return better ? credential : path;
}

static char *from_file(const char *path, const char **problem)
{
    FILE *file = fopen(path, "re");
    *problem = file == NULL ? strerror(errno) : NULL;
    if (file == NULL)
        return NULL;
    /* Without a buffer, as that would leave a copy of the secret behind. */
    (void)setvbuf(file, NULL, _IONBF, 0);
    size_t room = SECRET_CEILING + 1;
    char *text = vault_alloc(room + 1);
    size_t n = fread(text, 1, room, file);
    *problem = ferror(file) ? strerror(errno) : problem_with(text, n);
    (void)fclose(file);
    char *secret = *problem == NULL ? vault_copy(text, strlen(text)) : NULL;
    vault_free(text);
    return secret;
}

static bool demand_plain(const char *name, struct error *err)
{
    if (is_plain(name))
        return true;
    error_set(err, "\"%s\" is not a name of a secret", name);
    return error_hint(err, "Use letters, digits, '-', '_' and '.', not beginning with '.'.");
}

char *secret_read(const char *folder, const char *name, struct error *err)
{
    if (!demand_plain(name, err))
        return NULL;
    const char *problem = NULL;
    char *path = place_of(folder, name);
    char *secret = path != NULL ? from_file(path, &problem) : NULL;
    if (secret == NULL)
        secret = from_environment(name);
    if (secret != NULL) {
        free(path);
        return secret;
    }
    error_set(err, "the secret \"%s\" cannot be read", name);
    if (path != NULL)
        error_detail(err, "%s: %s; and the environment has none", path, problem);
    else
        error_detail(err, "No secrets folder is given, and the environment has none.");
    error_hint(err,
               "Put it into a file of that name in the secrets folder (--secrets), or into the "
               "environment as HOLDFAST_SECRET_<NAME>.");
    free(path);
    return NULL;
}

char *secret_read_app_key(const char *folder, const char *name, struct error *err)
{
    char *key = secret_read(folder, name, err);
    if (key == NULL)
        return NULL;
    size_t n = 0;
    while (isalnum((unsigned char)key[n]) || (key[n] != '\0' && strchr("-_.", key[n]) != NULL))
        n++;
    if (n <= APP_KEY_CEILING && key[n] == '\0')
        return key;
    error_set(err, "the secret \"%s\" is no application key", name);
    error_detail(err,
                 "It has a character, or a length, that application keys do not have; it is not "
                 "sent.");
    error_hint(err, "Name the secret that holds the key of ThingWorx, and nothing else.");
    secret_free(key);
    return NULL;
}

char *secret_path(const char *folder, const char *name, struct error *err)
{
    if (!demand_plain(name, err))
        return NULL;
    char *path = place_of(folder, name);
    if (path != NULL)
        return path;
    error_set(err, "the secret \"%s\" must be a file", name);
    error_detail(err, "No secrets folder is given.");
    error_hint(err, "Name the folder with --secrets.");
    return NULL;
}

uint64_t secret_stamp(const char *folder, const char *name)
{
    struct stat s;
    char *path = secret_path(folder, name, NULL);
    bool found = path != NULL && stat(path, &s) == 0;
    free(path);
    if (!found)
        return 0;
    int64_t known[] = {(int64_t)s.st_dev,          (int64_t)s.st_ino,
                       (int64_t)s.st_size,         (int64_t)s.st_mtim.tv_sec,
                       (int64_t)s.st_mtim.tv_nsec, (int64_t)s.st_ctim.tv_sec,
                       (int64_t)s.st_ctim.tv_nsec};
    return hash_bytes((struct slice){(const char *)known, sizeof known});
}

void secret_free(char *secret)
{
    vault_free(secret);
}
