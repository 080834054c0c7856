/* Keeps libcurl's descriptors out of the programs that the host runs. Sockets
 * are made by us, but libcurl makes the pairs by which it wakes itself, and
 * says nothing of them. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kat_internal.h"

void kat_set_cloexec(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    if (flags >= 0 && !(flags & FD_CLOEXEC))
        fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static bool is_wakeup(int fd)
{
    struct stat st;
    struct sockaddr_storage name;
    socklen_t len = sizeof name;

    if (fstat(fd, &st) != 0)
        return false;
    if (S_ISSOCK(st.st_mode))
        return getsockname(fd, (struct sockaddr *)&name, &len) == 0 && name.ss_family == AF_UNIX;
    return S_ISFIFO(st.st_mode) || (st.st_mode & S_IFMT) == 0;
}

/* A pair gets the two lowest numbers that are free, which are tried out here. */
void kat_pair_expect(kat_pair *pair)
{
    int i, fd[2];

    *pair = (kat_pair){.expected = pipe(fd) == 0};
    for (i = 0; i < 2 && pair->expected; i++) {
        pair->fd[i] = fd[i];
        close(fd[i]);
    }
}

/* In case another thread took a number, only what looks like a wake-up pair (a
 * local socket, a pipe or an anonymous descriptor) is touched. */
void kat_pair_keep(kat_pair *pair)
{
    int i;

    for (i = 0; i < 2 && pair->expected; i++)
        if (is_wakeup(pair->fd[i]))
            kat_set_cloexec(pair->fd[i]);
    pair->expected = false;
}

void kat_keep_resolvers(kat_engine *engine)
{
    kat_op *op;

    for (op = engine->resolving ? engine->ops : NULL; op; op = op->next)
        kat_pair_keep(&op->slot->resolver);
    engine->resolving = false;
}
