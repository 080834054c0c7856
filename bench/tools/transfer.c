#include "transfer.h"

#include <stdlib.h>
#include <string.h>

static size_t take(char *data, size_t one, size_t len, void *user)
{
    transfer *t = user;

    if (t->len + len > t->size) {
        size_t size = t->size ? t->size : 4096;
        char *grown;

        while (size < t->len + len)
            size *= 2;
        grown = realloc(t->text, size);
        if (!grown)
            return 0;
        t->text = grown;
        t->size = size;
    }
    memcpy(t->text + t->len, data, len);
    t->len += len;
    return one * len;
}

static bool add(transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->headers, line);

    if (longer)
        t->headers = longer;
    return longer != NULL;
}

bool transfer_open(transfer *t, const char *url, const char *body)
{
    memset(t, 0, sizeof *t);
    t->easy = curl_easy_init();
    if (!t->easy || !add(t, "Authorization: Bearer sk_live_bench_1") ||
        !add(t, "Accept: application/json") || (body && !add(t, "Content-Type: application/json")))
        return false;
    if (body)
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    return curl_easy_setopt(t->easy, CURLOPT_URL, url) == CURLE_OK;
}

CURLcode transfer_run(transfer *t)
{
    t->len = 0;
    return curl_easy_perform(t->easy);
}

void transfer_close(transfer *t)
{
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    free(t->text);
    memset(t, 0, sizeof *t);
}
