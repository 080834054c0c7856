/* The least that libcurl's easy interface takes to send one request again and again. */
#ifndef BENCH_TRANSFER_H
#define BENCH_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    char *text; /* the last answer's body, kept and grown */
    size_t len, size;
} transfer;

/* A GET, or a POST where there is a body, which has to live as long as the transfer. False when
 * memory is out; transfer_close is due all the same. */
bool transfer_open(transfer *t, const char *url, const char *body);

CURLcode transfer_run(transfer *t);
void transfer_close(transfer *t);

#endif
