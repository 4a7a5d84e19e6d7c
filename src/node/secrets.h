#pragma once
#include "base/error.h"

#include <stdbool.h>

/* Secrets are named in the database and found here: in a file of that name in the secrets folder,
 * or else in the environment as HOLDFAST_SECRET_<NAME>, upper case with _ for - and '.'.
 * Never logged. */

/* Reads the secret `name`, without trailing newlines, never empty. Caller frees with secret_free.
 * NULL and `err` (which names the secret, never its value) when it cannot be had. */
char *secret_read(const char *folder, const char *name, struct error *err);

/* Overwrites and frees; NULL is legal. */
void secret_free(char *secret);
