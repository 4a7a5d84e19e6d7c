#include "thingworx/http.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/vault.h"
#include "thingworx/library.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

/* A connection is given up after so long, so that load spreads over a cluster that has grown, and
 * changed addresses are followed. */
#define CONNECTION_LIFE_S 300L
#define RETRY_AFTER_MAX_S 3600
/* Bodies beyond curl's first 64 KiB are copied through a buffer of this size. */
#define UPLOAD_BUFFER_BYTES (128L * 1024)

static const char SECRET_START[] = HTTP_SECRET_HEADER ": ";
enum { SECRET_LEAST = 8 };

/* One of them is the application key, so the lines stand where secrets do; curl only reads them. */
struct http_headers {
    unsigned references;
    char *text; /* the lines, each terminated */
    struct slice
        secret; /* in it: the value of HTTP_SECRET_HEADER, if it is long enough to be one */
    struct curl_slist nodes[];
};

struct http_route {
    unsigned references;
    bool known; /* curl has taken it up, for all handles and for good */
    struct curl_slist *list;
};

/* A request with an easy handle of its own. Handles are not used again: in libcurl before 8.1.1 one
 * that is keeps a pointer to the last header of its answer before, and an answer that begins with a
 * folded header makes it write there. A handle costs some 3 us, and connections are the multi
 * handle's. */
struct call {
    struct http *http;
    CURL *easy;
    struct call *prev, *next;
    struct http_request request;
    struct http_headers *headers;
    struct http_route *route;
    struct buffer text; /* of the answer */
    unsigned sends;
    char error[CURL_ERROR_SIZE];
};

struct http {
    struct event_base *base;
    CURLM *multi;
    struct event timer;
    struct call *busy;
    void (*drained)(void *ctx);
    void *ctx;
    struct http_counters counters;
    bool (*gate)(void *ctx);
    void *gate_ctx;
    char *ca, *certificate, *proxy;
};

/* A socket that curl wants watched. */
struct watch {
    struct http *http;
    struct event event;
    short what;
};

struct http_headers *http_headers_create(const char *const *lines, size_t count)
{
    struct http_headers *headers =
        xcalloc(1, sizeof(*headers) + (count + 1) * sizeof headers->nodes[0]);
    headers->references = 1;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += strlen(lines[i]) + 1;
    char *to = headers->text = vault_alloc(bytes);
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(lines[i]) + 1;
        memcpy(to, lines[i], n);
        if (strncmp(to, SECRET_START, strlen(SECRET_START)) == 0 &&
            n > strlen(SECRET_START) + SECRET_LEAST)
            headers->secret =
                (struct slice){to + strlen(SECRET_START), n - 1 - strlen(SECRET_START)};
        headers->nodes[i] = (struct curl_slist){to, i + 1 < count ? &headers->nodes[i + 1] : NULL};
        to += n;
    }
    return headers;
}

void http_headers_release(struct http_headers *headers)
{
    if (headers == NULL || --headers->references > 0)
        return;
    vault_free(headers->text);
    free(headers);
}

struct http_route *http_route_create(const char *host, int port, const char *addresses)
{
    struct http_route *route = xcalloc(1, sizeof(*route));
    route->references = 1;
    char *line = xasprintf("%s:%d:%s", host, port, addresses);
    route->list = curl_slist_append(NULL, line);
    free(line);
    return route;
}

void http_route_release(struct http_route *route)
{
    if (route == NULL || --route->references > 0)
        return;
    curl_slist_free_all(route->list);
    free(route);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct call *call = ctx;
    size_t n = size * count;
    size_t room = call->text.ceiling - call->text.n;
    buffer_append(&call->text, bytes, n < room ? n : room);
    return n;
}

static bool is_shut(const struct http *http)
{
    return http->gate != NULL && !http->gate(http->gate_ctx);
}

