#pragma once
#include "base/error.h"

#include <stdint.h>

/* Secrets are named in the database and found here: in a file of that name in the secrets folder,
 * or else among the credentials that systemd has loaded ($CREDENTIALS_DIRECTORY), or else in the
 * environment as HOLDFAST_SECRET_<NAME>, upper case with _ for - and '.'. Never logged; what is
 * read stands in a vault. */

/* Reads the secret `name`, without trailing newlines, never empty. Caller frees with secret_free.
 * NULL and `err` (which names the secret, never its value) when it cannot be had. */
char *secret_read(const char *folder, const char *name, struct error *err);

/* The same, of what is sent to a server that a row of the database names: only what looks like an
 * application key (letters, digits, '-', '_' and '.', at most 256), so that nobody who may change
 * rows can have another secret of the folder sent to him by calling it one. */
char *secret_read_app_key(const char *folder, const char *name, struct error *err);

/* Overwrites and frees; NULL is legal. */
void secret_free(char *secret);

/* Path of the file of a secret that is only ever a file, there or not. Caller frees. NULL and `err`
 * if there is no folder, or the name would lead out of it. */
char *secret_path(const char *folder, const char *name, struct error *err);

/* Tells one content of a secret's file from the next by what the file system knows of it, without
 * reading it; 0 while there is none. */
uint64_t secret_stamp(const char *folder, const char *name);
