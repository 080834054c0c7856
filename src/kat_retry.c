#include "kat_retry.h"

#include <math.h>

/* The table in the README, row by row. */
kat_verdict kat_retry_verdict(const kat_outcome *o)
{
    switch (o->kind) {
    case KAT_NONE:
        break;
    case KAT_CONNECT:
        return KAT_RETRY_BACKOFF;
    case KAT_CONNECTION:
    case KAT_TIMEOUT:
        return !o->sent || o->safe ? KAT_RETRY_BACKOFF : KAT_GIVE_UP;
    default:
        return KAT_GIVE_UP;
    }
    switch (o->status) {
    case 429: /* refused before it acted: safe for every method */
        return KAT_RETRY_WHEN_TOLD;
    case 503:
        return o->safe ? KAT_RETRY_WHEN_TOLD : KAT_GIVE_UP;
    case 408:
    case 500:
    case 502:
    case 504:
        return o->safe ? KAT_RETRY_BACKOFF : KAT_GIVE_UP;
    default:
        return KAT_GIVE_UP;
    }
}

bool kat_maybe_applied(const kat_outcome *o, bool refused)
{
    if (o->safe)
        return false;
    /* An answer that did not come whole is a lost one, whatever its status. */
    if (o->status == 0 || (o->kind != KAT_NONE && o->kind != KAT_TOO_LARGE))
        return o->sent;
    return o->status == 408 || o->status >= 500 ||
           (o->status >= 200 && o->status < 300 && (refused || o->kind != KAT_NONE));
}

static double backoff(const kat_retry_policy *p, double retries, double random)
{
    double delay = p->base_delay;

    /* Doubling step by step cannot overflow: it ends at max_delay. */
    for (; retries > 0 && delay > 0 && delay < p->max_delay; retries--)
        delay *= 2;
    if (delay > p->max_delay)
        delay = p->max_delay;
    return delay * (1 - random / 4);
}

double kat_retry_delay(const kat_retry_policy *p, const kat_outcome *o, double retries, double told,
                       double random, double left)
{
    kat_verdict verdict = kat_retry_verdict(o);
    double delay;

    if (verdict == KAT_GIVE_UP || retries >= p->max)
        return -1;
    if (verdict == KAT_RETRY_WHEN_TOLD && told >= 0) {
        if (told > p->max_wait)
            return -1;
        delay = told + random * told / 10;
    } else {
        delay = backoff(p, retries, random);
    }
    return delay < left ? delay : -1;
}
