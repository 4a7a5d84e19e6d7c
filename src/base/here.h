#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Whether the first `n` bytes of `host` name this machine: a unix socket (nothing, or a path), an
 * address of the loopback, or "localhost". Nobody on the network sits between. */
bool host_is_here(const char *host, size_t n);
