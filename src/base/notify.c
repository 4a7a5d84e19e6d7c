#include "base/notify.h"

#include "base/memory.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct notify {
    int fd;
    struct sockaddr_un to;
    socklen_t to_size;
};

static bool set_address(struct notify *notify, const char *address, struct error *err)
{
    size_t n = strlen(address);
    if ((address[0] != '/' && address[0] != '@') || n < 2 || n >= sizeof notify->to.sun_path) {
        error_set(err, "NOTIFY_SOCKET names no socket that can be used: \"%s\"", address);
        return error_hint(err, "It is a path, or @ and the name of an abstract socket, of at most "
                               "107 bytes.");
    }
    notify->to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(notify->to.sun_path, address, n);
    /* The name of an abstract socket begins with a NUL and ends with the address, without one. */
    bool abstract = address[0] == '@';
    if (abstract)
        notify->to.sun_path[0] = '\0';
    notify->to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (abstract ? 0 : 1));
    return true;
}

struct notify *notify_open(const char *address, struct error *err)
{
    struct notify *notify = xcalloc(1, sizeof *notify);
    notify->fd = -1;
    if (set_address(notify, address, err)) {
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (notify->fd >= 0)
            return notify;
        error_set(err, "could not make a socket for the service manager");
        error_detail(err, "%s", strerror(errno));
    }
    free(notify);
    return NULL;
}

void notify_close(struct notify *notify)
{
    if (notify == NULL)
        return;
    (void)close(notify->fd);
    free(notify);
}

bool notify_send(const struct notify *notify, const char *lines)
{
    if (notify == NULL)
        return true;
    ssize_t sent = 0;
    do
        sent = sendto(notify->fd, lines, strlen(lines), MSG_NOSIGNAL,
                      (const struct sockaddr *)&notify->to, notify->to_size);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/* A positive number in decimal, else 0. */
static int64_t positive(const char *text)
{
    char *end = NULL;
    errno = 0;
    long long number = text != NULL ? strtoll(text, &end, 10) : 0;
    return errno == 0 && end != text && end != NULL && *end == '\0' && number > 0 ? number : 0;
}

int64_t notify_watchdog_us(const char *usec, const char *pid, int64_t own_pid)
{
    return pid == NULL || positive(pid) == own_pid ? positive(usec) : 0;
}
