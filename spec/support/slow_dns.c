/* Preloaded into a program, answers for names below slow.test late: after as
 * many seconds as SLOW_DNS says, or as soon as there is a file SLOW_DNS_GO, that
 * there is no such name. A line in the file SLOW_DNS_LOG tells of each. */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char SLOW[] = ".slow.test";

typedef int (*resolver)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static void tell(const char *line)
{
    const char *path = getenv("SLOW_DNS_LOG");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return;
    if (write(fd, line, strlen(line)) < 0)
        abort();
    close(fd);
}

static void take_time(void)
{
    const char *seconds = getenv("SLOW_DNS"), *go = getenv("SLOW_DNS_GO");
    const struct timespec pause = {0, 10 * 1000 * 1000};
    struct timespec now;
    time_t end;

    clock_gettime(CLOCK_MONOTONIC, &now);
    end = now.tv_sec + (seconds ? atoi(seconds) : 1);
    while (now.tv_sec < end && !(go && access(go, F_OK) == 0)) {
        nanosleep(&pause, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    size_t len = node ? strlen(node) : 0, tail = sizeof SLOW - 1;
    resolver real;

    if (len < tail || strcmp(node + len - tail, SLOW) != 0) {
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        return real(node, service, hints, found);
    }
    tell("asked\n");
    take_time();
    tell("answered\n");
    return EAI_NONAME;
}
