#pragma once
#include <stddef.h>

/* The hosts that a connection string names, one by one, so that each can be asked for itself: libpq
 * takes the first that lets it in, waits for the dead ones before it, and gives up on all when one
 * name does not resolve. */

enum { PG_HOSTS_MAX = 32 };

/* NULL: whatever the connection string or libpq's default says. */
struct pg_host {
    char *host, *hostaddr, *port;
};

struct pg_host_list {
    struct pg_host host[PG_HOSTS_MAX];
    size_t count; /* at least 1; a string that is best left to libpq is one host of NULLs */
};

void pg_host_list_read(struct pg_host_list *list, const char *conninfo);
void pg_host_list_free(struct pg_host_list *list);
/* For people: the host and, if given, its port. */
void pg_host_name(const struct pg_host *host, char *name, size_t size);
