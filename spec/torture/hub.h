/* The hub of the sweep: canned answers, and a count of what they did. It is a
 * process of its own; its counts lie where the others see them. */
#ifndef TORTURE_HUB_H
#define TORTURE_HUB_H

#include <stdbool.h>

/* What a request was about ends in a digit, as in "key 3" or wk_3. */
enum { HUB_SUBJECTS = 10 };

typedef struct hub_counts {
    int posts[HUB_SUBJECTS], patches[HUB_SUBJECTS], deletes[HUB_SUBJECTS]; /* carried out */
    int requests;
    int busy;
    int strangers; /* without the token, or as a proxy is asked */
} hub_counts;

/* Starts it; NULL when that fails. It ends with the calling process. */
hub_counts *hub_start(int *port);

/* Waits until everything that was sent before has been carried out. */
bool hub_settle(int port);

#endif
