/* Runs a program to which the kernel refuses some system calls, as a container's
 * filter or a systemd unit does: refused_calls <errno> <call,call,…> <program> … */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    int number;
} calls[] = {
    {"socket", __NR_socket},         {"connect", __NR_connect},
    {"socketpair", __NR_socketpair}, {"epoll_create1", __NR_epoll_create1},
    {"eventfd2", __NR_eventfd2},     {"timerfd_create", __NR_timerfd_create},
};

enum { ROOM = 2 * sizeof calls / sizeof *calls + 2 };

int main(int argc, char **argv)
{
    struct sock_filter filter[ROOM];
    struct sock_fprog program = {0, filter};
    unsigned refusal;
    size_t i;

    if (argc < 4)
        return 125;
    refusal = SECCOMP_RET_ERRNO | ((unsigned)atoi(argv[1]) & SECCOMP_RET_DATA);
    filter[program.len++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (i = 0; i < sizeof calls / sizeof *calls; i++) {
        size_t len = strlen(calls[i].name);
        const char *at = argv[2];

        while (at &&
               !(strncmp(at, calls[i].name, len) == 0 && (at[len] == ',' || at[len] == '\0'))) {
            at = strchr(at, ',');
            at = at ? at + 1 : NULL;
        }
        if (!at)
            continue;
        filter[program.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                             (unsigned)calls[i].number, 0, 1);
        filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, refusal);
    }
    filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("refused_calls");
        return 125;
    }
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 126;
}
