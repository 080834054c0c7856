/* Runs a command some times and says what each run took, in a line of its own: microseconds by the
 * clock and of processor time, and KiB of memory at its peak. measure <times> <command>...
 *
 * What the command writes is thrown away. It ends with the first run that fails. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>


static double microseconds(struct timeval t)
{
    return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

int main(int argc, char **argv)
{
    posix_spawn_file_actions_t files;
    int times = argc > 2 ? atoi(argv[1]) : 0;

    if (times < 1 || posix_spawn_file_actions_init(&files) != 0 ||
        posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0) != 0) {
        fprintf(stderr, "usage: measure <times> <command>...\n");
        return 2;
    }
    while (times-- > 0) {
        struct rusage usage;
        double began = now();
        pid_t pid;
        int status;

        if (posix_spawnp(&pid, argv[2], &files, NULL, argv + 2, environ) != 0 ||
            wait4(pid, &status, 0, &usage) != pid || status != 0) {
            fprintf(stderr, "measure: %s failed\n", argv[2]);
            return 1;
        }
        printf("%.0f %.0f %ld\n", now() - began,
               microseconds(usage.ru_utime) + microseconds(usage.ru_stime), usage.ru_maxrss);
        fflush(stdout);
    }
    return 0;
}
