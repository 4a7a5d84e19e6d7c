/* The files of secrets, which whoever mounts them may have got wrong: a secret is what stands in
 * the file without its line ends, or there is none and an error that does not repeat it. Then what
 * is made of it: a connection string and its tokens, certificates, a proxy. */
#include "base/buffer.h"
#include "node/secrets.h"
#include "source/eventhubs/connection_string.h"
#include "source/eventhubs/proxy.h"
#include "source/eventhubs/sas.h"
#include "thingworx/client.h"
#include "thingworx/http.h"
#include "thingworx/security.h"

#include <event2/event.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* A file without a name: /proc/self/fd is its folder. */
static char name[16];

static void put(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("secret", MFD_CLOEXEC);
        (void)snprintf(name, sizeof name, "%d", fd);
    }
    require(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
}

/* A part that is long enough not to be a word of ours by chance. */
static void silent(const struct error *err, const char *text)
{
    const char *key = strstr(text, "SharedAccessKey=");
    if (key == NULL || strlen(key) < strlen("SharedAccessKey=") + 24)
        return;
    char part[25] = "";
    memcpy(part, key + strlen("SharedAccessKey="), 24);
    require(strstr(err->message, part) == NULL && strstr(err->detail, part) == NULL);
}

static void check_token(const struct connection_string *c)
{
    struct buffer token;
    unsigned char bytes[SAS_KEY_BYTES];
    buffer_init(&token, 65536);
    require(sas_decode_key(slice_from(c->key), bytes) <= SAS_KEY_BYTES);
    if (sas_append(&token, slice_from(c->authority), slice_from(c->key_name), slice_from(c->key),
                   1))
        for (size_t i = 0; i < token.n; i++)
            require(token.data[i] > ' ' || i == strlen("SharedAccessSignature"));
    buffer_free(&token);
}

static void check_string(const char *text)
{
    struct connection_string c = {.host = NULL};
    struct error err = {.message = ""};
    if (!connection_string_parse(text, &c, &err)) {
        require(err.message[0] != '\0' && err.hint[0] != '\0');
        silent(&err, text);
        return;
    }
    require(c.host[0] != '\0' && c.port > 0 && c.key[0] != '\0' && c.key_name[0] != '\0');
    require(c.iot_hub == (c.hub[0] == '\0'));
    for (const char *p = c.host; *p != '\0'; p++)
        require((unsigned char)*p > ' ');
    check_token(&c);
    connection_string_free(&c);
}

static void check_security(const char *text)
{
    static struct event_base *base;
    static struct http *http;
    static struct security security;
    struct error err = {.message = ""};
    bool changed;
    if (base == NULL) {
        base = event_base_new();
        http = http_open(base, 1, NULL, NULL);
    }
    struct thingworx_security wanted = {.ca = text, .certificate = text};
    if (!security_set(&security, http, &wanted, &changed, &err))
        require(err.message[0] != '\0' && err.hint[0] != '\0' && security.refused);
    wanted = (struct thingworx_security){.proxy = text};
    if (!security_set(&security, http, &wanted, &changed, &err))
        require(err.message[0] != '\0' && err.hint[0] != '\0');
    char *host = NULL;
    uint16_t port;
    if (proxy_parse(text, &host, &port, &err))
        require(host[0] != '\0' && port > 0);
    else
        require(err.message[0] != '\0' && err.hint[0] != '\0');
    free(host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {.message = ""};
    put(data, size);
    char *secret = secret_read("/proc/self/fd", name, &err);
    if (secret == NULL) {
        require(err.message[0] != '\0' && err.hint[0] != '\0');
        return 0;
    }
    size_t n = strlen(secret);
    require(n > 0 && n <= size && memcmp(secret, data, n) == 0 && secret[n - 1] != '\n');
    check_string(secret);
    check_security(secret);
    secret_free(secret);
    return 0;
}
