/* Refusals by the system: descriptors that have run out, and system calls that a
 * sandbox does not allow. libcurl's own messages name neither. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kat_internal.h"

bool kat_is_shortage(int error)
{
    return error == EMFILE || error == ENFILE;
}

bool kat_is_denial(int error)
{
    return kat_is_shortage(error) || error == EPERM || error == EACCES || error == ENOSYS;
}

const char *kat_denial(char *text, const char *call, int error)
{
    const char *name = error == EPERM ? "EPERM" : error == EACCES ? "EACCES" : "ENOSYS";

    if (error == EMFILE)
        snprintf(text, KAT_DENIAL_SIZE,
                 "this process has run out of descriptors: close clients and files that are not "
                 "needed, or raise its limit (ulimit -n)");
    else if (error == ENFILE)
        snprintf(text, KAT_DENIAL_SIZE,
                 "this system has run out of descriptors: raise its limit (fs.file-max), or end "
                 "what holds many");
    else if (kat_is_denial(error))
        snprintf(text, KAT_DENIAL_SIZE,
                 "this system does not allow the system call %s (%s): look at the sandbox, seccomp "
                 "filter or firewall around this process",
                 call, name);
    else
        snprintf(text, KAT_DENIAL_SIZE, "the system call %s failed (errno %d): out of memory?",
                 call, error);
    return text;
}

int kat_denial_probe(const char **call)
{
    int pair[2] = {-1, -1}, fd = -1, error = 0;

    *call = "socketpair"; /* by which libcurl's resolver wakes it */
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        error = errno;
    } else {
        *call = "socket"; /* to a name server */
        fd = socket(AF_INET, SOCK_DGRAM, 0);
        if (fd < 0)
            error = errno;
    }
    if (fd >= 0)
        close(fd);
    if (pair[0] >= 0) {
        close(pair[0]);
        close(pair[1]);
    }
    return kat_is_denial(error) ? error : 0;
}
