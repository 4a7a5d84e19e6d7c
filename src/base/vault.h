#pragma once
#include <stddef.h>

/* Memory for secrets: locked, so that it never reaches swap; in no core file; overwritten before it
 * is given back. Each has pages of its own, so this is for few and small things. Where the system
 * lets no more be locked (RLIMIT_MEMLOCK) it is the same without the lock. */

/* `size` bytes, all 0. Ends the process if there is no memory. */
void *vault_alloc(size_t size) __attribute__((malloc, returns_nonnull));
/* The first n bytes of a text, terminated. */
char *vault_copy(const char *text, size_t n) __attribute__((malloc, returns_nonnull));
/* Overwrites and gives back what one of the above has given; NULL is legal. */
void vault_free(void *memory);
