/* To be preloaded: lets the writes to one file go wrong, or to what is written
 * in its place. FAULT_FILE is its path, FAULT_AT says which of its writes, from 1, and FAULT_HOW
 * what happens there: "full" (half of it fits, and nothing more), "sync" (it cannot be brought to
 * the disk) or "kill" (the process ends after half of it). "interrupt" has a
 * signal end the first fsync of it, and says so on stderr; "again" the first
 * write. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int writes;
static bool broken;

static bool is_ours(int fd)
{
    const char *path = getenv("FAULT_FILE");
    char link[64], target[PATH_MAX];
    ssize_t len;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, target, sizeof target - 1);
    if (!path || len < 0)
        return false;
    target[len] = '\0';
    return strncmp(target, path, strlen(path)) == 0 &&
           (target[strlen(path)] == '\0' || target[strlen(path)] == '.');
}

static bool how(const char *name)
{
    const char *given = getenv("FAULT_HOW");

    return given && strcmp(given, name) == 0;
}

ssize_t write(int fd, const void *data, size_t len)
{
    static ssize_t (*real)(int, const void *, size_t);
    const char *at = getenv("FAULT_AT");

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "write");
    if (!is_ours(fd))
        return real(fd, data, len);
    if (how("again") && !broken) {
        broken = true;
        errno = EINTR;
        return -1;
    }
    if (broken && how("full")) {
        errno = ENOSPC;
        return -1;
    }
    writes++;
    if (!at || writes != atoi(at))
        return real(fd, data, len);
    broken = true;
    if (how("sync"))
        return real(fd, data, len);
    len = (size_t)real(fd, data, len / 2);
    if (how("kill"))
        raise(SIGKILL);
    return (ssize_t)len;
}

int fsync(int fd)
{
    static int (*real)(int);
    static bool interrupted;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    if (how("interrupt") && is_ours(fd) && !interrupted) {
        interrupted = true;
        fputs("interrupted", stderr);
        errno = EINTR;
        return -1;
    }
    if (broken && how("sync") && is_ours(fd)) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}