/* Before each sending; one turn of curl may begin many, and the process may be stopped between two
 * of them. The types are curl's. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static int on_send(void *ctx, char *address, char *local_address, int port, int local_port)
{
    struct call *call = ctx;
    (void)address;
    (void)local_address;
    (void)port;
    (void)local_port;
    if (is_shut(call->http))
        return CURL_PREREQFUNC_ABORT;
    call->sends++;
    return CURL_PREREQFUNC_OK;
}

static struct call *call_create(struct http *http)
{
    struct call *call = xcalloc(1, sizeof(*call));
    call->http = http;
    call->easy = curl_easy_init();
    if (call->easy == NULL)
        abort();
    CURL *e = call->easy;
    curl_easy_setopt(e, CURLOPT_PRIVATE, call);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_S);
    curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
    return call;
}

static void call_free(struct call *call)
{
    curl_easy_cleanup(call->easy);
    http_headers_release(call->headers);
    http_route_release(call->route);
    buffer_free(&call->text);
    free(call);
}

static bool is_html(const struct call *call)
{
    const char *type = NULL;
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
    const char *text = call->text.data;
    size_t i = 0;
    while (i < call->text.n && strchr(" \t\r\n", text[i]) != NULL && text[i] != '\0')
        i++;
    if (i == call->text.n)
        return false;
    return text[i] == '<' || (type != NULL && strncasecmp(type, "text/html", 9) == 0);
}

static int64_t retry_after_us(CURL *easy)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds <= 0)
        return -1;
    return (seconds < RETRY_AFTER_MAX_S ? (int64_t)seconds : RETRY_AFTER_MAX_S) * SECOND_US;
}

/* When the first certificate of the chain ends, which is the server's own; NULL if not known. */
static const char *certificate_end(CURL *easy)
{
    static const char label[] = "Expire date:";
    struct curl_certinfo *chain = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL ||
        chain->num_of_certs < 1)
        return NULL;
    for (struct curl_slist *line = chain->certinfo[0]; line != NULL; line = line->next)
        if (strncmp(line->data, label, sizeof label - 1) == 0)
            return line->data + sizeof label - 1;
    return NULL;
}

static void hide_secret(struct call *call)
{
    struct slice secret = call->headers->secret;
    if (secret.n == 0 || call->text.n == 0)
        return;
    char *at = call->text.data, *end = at + call->text.n;
    while ((at = memmem(at, (size_t)(end - at), secret.p, secret.n)) != NULL) {
        memset(at, '*', secret.n);
        at += secret.n;
    }
}

static void finish(struct call *call, CURLcode code)
{
    struct http *http = call->http;
    long status = 0, sent = 0, connections = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent);
    curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connections);
    http->counters.connections += (uint64_t)connections;
    struct http_result result = {.retry_after_us = -1,
                                 .repeats = call->sends > 1 ? call->sends - 1 : 0};
    if (code == CURLE_OK) {
        result.outcome = HTTP_ANSWERED;
        result.status = (int)status;
        result.retry_after_us = retry_after_us(call->easy);
        result.html = is_html(call);
        struct curl_header *date = NULL;
        if (curl_easy_header(call->easy, "Date", 0, CURLH_HEADER, -1, &date) == CURLHE_OK)
            result.date = date->value;
        result.certificate_end = call->request.certificate ? certificate_end(call->easy) : NULL;
        hide_secret(call);
        result.text = buffer_slice(&call->text);
    } else {
        result.outcome = sent == 0 ? HTTP_UNREACHABLE : HTTP_FAILED;
        result.distrust = code == CURLE_PEER_FAILED_VERIFICATION;
        result.text = slice_from(call->error[0] ? call->error : curl_easy_strerror(code));
    }
    curl_multi_remove_handle(http->multi, call->easy);
    if (call->route != NULL) {
        call->route->known = true;
        curl_easy_setopt(call->easy, CURLOPT_RESOLVE, NULL);
    }
    call->request.done(call->request.ctx, &result);
    DL_DELETE(http->busy, call);
    call_free(call);
}

static void drain(struct http *http)
{
    bool any = false;
    int left = 0;
    if (is_shut(http))
        return; /* what curl was not let do is no answer; http_cancel takes all of it away */
    for (CURLMsg *m; (m = curl_multi_info_read(http->multi, &left)) != NULL;) {
        if (m->msg != CURLMSG_DONE)
            continue;
        /* the message dies with the handle's removal */
        CURLcode code = m->data.result;
        struct call *call = NULL;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call);
        finish(call, code);
        any = true;
    }
    if (any && http->drained != NULL)
        http->drained(http->ctx);
}

static void on_socket(evutil_socket_t fd, short what, void *ctx)
{
    struct watch *watch = ctx;
    struct http *http = watch->http;
    int mask =
        ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0);
    int running = 0;
    if (is_shut(http))
        return;                                                /* the socket stays ready */
    curl_multi_socket_action(http->multi, fd, mask, &running); /* may free the watch */
    drain(http);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct http *http = ctx;
    int running = 0;
    (void)fd;
    (void)what;
    if (is_shut(http)) {
        event_add(&http->timer, &(struct timeval){.tv_usec = 1000});
        return;
    }
    curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    drain(http);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct http *http = ctx;
    struct watch *watch = socket_ctx;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL)
            event_del(&watch->event);
        free(watch);
        curl_multi_assign(http->multi, fd, NULL);
        return 0;
    }
    short wanted = (short)(((what & CURL_POLL_IN) ? EV_READ : 0) |
                           ((what & CURL_POLL_OUT) ? EV_WRITE : 0) | EV_PERSIST);
    if (watch == NULL) {
        watch = xcalloc(1, sizeof(*watch));
        watch->http = http;
        curl_multi_assign(http->multi, fd, watch);
    } else if (watch->what == wanted) {
        return 0;
    } else {
        event_del(&watch->event);
    }
    watch->what = wanted;
    event_assign(&watch->event, http->base, fd, wanted, on_socket, watch);
    event_add(&watch->event, NULL);
    return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct http *http = ctx;
    (void)multi;
    if (timeout_ms < 0) {
        event_del(&http->timer);
        return 0;
    }
    struct timeval after = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    event_add(&http->timer, &after);
    return 0;
}

