#include "admin/http_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { NAME_CEILING = 255, PREFIX_64 = 8 };

struct http_peer http_peer_of(const struct sockaddr *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct http_peer peer = {.loopback = false};
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(peer.bytes, mapped, sizeof mapped);
        memcpy(peer.bytes + sizeof mapped, &v4.sin_addr, sizeof v4.sin_addr);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(peer.bytes, &v6.sin6_addr, sizeof v6.sin6_addr);
        peer.loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    }
    if (memcmp(peer.bytes, mapped, sizeof mapped) == 0)
        peer.loopback = peer.bytes[sizeof mapped] == 127;
    else if (!peer.loopback)
        memset(peer.bytes + PREFIX_64, 0, sizeof peer.bytes - PREFIX_64);
    return peer;
}

bool http_peer_equal(const struct http_peer *a, const struct http_peer *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* Cuts ":port" off. False if what stands behind the last colon is no port. */
static bool cut_port(struct slice *host)
{
    size_t at = host->n;
    while (at > 0 && host->p[at - 1] >= '0' && host->p[at - 1] <= '9')
        at--;
    if (at == 0 || host->p[at - 1] != ':')
        return memchr(host->p, ':', host->n) == NULL;
    if (host->n - at > 5)
        return false;
    host->n = at - 1;
    return memchr(host->p, ':', host->n) == NULL;
}

static bool is_address(int family, struct slice text)
{
    char terminated[INET6_ADDRSTRLEN + 1];
    struct in6_addr address;
    if (text.n >= sizeof terminated)
        return false;
    memcpy(terminated, text.p, text.n);
    terminated[text.n] = '\0';
    return strlen(terminated) == text.n && inet_pton(family, terminated, &address) == 1;
}

static bool is_bracketed_address(struct slice host)
{
    const char *end = memchr(host.p, ']', host.n);
    if (end == NULL)
        return false;
    size_t n = (size_t)(end - host.p) - 1;
    struct slice port = {end + 1, host.n - n - 2};
    if (port.n > 6 || (port.n > 0 && port.p[0] != ':'))
        return false;
    for (size_t i = 1; i < port.n; i++)
        if (port.p[i] < '0' || port.p[i] > '9')
            return false;
    return is_address(AF_INET6, (struct slice){host.p + 1, n});
}

static bool same_name(struct slice name, struct slice known)
{
    return name.n == known.n && strncasecmp(name.p, known.p, name.n) == 0;
}

static bool in_list(struct slice name, const char *list)
{
    while (list != NULL && *list != '\0') {
        struct slice known = {list, strcspn(list, ", ")};
        if (known.n > 0 && (same_name(name, known) || (known.n == 1 && *list == '*')))
            return true;
        list += known.n + (list[known.n] != '\0' ? 1 : 0);
    }
    return false;
}

bool http_host_allowed(struct slice host, const char *own, const char *list)
{
    if (host.n == 0 || host.n > NAME_CEILING)
        return false;
    if (host.p[0] == '[')
        return is_bracketed_address(host);
    if (!cut_port(&host) || host.n == 0)
        return false;
    if (is_address(AF_INET, host))
        return true;
    if (host.p[host.n - 1] == '.')
        host.n--;
    return host.n > 0 && (same_name(host, SLICE_LITERAL("localhost")) ||
                          (own != NULL && same_name(host, slice_from(own))) || in_list(host, list));
}
