#include "thingworx/request_headers.h"

#include "base/memory.h"
#include "base/vault.h"
#include "thingworx/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Into a header line, in a vault, as it may hold the key: whatever could end it is left out. */
static char *header_line(const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(": ") + strlen(value) + 1;
    char *line = vault_alloc(size);
    (void)snprintf(line, size, "%s: %s", name, value);
    char *to = line;
    for (const char *from = line; *from != '\0'; from++)
        if ((unsigned char)*from >= ' ' && *from != 0x7f)
            *to++ = *from;
    *to = '\0';
    return line;
}

static struct http_headers *create(const char *node, const char *app_key)
{
    char *product = xasprintf("holdfast/" HOLDFAST_VERSION " (%s)", node);
    char *agent = header_line("User-Agent", product);
    char *key = header_line(HTTP_SECRET_HEADER, app_key != NULL ? app_key : "");
    /* an empty Expect keeps curl from waiting for a 100 before it sends a body */
    const char *lines[] = {"Accept: application/json", agent, "Content-Type: application/json",
                           "Expect:", key};
    size_t count = app_key == NULL ? 2 : app_key[0] == '\0' ? 4 : 5;
    struct http_headers *headers = http_headers_create(lines, count);
    free(product);
    vault_free(agent);
    vault_free(key);
    return headers;
}

char *request_headers_replace_key(char *old, const char *app_key)
{
    const char *key = app_key != NULL ? app_key : "";
    char *kept = vault_copy(key, strlen(key)); /* the new one may be the old one */
    vault_free(old);
    return kept;
}

struct http_headers *request_headers_create(const char *node, const char *app_key)
{
    return create(node, app_key);
}

struct http_headers *request_headers_probe(const char *node)
{
    return create(node, NULL);
}
