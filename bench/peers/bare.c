/* libcurl alone: the body is received and not decoded. See bench/worker.lua for what it says. */
#include "../tools/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

int main(int argc, char **argv)
{
    transfer t;
    long count;

    if (argc < 3 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        !transfer_open(&t, argv[2], strcmp(argv[1], "create") == 0 && argc > 3 ? argv[3] : NULL)) {
        fprintf(stderr, "usage: bare list|create <url> [<body>]\n");
        return 2;
    }
    while (scanf("%ld", &count) == 1) {
        double began = cpu();
        long i;

        for (i = 0; i < count; i++)
            if (transfer_run(&t) != CURLE_OK || t.len == 0)
                return 1;
        printf("%.0f\n", cpu() - began);
        fflush(stdout);
    }
    transfer_close(&t);
    return 0;
}
