#include "thingworx/base_url.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "/Thingworx"

static bool has_part(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool found = curl_url_get(u, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return found;
}

static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* IPv6 hosts come in brackets. */
static char *bare_host(const char *host)
{
    size_t n = strlen(host);
    if (n > 2 && host[0] == '[' && host[n - 1] == ']')
        return xstrndup(host + 1, n - 2);
    return xstrdup(host);
}

static void assemble(struct base_url *url, const char *scheme, const char *host, const char *port,
                     const char *path)
{
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        n--;
    if (n == 0)
        url->text = xasprintf("%s://%s:%s" DEFAULT_PATH, scheme, host, port);
    else
        url->text = xasprintf("%s://%s:%s%.*s", scheme, host, port, (int)n, path);
    url->host = bare_host(host);
    url->numeric = is_address(url->host);
    url->port = (int)strtol(port, NULL, 10);
}

static bool take_apart(CURLU *u, struct base_url *url)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL;
    bool ok = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK &&
              (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
              strcmp(port, "0") != 0;
    if (ok)
        assemble(url, scheme, host, port, path);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    return ok;
}

bool base_url_parse(const char *text, struct base_url *url, struct error *err)
{
    *url = (struct base_url){0};
    CURLU *u = curl_url();
    if (u == NULL)
        return error_set(err, "out of memory");
    bool ok = curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK;
    /* the text is not repeated in these errors: it may hold a password */
    if (ok && (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))) {
        error_set(err, "the base URL holds a user or a password");
        error_hint(err, "leave them out: ThingWorx is reached with an application key, named by "
                        "the destination");
        ok = false;
    } else if (ok && (has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT))) {
        error_set(err, "the base URL has a query or a fragment");
        error_hint(err, "cut it at the '?' or '#'");
        ok = false;
    } else if (!ok || !take_apart(u, url)) {
        error_set(err, "the base URL cannot be used");
        error_hint(err, "write it like https://thingworx.example.com:8443/Thingworx");
        ok = false;
    }
    curl_url_cleanup(u);
    return ok;
}

void base_url_free(struct base_url *url)
{
    free(url->text);
    free(url->host);
    *url = (struct base_url){0};
}
