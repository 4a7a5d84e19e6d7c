#include "thingworx/endpoints.h"

#include "base/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define BASE_URLS_MAX 64

static void free_urls(struct base_url *urls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        base_url_free(&urls[i]);
    free(urls);
}

static bool check_url(const struct endpoints *all, const struct base_url *urls, size_t n,
                      struct error *err)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(urls[i].text, urls[n].text) == 0) {
            error_set(err, "the base URL %s is given twice", urls[n].text);
            return error_hint(err, "name every base URL once");
        }
    if (!urls[n].numeric && all->shared.dns == NULL) {
        error_set(err, "%s: no resolver for host names", urls[n].text);
        return error_hint(err, "name the host by its address");
    }
    return true;
}

struct base_url *endpoints_read(const struct endpoints *all, const char *const *texts, size_t count,
                                struct error *err)
{
    const char *destination = all->shared.destination;
    if (count == 0 || count > BASE_URLS_MAX) {
        error_set(err, "the destination %s has %zu base URLs", destination, count);
        error_hint(err, "give between 1 and %d", BASE_URLS_MAX);
        return NULL;
    }
    struct base_url *urls = xcalloc(count, sizeof(*urls));
    for (size_t i = 0; i < count; i++)
        if (!base_url_parse(texts[i], &urls[i], err) || !check_url(all, urls, i, err)) {
            error_detail(err, "destination %s, base URL number %zu", destination, i + 1);
            free_urls(urls, count);
            return NULL;
        }
    return urls;
}

static struct endpoint *take(struct endpoints *all, const char *url)
{
    for (size_t i = 0; i < all->count; i++) {
        struct endpoint *e = all->list[i];
        if (e == NULL || strcmp(e->url.text, url) != 0)
            continue;
        all->list[i] = NULL;
        return e;
    }
    return NULL;
}

static void retire(struct endpoints *all, struct endpoint *e)
{
    e->index = UINT_MAX;
    all->retired = xrealloc(all->retired, (all->retired_count + 1) * sizeof(struct endpoint *));
    all->retired[all->retired_count++] = e;
}

void endpoints_anew(struct endpoints *all, int64_t now_us)
{
    for (size_t i = 0; i < all->count; i++) {
        struct endpoint *old = all->list[i];
        struct base_url url;
        struct error err;
        if (!base_url_parse(old->url.text, &url, &err))
            continue; /* it was read before */
        all->list[i] = endpoint_create(&all->shared, url, old->index, now_us);
        retire(all, old);
    }
}

void endpoints_set(struct endpoints *all, struct base_url *urls, size_t count, int64_t now_us)
{
    struct endpoint **list = xcalloc(count, sizeof(struct endpoint *));
    for (size_t i = 0; i < count; i++) {
        list[i] = take(all, urls[i].text);
        if (list[i] == NULL) {
            list[i] = endpoint_create(&all->shared, urls[i], (unsigned)i, now_us);
            urls[i] = (struct base_url){0};
        }
        list[i]->index = (unsigned)i;
    }
    free_urls(urls, count);
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i] != NULL)
            retire(all, all->list[i]);
    free(all->list);
    all->list = list;
    all->count = count;
    all->cursor = 0;
}

struct endpoint *endpoints_pick(const struct endpoints *all, int64_t now_us)
{
    struct endpoint *second = NULL;
    for (size_t i = 0; i < all->count; i++) {
        struct endpoint *e = all->list[(all->cursor + i) % all->count];
        if (!endpoint_usable(e, now_us))
            continue;
        if (!e->shunned)
            return e;
        if (second == NULL)
            second = e;
    }
    return second;
}

void endpoints_step(struct endpoints *all, const struct endpoint *e)
{
    all->cursor = (e->index + 1) % all->count;
}

unsigned endpoints_working(const struct endpoints *all)
{
    unsigned n = 0;
    for (size_t i = 0; i < all->count; i++)
        n += all->list[i]->breaker.state == BREAKER_CLOSED;
    return n;
}

static void free_retired(struct endpoints *all)
{
    size_t kept = 0;
    for (size_t i = 0; i < all->retired_count; i++) {
        if (endpoint_busy(all->retired[i]))
            all->retired[kept++] = all->retired[i];
        else
            endpoint_free(all->retired[i]);
    }
    all->retired_count = kept;
}

void endpoints_turn(struct endpoints *all, int64_t now_us)
{
    for (size_t i = 0; i < all->count; i++)
        endpoint_turn(all->list[i], now_us);
    free_retired(all);
}

int64_t endpoints_due_us(const struct endpoints *all, int64_t now_us)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < all->count; i++) {
        int64_t at = endpoint_due_us(all->list[i], now_us);
        due = at < due ? at : due;
    }
    return due;
}

void endpoints_cancelled(struct endpoints *all)
{
    for (size_t i = 0; i < all->count; i++)
        endpoint_cancelled(all->list[i]);
    for (size_t i = 0; i < all->retired_count; i++)
        endpoint_cancelled(all->retired[i]);
}

void endpoints_free(struct endpoints *all)
{
    for (size_t i = 0; i < all->count; i++)
        endpoint_free(all->list[i]);
    for (size_t i = 0; i < all->retired_count; i++)
        endpoint_free(all->retired[i]);
    free(all->list);
    free(all->retired);
}
