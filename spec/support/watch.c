/* Preloaded into a program, keeps a copy of all that it writes to files: what
 * goes through write(2), and what is in a file when it is renamed or removed. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);

static void keep(const void *bytes, size_t len)
{
    const char *path = getenv("WATCH_LOG");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;

    if (!real_write)
        *(void **)&real_write = dlsym(RTLD_NEXT, "write");
    if (fd >= 0) {
        if (real_write(fd, bytes, len) < 0 || real_write(fd, "\n", 1) < 0)
            abort();
        close(fd);
    }
}

static void keep_file(const char *what, const char *path)
{
    char block[65536];
    ssize_t n;
    int fd = open(path, O_RDONLY);

    keep(what, strlen(what));
    while (fd >= 0 && (n = read(fd, block, sizeof block)) > 0)
        keep(block, (size_t)n);
    if (fd >= 0)
        close(fd);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (fd > 2)
        keep(bytes, len);
    if (!real_write)
        *(void **)&real_write = dlsym(RTLD_NEXT, "write");
    return real_write(fd, bytes, len);
}

/* No specification survives a power failure; this one need not wait for disks. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int rename(const char *from, const char *to)
{
    if (!real_rename)
        *(void **)&real_rename = dlsym(RTLD_NEXT, "rename");
    keep_file("(renamed)", from);
    if (getenv("WATCH_KILL"))
        _exit(9); /* as if it had been killed here */
    return real_rename(from, to);
}

int unlink(const char *path)
{
    if (!real_unlink)
        *(void **)&real_unlink = dlsym(RTLD_NEXT, "unlink");
    keep_file("(removed)", path);
    return real_unlink(path);
}
