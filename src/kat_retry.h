/* What to do after an attempt: pure functions of what came back and of the
 * time, which their caller passes in. */
#ifndef KAT_RETRY_H
#define KAT_RETRY_H

#include "kat_kind.h"

KAT_BEGIN_DECLS

typedef struct kat_retry_policy {
    double max; /* retries, not attempts */
    double base_delay, max_delay, max_wait;
} kat_retry_policy;

typedef struct kat_outcome {
    bool safe;     /* the method only reads, so it may be repeated */
    kat_kind kind; /* KAT_NONE when the server answered */
    bool sent;     /* the request had gone out */
    int status;    /* 0 when there was no answer */
} kat_outcome;

typedef enum {
    KAT_GIVE_UP,
    KAT_RETRY_BACKOFF,  /* after a delay of our own making */
    KAT_RETRY_WHEN_TOLD /* after Retry-After, where it can be read */
} kat_verdict;

/* Whether this outcome may be tried again at all. */
kat_verdict kat_retry_verdict(const kat_outcome *outcome);

/* True when a write may have been carried out though its answer was lost.
 * `refused`: a 2xx answer that could not be taken (see ResponseError). */
bool kat_maybe_applied(const kat_outcome *outcome, bool refused);

/* Seconds that a Retry-After header asks for: digits, or an HTTP date, which
 * is counted from `date` (the answer's own Date header) where that can be
 * read and else from `wall`. Of several, as joined by commas, the longest, whatever
 * stands beside it. Either text may be NULL. -1 where nothing can be read. */
double kat_retry_after(const char *text, const char *date, double wall);

/* Seconds to wait before retry number `retries` + 1, or -1 to give up. `told`
 * is what kat_retry_after gave; `random` is in [0, 1); `left` is the time to
 * the deadline, HUGE_VAL without one. */
double kat_retry_delay(const kat_retry_policy *policy, const kat_outcome *outcome, double retries,
                       double told, double random, double left);

/* An HTTP date in any of its three forms as seconds since 1970, 0 for one before;
 * -1 when it is none. */
double kat_http_date(const char *text);

KAT_END_DECLS

#endif
