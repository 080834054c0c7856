/* The engine's inside, shared by its files and nobody else. */
#ifndef KAT_INTERNAL_H
#define KAT_INTERNAL_H

#include <signal.h>

#include "kat_curl.h"
#include "kat_engine.h"

#if !defined(KAT_NO_EPOLL) && defined(__linux__)
#define KAT_EPOLL 1
#else
#define KAT_EPOLL 0
#endif

KAT_BEGIN_DECLS

enum {
    KAT_IDLE_SLOTS = 32, /* easy handles kept for reuse */
    KAT_MAX_AGE = 30,    /* seconds that an idle connection is trusted */
    KAT_DENIAL_SIZE = 160
};

/* Seconds that a proxy's answer may keep one step from its end. */
#define KAT_LONGEST_STEP 1.0

struct kat_lines {
    struct curl_slist *list, *last;
    unsigned refs;
};

/* Descriptors that libcurl wakes itself by, as far as they can be foreseen. */
typedef struct kat_pair {
    bool expected;
    int fd[2];
} kat_pair;

/* Where a handle's proxy comes from. */
typedef enum kat_proxy_source {
    KAT_PROXY_NONE,   /* the environment has none */
    KAT_PROXY_DIRECT, /* loopback: there is to be none */
    KAT_PROXY_OPTION,
    KAT_PROXY_ENV
} kat_proxy_source;

/* What one transfer needs; pooled, since making an easy handle and telling it
 * the options that never change costs more than a warm request's headers. */
struct kat_slot {
    CURL *easy;
    kat_slot *next; /* in the pool */
    kat_op *op;     /* whom it works for; NULL in the pool */
    size_t max_bytes;
    kat_lines *lines;
    kat_buf request_body, body, spare;
    kat_headers headers;
    int prereqs;       /* how often the request was about to go out */
    bool bundle;       /* certificates from the fallback bundle */
    bool tried;        /* the handshake was tried again with the bundle */
    bool added;        /* it is in the multi handle */
    bool sized;        /* the body's buffer was made as large as promised */
    bool stale;        /* a kept connection was refused for this request */
    bool fresh;        /* it takes a new connection */
    bool head;         /* the request is a HEAD */
    bool lonely;       /* nobody may use its connection after it */
    bool starved;      /* descriptors ran out under it, and it was tried again since */
    int socket_error;  /* errno of the last socket() where that failed; 0 */
    kat_pair resolver; /* of a lookup that has just begun */
    kat_kind kind;     /* set by a callback that refused to go on */
    const char *refusal;
    char error[CURL_ERROR_SIZE];

    double end, connect_end; /* when the attempt's time is up */
    unsigned looks;          /* how often libcurl asked whether to go on */
    unsigned step, looked;   /* the engine's step by then, and how often before that */

    kat_proxy_source proxy;
    const char *proxy_variable; /* of the environment, where it is from there */
    const char *proxy_problem;  /* why that one cannot be used; NULL: it can */
};

/* Descriptors and timers, as the platform has them (kat_epoll.c and
 * kat_perform.c, of which one is built). */
typedef struct kat_driver {
    int set;         /* epoll; -1 while closed */
    int bell, timer; /* eventfd and timerfd, opened when somebody asks for the set */
    bool shown;      /* somebody may be watching the set */
    bool rung;       /* the doorbell is readable */
    double armed;    /* when the timerfd fires; HUGE_VAL: never */
    double due;      /* when libcurl wants to be called; HUGE_VAL: never */
} kat_driver;

struct kat_engine {
    CURLM *multi;     /* NULL before the first request */
    uint64_t process; /* whose handles these are */
    kat_op *ops;      /* ACTIVE and DONE */
    size_t active, unclaimed;
    double alarm; /* when a host without timers wants to be woken; HUGE_VAL: never */
    kat_slot *idle;
    size_t idle_count;
    kat_buf sockets; /* of the connections; see kat_sockets.c */
    kat_driver driver;
    kat_gate gate;
    size_t max_bytes, max_concurrent;
    char *ca_file, *ca_path, *proxy; /* owned; NULL where not given */
    kat_ca ca;
    bool bundle;    /* the hashed directory has not sufficed before */
    bool resolving; /* this step has begun a lookup */
    bool guard_sigpipe;
    double stepped; /* when the last step ended */
    bool stepping;  /* a step is under way: another within it does nothing */
    bool broken;    /* libcurl failed in the midst of its work: see kat_multi_break */
    bool starved;   /* see kat_starved */
    bool blind;     /* the descriptor that a host asked for could not be opened */
    char problem[KAT_DENIAL_SIZE]; /* why the last request could not start */