struct http *http_open(struct event_base *base, unsigned max_connections,
                       void (*drained)(void *ctx), void *ctx)
{
    library_start();
    struct http *http = xcalloc(1, sizeof(*http));
    http->base = base;
    http->drained = drained;
    http->ctx = ctx;
    event_assign(&http->timer, base, -1, 0, on_timer, http);
    http->multi = curl_multi_init();
    if (http->multi == NULL)
        abort();
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    http_set_max_connections(http, max_connections);
    return http;
}

void http_cancel(struct http *http)
{
    struct call *call, *next;
    DL_FOREACH_SAFE(http->busy, call, next)
    {
        DL_DELETE(http->busy, call);
        curl_multi_remove_handle(http->multi, call->easy);
        call_free(call);
    }
}

/* A certificate comes with its key. */
static void replace_text(char **to, const char *from)
{
    vault_free(*to);
    *to = from != NULL ? vault_copy(from, strlen(from)) : NULL;
}

void http_close(struct http *http)
{
    if (http == NULL)
        return;
    http_cancel(http);
    curl_multi_cleanup(http->multi);
    event_del(&http->timer);
    replace_text(&http->ca, NULL);
    replace_text(&http->certificate, NULL);
    replace_text(&http->proxy, NULL);
    free(http);
    curl_global_cleanup();
}

void http_set_gate(struct http *http, bool (*open)(void *ctx), void *ctx)
{
    http->gate = open;
    http->gate_ctx = ctx;
}

void http_set_security(struct http *http, const struct http_security *security)
{
    replace_text(&http->ca, security->ca);
    replace_text(&http->certificate, security->certificate);
    replace_text(&http->proxy, security->proxy);
}

static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
    struct curl_blob blob = {.data = (void *)(uintptr_t)pem,
                             .len = pem != NULL ? strlen(pem) : 0,
                             .flags = CURL_BLOB_COPY};
    curl_easy_setopt(easy, option, pem != NULL ? &blob : NULL);
}

static void secure(struct call *call)
{
    const struct http *http = call->http;
    CURL *e = call->easy;
    /* "" keeps curl from what the environment says */
    curl_easy_setopt(e, CURLOPT_PROXY, http->proxy != NULL ? http->proxy : "");
    set_blob(e, CURLOPT_CAINFO_BLOB, http->ca);
    set_blob(e, CURLOPT_SSLCERT_BLOB, http->certificate);
    set_blob(e, CURLOPT_SSLKEY_BLOB, http->certificate);
}

void http_set_max_connections(struct http *http, unsigned max_connections)
{
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)max_connections);
}

static void set_method(struct call *call)
{
    CURL *e = call->easy;
    if (call->request.post) {
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        /* a NULL body would make curl call a read function */
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->request.body.n ? call->request.body.p : "");
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->request.body.n);
    } else {
        curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
    }
}

void http_send(struct http *http, const struct http_request *request)
{
    struct call *call = call_create(http);
    DL_APPEND(http->busy, call);
    call->request = *request;
    buffer_init(&call->text, request->text_max > 0 ? request->text_max : HTTP_TEXT_BYTES);
    call->headers = request->headers;
    call->headers->references++;
    call->route = request->route;
    CURL *e = call->easy;
    secure(call);
    if (call->route != NULL) {
        call->route->references++;
        if (!call->route->known)
            curl_easy_setopt(e, CURLOPT_RESOLVE, call->route->list);
    }
    curl_easy_setopt(e, CURLOPT_URL, request->url);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, &call->headers->nodes[0]);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(e, CURLOPT_CERTINFO, request->certificate ? 1L : 0L);
    set_method(call);
    curl_multi_add_handle(http->multi, e);
}

struct http_counters http_counters(const struct http *http)
{
    return http->counters;
}

int64_t http_date_us(const char *date)
{
    time_t seconds = curl_getdate(date, NULL);
    return seconds < 0 ? -1 : (int64_t)seconds * SECOND_US;
}
