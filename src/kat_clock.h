/* The engine's clock: monotonic seconds, and the wall clock for dates.
 * Both are read through pointers, so that a test can set the time. */
#ifndef KAT_CLOCK_H
#define KAT_CLOCK_H

#include "kat_base.h"

KAT_BEGIN_DECLS

extern double (*kat_now)(void);  /* monotonic; its zero means nothing */
extern double (*kat_wall)(void); /* seconds since 1970, UTC */

/* Seconds as the whole milliseconds that libcurl and poll want: rounded up,
 * so that nothing ever comes early; at least 1; clamped to an int. */
long kat_to_ms(double seconds);

KAT_END_DECLS

#endif