    unsigned steps, timed_step; /* how many there were, and one whose beginning is known: */
    double step_began;
};

/* kat_denial.c: refusals by the system. */
bool kat_is_shortage(int error); /* of descriptors */
bool kat_is_denial(int error);   /* that, or a system call that is not allowed */
/* Writes a sentence into `text`, of KAT_DENIAL_SIZE, and returns it. */
const char *kat_denial(char *text, const char *call, int error);
/* Tries the calls that libcurl makes beside a connection's own socket. Returns the errno
 * of the first that is refused, and its name in `call`; 0 if all are allowed. */
int kat_denial_probe(const char **call);

#define KAT_TOO_LARGE_TEXT "the answer is larger than maxResponseBytes allows"

/* kat_slot.c */
kat_slot *kat_slot_take(kat_engine *engine);
const char *kat_slot_setup(kat_engine *engine, kat_slot *slot, const kat_request *request);
bool kat_slot_use_bundle(kat_slot *slot, const kat_ca *ca);
void kat_slot_fresh(kat_slot *slot, bool fresh);
/* Sets the time that the slot has from now on, in seconds. */
void kat_slot_limit(kat_slot *slot, double timeout, double connect_timeout);
void kat_slot_give(kat_engine *engine, kat_slot *slot);
void kat_slot_free(kat_slot *slot);

/* kat_sockets.c: room for what the next request may open, false when memory has
 * run out; libcurl's callbacks, whose data are the slot and the engine; */
bool kat_socket_reserve(kat_engine *engine);
curl_socket_t kat_socket_open(void *user, curlsocktype purpose, struct curl_sockaddr *address);
int kat_socket_close(void *user, curl_socket_t fd);
/* and whether something has come on the kept connection from this port. */
bool kat_socket_stale(kat_engine *engine, int port);

/* kat_op.c */
void kat_op_move(kat_op *op, kat_state state);
void kat_op_link(kat_engine *engine, kat_op *op);
void kat_op_finish(kat_op *op, CURLcode code);
/* Goes on with those whose descriptors ran out. */
void kat_op_resume_starved(kat_engine *engine);
void kat_op_orphan(kat_op *op);

/* kat_multi.c; opening gives NULL, or why it cannot be. */
const char *kat_multi_open(kat_engine *engine);
void kat_multi_close(kat_engine *engine);
void kat_multi_collect(kat_engine *engine);
void kat_multi_break(kat_engine *engine);

/* kat_cloexec.c: expect before libcurl may make a pair, and keep afterwards. */
void kat_set_cloexec(int fd);
void kat_pair_expect(kat_pair *pair);
void kat_pair_keep(kat_pair *pair);
/* The pairs of all lookups that a step has begun. */
void kat_keep_resolvers(kat_engine *engine);

/* kat_sigpipe.c: keeps a SIGPIPE that libcurl causes from ending the process,
 * where the library is too old to see to it. */
typedef struct kat_sigpipe {
    bool active, pending;
    sigset_t before;
} kat_sigpipe;

void kat_sigpipe_hold(kat_sigpipe *guard, bool needed);
void kat_sigpipe_release(kat_sigpipe *guard);

/* kat_epoll.c or kat_perform.c */
void kat_driver_init(kat_driver *driver);
/* Opens what requests need, and what a host needs that watches: true, or errno says why not.
 * Each may be called twice. */
bool kat_driver_open(kat_engine *engine);
bool kat_driver_show(kat_engine *engine);
void kat_driver_attach(kat_engine *engine); /* to the multi handle */
void kat_driver_detach(kat_engine *engine); /* after it has gone */
/* Closes descriptors; `inherited` by a forked child: the set is the parent's
 * as well, so nothing may be taken out of it. */
void kat_driver_close(kat_engine *engine);
/* Waits up to `ms` and moves transfers. False when a signal broke the wait, or
 * may have. */
bool kat_drive(kat_engine *engine, long ms);
double kat_driver_timeout(kat_engine *engine, double now);
void kat_driver_ring(kat_engine *engine, bool on);
void kat_driver_arm(kat_engine *engine, double at);

KAT_END_DECLS

#endif
