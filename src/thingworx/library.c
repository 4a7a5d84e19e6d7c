#include "thingworx/library.h"

#include <curl/curl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* Of what libcurl gives back only the C library knows how long it is. */
static void wipe_and_free(void *memory)
{
    if (memory != NULL)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

/* realloc() would leave the old bytes where they were. */
static void *wipe_and_move(void *old, size_t size)
{
    size_t had = old != NULL ? malloc_usable_size(old) : 0;
    void *memory = malloc(size);
    if (memory == NULL)
        return NULL;
    if (had > 0)
        memcpy(memory, old, had < size ? had : size);
    wipe_and_free(old);
    return memory;
}

void library_start(void)
{
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wipe_and_free, wipe_and_move, strdup,
                             calloc) != CURLE_OK)
        abort(); /* only for want of memory */
}
