/* What libcurl alone takes from the allocator, in bytes for each: `libcurl_memory idle <count>
 * <url>` for a multi with one easy handle and its kept connection after a transfer; `libcurl_memory
 * flight <count> <url>` for an easy handle within one multi that waits for its answer. */
#include <curl/curl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static size_t ignore(char *data, size_t one, size_t len, void *user)
{
    (void)data;
    (void)user;
    return one * len;
}

static size_t heap(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static CURL *start(CURLM *multi, const char *url, struct curl_slist *headers)
{
    CURL *easy = curl_easy_init();

    if (!easy || curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore) != CURLE_OK ||
        curl_multi_add_handle(multi, easy) != CURLM_OK)
        exit(1);
    return easy;
}

/* Until none runs, or for so long. */
static void run(CURLM *multi, double longest)
{
    double end = seconds() + longest;
    int running = 1;

    while (running && seconds() < end) {
        curl_multi_poll(multi, NULL, 0, 10, NULL);
        curl_multi_perform(multi, &running);
    }
}

static void idle(const char *url, struct curl_slist *headers)
{
    CURLM *multi = curl_multi_init();
    CURL *easy = start(multi, url, headers);

    run(multi, 10);
    curl_multi_remove_handle(multi, easy);
}

int main(int argc, char **argv)
{
    struct curl_slist *headers = NULL;
    int i, count = argc == 4 ? atoi(argv[2]) : 0;
    size_t before;

    if (count < 1 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fprintf(stderr, "usage: libcurl_memory idle|flight <count> <url>\n");
        return 2;
    }
    headers = curl_slist_append(headers, "Authorization: Bearer sk_live_bench_1");
    idle(argv[3], headers); /* what is allocated once */
    before = heap();
    if (strcmp(argv[1], "idle") == 0)
        for (i = 0; i < count; i++)
            idle(argv[3], headers);
    else {
        CURLM *multi = curl_multi_init();

        for (i = 0; i < count; i++)
            start(multi, argv[3], headers);
        run(multi, 0.1);
    }
    printf("%.0f\n", (double)(heap() - before) / count);
    return 0;
}
