/* Signals as something to read: while they are watched, each that comes is one
 * byte in a pipe. A process has one such watch at a time. */
#ifndef KAT_SIGNALS_H
#define KAT_SIGNALS_H

#include <stddef.h>

#include "kat_base.h"

KAT_BEGIN_DECLS

enum { KAT_SIGNALS_MAX = 4 };

/* Watches `count` signals, but for those that the process ignores, as under nohup:
 * they stay ignored. Any other breaks a wait, too. Gives the descriptor to read, which is never
 * blocking and closed on exec; or -1 and errno: EBUSY where a watch is on. */
int kat_signals_open(const int *numbers, size_t count);

/* The oldest signal that was not taken yet, or 0. */
int kat_signals_take(void);

/* Ends the watch, and gives the signals back to whoever had them before. May
 * be called again. */
void kat_signals_close(void);

KAT_END_DECLS

#endif
