/* The engine: drives all requests of one client over one curl_multi handle,
 * and never blocks but in kat_poll. It holds no lock: an engine belongs to
 * one thread at a time.
 *
 * An operation lies in its caller's memory and must stay there until it was
 * released. Its life (see kat_op.c for the transitions):
 *
 *   NEW -> ACTIVE -> DONE -> CLAIMED
 *   CANCELLED from NEW or ACTIVE
 *   ORPHANED  when the engine was closed, or the process forked, under it
 */
#ifndef KAT_ENGINE_H
#define KAT_ENGINE_H

#include "kat_gate.h"
#include "kat_headers.h"
#include "kat_kind.h"

KAT_BEGIN_DECLS

/* What a buffer that waits for its next use may keep. */
enum { KAT_KEEP_BYTES = 16 * 1024 };

typedef struct kat_engine kat_engine;
typedef struct kat_slot kat_slot;

typedef enum {
    KAT_NEW,
    KAT_ACTIVE,
    KAT_DONE,
    KAT_CLAIMED,
    KAT_CANCELLED,
    KAT_ORPHANED,
    KAT_STATE_COUNT
} kat_state;

typedef struct kat_config {
    const char *ca_file, *ca_path; /* NULL: see kat_ca_choose */
    const char *proxy;             /* NULL: libcurl's environment rules; "": none */
    size_t max_bytes;              /* of a response body */
    size_t max_concurrent;
} kat_config;

/* Header lines of a request, prepared once and shared by many. */
typedef struct kat_lines kat_lines;

/* NULL when memory has run out. Its owner starts with one reference. */
kat_lines *kat_lines_new(void);
/* Adds "Name: value"; false when memory has run out. */
bool kat_lines_add(kat_lines *lines, const char *name, const char *value);
/* Makes every line empty, whoever still refers to them: the lines hold the
 * token. To be called once no request goes out with them any more. */
void kat_lines_wipe(kat_lines *lines);
/* Drops a reference; the last one wipes the lines and frees them. */
void kat_lines_unref(kat_lines *lines);

typedef struct kat_request {
    const char *method, *url;
    kat_lines *lines; /* the operation takes a reference of its own */
    const char *body; /* copied; NULL for none */
    size_t body_len;
    double timeout, connect_timeout; /* seconds; of this attempt */
    bool direct;                     /* the host is loopback: through no proxy */
} kat_request;

typedef struct kat_op {
    kat_engine *engine; /* NULL once nothing ties it to one */
    struct kat_op *prev, *next;
    kat_slot *slot; /* owned while ACTIVE and DONE */
    kat_state state;
    kat_kind kind;  /* how it failed; KAT_NONE for an answer */
    bool sent;      /* the request went out, as far as is known */
    bool held;      /* its answer is being read, and the slot its own */
    kat_turn *turn; /* to rest when it ends; NULL: none */
    int status;
    double began, timeout, connect_timeout;
    double pause; /* the last one advised to a host without descriptors */
} kat_op;

/* Copies the configuration. NULL when memory has run out. Touches neither
 * libcurl nor any descriptor before the first kat_start or kat_fd. */
kat_engine *kat_engine_new(const kat_config *config);

/* Ends everything: operations and turns that are still about become inert. In
 * a forked child nothing inherited is touched. The descriptor stays open, and
 * readable, until the engine is freed, so that whoever waits on it hears. */
void kat_engine_quit(kat_engine *engine);

/* The same, and frees the engine. NULL is allowed. */
void kat_engine_free(kat_engine *engine);

/* The gate to ask for turns at; lives as long as the engine. */
kat_gate *kat_engine_gate(kat_engine *engine);

/* Starts a zero-filled operation. NULL, or why not; it is then not started. */
const char *kat_start(kat_engine *engine, kat_op *op, const kat_request *request);

/* Moves every operation as far as it goes without waiting. The doorbell is
 * brought up to date by the claim or the wait that follows; where neither may
 * follow, by kat_settle. */
void kat_step(kat_engine *engine);

/* The same on behalf of one operation. Hosts that cannot watch a descriptor
 * wake hundreds of them at one moment: the first one's step serves them all. */
void kat_op_step(kat_op *op);

/* The same, but first waits up to `seconds` for something to do; to their end
 * where no request was ever made. False when a signal broke the wait, or may
 * have, so that the caller can let its handlers run. */
bool kat_poll(kat_engine *engine, double seconds);

/* Seconds until the engine wants a step even if no descriptor turns ready. */
double kat_timeout(kat_engine *engine);

/* Whether this system has what kat_fd needs. */
bool kat_has_fd(void);

/* One descriptor that turns readable whenever the engine wants a step; -1
 * where there is none, or none can be opened. It stays the engine's. */
int kat_fd(kat_engine *engine);

/* The same where a host has asked for it before, and may watch it; else -1. A
 * forked child has none. */
int kat_watched_fd(kat_engine *engine);

/* Whether descriptors ran out, in kat_start, kat_fd or a step, so that the caller
 * had better free some, and then do that again: a request under way goes on with
 * the next step, once. Each of them forgets it. */
bool kat_starved(const kat_engine *engine);

/* To be called before the host waits on kat_fd for `op` (NULL: for a turn or
 * a back-off): brings the descriptor up to date. Gives the longest wait in
 * seconds, after which the descriptor turns readable too, for hosts that have
 * no timers. `watcher`: the host wakes when it turns readable. */
double kat_prepare_wait(kat_engine *engine, kat_op *op, double longest, bool watcher);

/* Brings the doorbell up to date, after turns were poked or looked at. Cheap
 * when nothing changed. */
void kat_settle(kat_engine *engine);

/* Takes note of a fork: true when this process is not the one that used the
 * engine before. What was inherited is then abandoned, and not closed. */
bool kat_check_fork(kat_engine *engine);

/* What came of an operation that is DONE. The pointers are good until it is
 * claimed. */
const char *kat_op_message(const kat_op *op);
const kat_headers *kat_op_headers(const kat_op *op);
kat_buf *kat_op_body(kat_op *op);
/* Empty; for its reader to work in. */
kat_buf *kat_op_spare(kat_op *op);

/* Keeps what the four above give good until it is claimed, come what may:
 * for a reader who may run foreign code meanwhile, which may close the client. */
void kat_op_hold(kat_op *op);

/* Has a turn rest as soon as the operation is no longer in flight. Either may
 * go away first: the turn through kat_turn_untie. */
void kat_op_tie(kat_op *op, kat_turn *turn);
void kat_turn_untie(kat_turn *turn);

/* Ends an operation that is not DONE yet; later it counts as CANCELLED. */
void kat_op_cancel(kat_op *op);

/* Gives back what a DONE operation holds. */
void kat_op_claim(kat_op *op);

/* Lets go of an operation in whatever state; its memory is free afterwards. */
void kat_op_release(kat_op *op);

KAT_END_DECLS

#endif
