#pragma once
#include "base/error.h"

#include <openssl/types.h>
#include <stddef.h>

/* The lab's own certificate authority. In `folder` it keeps ca.pem, which clients must trust, and
 * ca.key; both are made when they are missing. The server's certificate, server.pem with
 * server.key, is made anew at every start: for localhost, 127.0.0.1, ::1 and the names given.
 * Returns a context that serves with it; NULL and err if the folder cannot be used. */
SSL_CTX *certificates_open(const char *folder, const char *const *names, size_t n,
                           struct error *err);
