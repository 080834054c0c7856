/* Tells processes apart, at the price of reading a word. */
#ifndef KAT_FORK_H
#define KAT_FORK_H

#include "kat_base.h"

KAT_BEGIN_DECLS

/* A number that is the same as long as this is the same process, and another
 * in a child that was forked since, by whatever means. Never 0. */
uint64_t kat_process(void);

KAT_END_DECLS

#endif
