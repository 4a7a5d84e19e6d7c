/* Text that comes from the operator about the database, and from the database: connection strings
 * (hosts, what may be logged, how they are secured), notices, base URLs of configuration rows,
 * names and values on their way into arrays. Byte 0 chooses. */
#include "core/notice.h"
#include "pg/connection.h"
#include "pg/host_list.h"
#include "pg/secure.h"
#include "store/values.h"
#include "thingworx/base_url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val;
    return NULL;
}

/* However it is written, a password is not in what may be logged, and another machine is verified
 * unless it is said in so many words that it shall not be. */
static void check_conninfo(const char *text)
{
    struct pg_host_list hosts;
    pg_host_list_read(&hosts, text);
    require(hosts.count >= 1 && hosts.count <= PG_HOSTS_MAX);
    PQconninfoOption *options = PQconninfoParse(text, NULL);
    char *shown = pg_scrub(text);
    const char *password = option(options, "password"), *mode = option(options, "sslmode");
    const char *host = option(options, "host");
    bool elsewhere = host != NULL && strcmp(host, "db.test") == 0;
    bool stated = mode != NULL && mode[0] != '\0' && strcmp(mode, "prefer") != 0 &&
                  strcmp(mode, "allow") != 0;
    if (password != NULL && strlen(password) > 8 && (host == NULL || !strstr(host, password)) &&
        (option(options, "user") == NULL || !strstr(option(options, "user"), password)) &&
        (option(options, "dbname") == NULL || !strstr(option(options, "dbname"), password)) &&
        (option(options, "port") == NULL || !strstr(option(options, "port"), password)))
        require(strstr(shown, password) == NULL);
    struct pg_security security = pg_secure(options, NULL, NULL);
    if (elsewhere && !stated)
        require(security.sslmode != NULL && strcmp(security.sslmode, "verify-full") == 0);
    if (stated)
        require(security.sslmode == NULL);
    struct error why = {.message = ""};
    if (pg_insecure(text, &why))
        require(stated && why.message[0] != '\0' && why.hint[0] != '\0');
    free(shown);
    PQconninfoFree(options);
    pg_host_list_free(&hosts);
}

static void check_url(const char *text)
{
    struct base_url url;
    struct error why = {.message = ""};
    if (!base_url_parse(text, &url, &why)) {
        require(why.message[0] != '\0' && why.hint[0] != '\0');
        return;
    }
    require(url.host[0] != '\0' && url.port > 0 && url.port <= 65535);
    require(strncmp(url.text, "http://", 7) == 0 || strncmp(url.text, "https://", 8) == 0);
    for (const char *p = url.text; *p != '\0'; p++)
        require((unsigned char)*p > ' ');
    base_url_free(&url);
}

/* What PostgreSQL will read is one element, closed, without a NUL. */
static void check_array(struct slice text)
{
    struct buffer array;
    array_begin(&array);
    array_text(&array, text);
    const char *out = array_end(&array);
    size_t n = strlen(out), at = 2;
    require(n == array.n && n >= 4 && memcmp(out, "{\"", 2) == 0 &&
            strcmp(out + n - 2, "\"}") == 0);
    while (out[at] != '"')
        at += out[at] == '\\' ? 2 : 1;
    require(at == n - 2);
    buffer_free(&array);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    struct notice notice;
    switch (data[0] % 4) {
    case 0:
        check_conninfo(text);
        break;
    case 1:
        check_url(text);
        break;
    case 2:
        notice = notice_read(text, 17, false);
        require(!notice.tend);
        break;
    default:
        check_array((struct slice){text, size - 1});
        break;
    }
    free(text);
    return 0;
}
