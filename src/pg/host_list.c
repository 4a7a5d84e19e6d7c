#include "pg/host_list.h"

#include "base/memory.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Cuts a list at its commas into one member of all hosts. Gives the number of entries; 0 when one
 * is empty (libpq then means its default, which cannot be said for one host) or there are too many.
 */
static size_t cut(struct pg_host_list *list, const char *text, size_t member)
{
    size_t n = 0;
    for (const char *at = text; at != NULL; n++) {
        size_t length = strcspn(at, ",");
        if (length == 0 || n == PG_HOSTS_MAX)
            return 0;
        char **to = (char **)(void *)((char *)&list->host[n] + member);
        *to = xstrndup(at, length);
        at = at[length] == ',' ? at + length + 1 : NULL;
    }
    return n;
}

static const char *value(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++)
        if (strcmp(o->keyword, keyword) == 0 && o->val != NULL && o->val[0] != '\0')
            return o->val;
    return NULL;
}

/* libpq's rules: as many hosts as addresses, and one port or as many. False: let libpq say what is
 * wrong with it. */
static bool read_options(struct pg_host_list *list, const PQconninfoOption *options)
{
    const char *host = value(options, "host"), *hostaddr = value(options, "hostaddr");
    const char *port = value(options, "port");
    size_t hosts = host != NULL ? cut(list, host, offsetof(struct pg_host, host)) : 0;
    size_t addresses =
        hostaddr != NULL ? cut(list, hostaddr, offsetof(struct pg_host, hostaddr)) : 0;
    size_t ports = port != NULL ? cut(list, port, offsetof(struct pg_host, port)) : 0;
    list->count = hosts > addresses ? hosts : addresses;
    if (list->count == 0 || (host != NULL && hosts != list->count) ||
        (hostaddr != NULL && addresses != list->count))
        return false;
    for (size_t i = 1; ports == 1 && i < list->count; i++)
        list->host[i].port = xstrdup(list->host[0].port);
    return port == NULL || ports == 1 || ports == list->count;
}

void pg_host_list_read(struct pg_host_list *list, const char *conninfo)
{
    *list = (struct pg_host_list){0};
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    if (options == NULL || !read_options(list, options)) {
        pg_host_list_free(list);
        list->count = 1;
    }
    PQconninfoFree(options);
}

void pg_host_list_free(struct pg_host_list *list)
{
    for (size_t i = 0; i < PG_HOSTS_MAX; i++) {
        free(list->host[i].host);
        free(list->host[i].hostaddr);
        free(list->host[i].port);
    }
    *list = (struct pg_host_list){0};
}

void pg_host_name(const struct pg_host *host, char *name, size_t size)
{
    const char *which = host->host != NULL ? host->host : host->hostaddr;
    (void)snprintf(name, size, "%s%s%s", which != NULL ? which : "the default host",
                   host->port != NULL ? ":" : "", host->port != NULL ? host->port : "");
}
