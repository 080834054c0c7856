/* The sockets of an engine's connections. libcurl 7.88 uses a kept connection
 * again though something has come on it meanwhile (curl's issue 10646; mended in
 * 8.0): a server's parting 408, or more than it had promised, would then be taken
 * for the answer to the next request; and a reset is found out when the request
 * is written, too late to know whether it went out. So what is about to be used
 * again is looked at here, at the price of one poll. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kat_internal.h"

typedef struct entry {
    int fd;
    int port; /* its own; 0 while nobody has asked */
} entry;

static size_t count(const kat_engine *engine)
{
    return engine->sockets.len / sizeof(entry);
}

static entry *at(kat_engine *engine, size_t index)
{
    return (entry *)(void *)engine->sockets.data + index;
}

enum { SOCKETS_EACH = 4 }; /* that a request opens at most, trying addresses side by side */

bool kat_socket_reserve(kat_engine *engine)
{
    return kat_buf_reserve(&engine->sockets, (engine->active + 1) * SOCKETS_EACH * sizeof(entry));
}

/* False when memory has run out. */
static bool add(kat_engine *engine, int fd)
{
    entry fresh = {fd, 0};
    size_t i;

    for (i = 0; i < count(engine); i++) {
        if (at(engine, i)->fd == fd) {
            *at(engine, i) = fresh;
            return true;
        }
    }
    return kat_buf_add(&engine->sockets, &fresh, sizeof fresh);
}

curl_socket_t kat_socket_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    kat_slot *slot = user;
    int fd;

    (void)purpose;
#ifdef SOCK_CLOEXEC
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
#else
    fd = socket(address->family, address->socktype, address->protocol);
    if (fd >= 0)
        kat_set_cloexec(fd);
#endif
    slot->socket_error = fd < 0 ? errno : 0;
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (!add(slot->op->engine, fd)) {
        slot->kind = KAT_CONNECT;
        slot->refusal = "out of memory";
        close(fd);
        return CURL_SOCKET_BAD;
    }
    return fd;
}

int kat_socket_close(void *user, curl_socket_t fd)
{
    kat_engine *engine = user;
    size_t i;

    for (i = 0; i < count(engine); i++) {
        if (at(engine, i)->fd == fd) {
            *at(engine, i) = *at(engine, count(engine) - 1);
            engine->sockets.len -= sizeof(entry);
            break;
        }
    }
    return close(fd);
}

static int port_of(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;

    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0)
        return 0;
    if (name.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)(void *)&name)->sin_port);
    if (name.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)(void *)&name)->sin6_port);
    return 0;
}

/* Bytes, an end or an error: on a connection that waits for its next request
 * none of them is to be expected. */
static bool stirred(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, 0) > 0;
}

bool kat_socket_stale(kat_engine *engine, int port)
{
    size_t i;

    /* Two may have one port, where they lead to different places: a connection
     * is then perhaps made anew for the other's sake. */
    for (i = 0; i < count(engine); i++) {
        entry *e = at(engine, i);

        if (e->port == 0)
            e->port = port_of(e->fd);
        if (e->port == port && stirred(e->fd))
            return true;
    }
    return false;
}
