/* The sockets of an engine's connections, and whether an idle one may be used
 * again. libcurl looks before it does, but 7.88 takes a connection that was
 * reset, or that has bytes waiting which nobody asked for, for a good one
 * (mended in 8.0): a write would count as lost after sending though nobody read
 * it, and an answer that was left over would be taken for the next call's. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kat_internal.h"

typedef struct entry {
    int fd, port; /* 0: not asked yet */
} entry;

static size_t count(const kat_engine *engine)
{
    return engine->sockets.len / sizeof(entry);
}

static entry *at(kat_engine *engine, size_t index)
{
    return (entry *)(void *)engine->sockets.data + index;
}

static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    kat_engine *engine = user;
    entry added = {-1, 0};

    (void)purpose;
#ifdef SOCK_CLOEXEC
    added.fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
#else
    added.fd = socket(address->family, address->socktype, address->protocol);
    if (added.fd >= 0)
        kat_set_cloexec(added.fd);
#endif
    if (added.fd < 0)
        return CURL_SOCKET_BAD;
    /* Where memory has run out, libcurl's own look has to do. */
    kat_buf_add(&engine->sockets, &added, sizeof added);
    return added.fd;
}

static int on_close(void *user, curl_socket_t fd)
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

void kat_conn_watch(kat_engine *engine, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, engine);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, engine);
}

static int local_port(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;

    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0)
        return 0;
    if (name.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)&name)->sin_port);
    if (name.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)&name)->sin6_port);
    return 0;
}

/* An idle connection has nothing to say: bytes, an end and an error all mean
 * that it is of no use. (A session ticket that comes late as well: that costs a
 * handshake, and no answer.) */
static bool is_quiet(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

bool kat_conn_usable(kat_engine *engine, int port)
{
    size_t i;

    for (i = 0; i < count(engine); i++) {
        entry *e = at(engine, i);

        if (e->port == 0)
            e->port = local_port(e->fd);
        if (e->port == port && !is_quiet(e->fd))
            return false;
    }
    return true;
}
