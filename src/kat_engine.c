/* The engine's outside: making, starting, stepping, waiting, ending. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>

#include "kat_clock.h"
#include "kat_fork.h"
#include "kat_internal.h"

/* A host that cannot watch a descriptor is told to come back after 1 ms, then
 * half as much again up to 10 ms: 4% late at most for an answer of 200 ms. */
#define PAUSE_FIRST 0.001
#define PAUSE_GROWTH 1.5
#define PAUSE_LONGEST 0.010
/* How long a step is good for those who wake up after it. */
#define FRESH 0.0005

static bool copy(char **to, const char *text)
{
    *to = text ? kat_strdup(text, strlen(text)) : NULL;
    return !text || *to;
}

/* Whoever is called next, by an attempt's end, a call's or the collector, hears
 * of it at once: nobody else may ever bring the doorbell up to date. */
static void on_poke(kat_gate *gate)
{
    kat_settle((kat_engine *)(void *)((char *)gate - offsetof(kat_engine, gate)));
}

kat_engine *kat_engine_new(const kat_config *config)
{
    kat_engine *engine = kat_zalloc(sizeof *engine);

    if (!engine)
        return NULL;
    kat_driver_init(&engine->driver);
    kat_gate_init(&engine->gate, config->max_concurrent);
    engine->gate.on_poke = on_poke;
    engine->process = kat_process();
    engine->alarm = HUGE_VAL;
    engine->max_bytes = config->max_bytes;
    engine->max_concurrent = config->max_concurrent;
    if (!copy(&engine->ca_file, config->ca_file) || !copy(&engine->ca_path, config->ca_path) ||
        !copy(&engine->proxy, config->proxy)) {
        kat_engine_free(engine);
        return NULL;
    }
    return engine;
}

static void wipe_and_free(char *text)
{
    if (text)
        kat_wipe(text, strlen(text)); /* a proxy's URL may hold a password */
    kat_free(text);
}

void kat_engine_quit(kat_engine *engine)
{
    kat_check_fork(engine);
    kat_multi_close(engine);
    kat_gate_close(&engine->gate);
    kat_driver_ring(engine, true);
}

void kat_engine_free(kat_engine *engine)
{
    if (!engine)
        return;
    kat_engine_quit(engine);
    kat_driver_close(engine);
    kat_buf_free(&engine->sockets);
    kat_free(engine->ca_file);
    kat_free(engine->ca_path);
    wipe_and_free(engine->proxy);
    kat_free(engine);
}

kat_gate *kat_engine_gate(kat_engine *engine)
{
    return &engine->gate;
}

/* In a forked child the connections, the epoll set and the TLS sessions are
 * the parent's too: closing a handle here would say goodbye to the server in
 * its name. So the handles are left as they are, and forgotten. */
bool kat_check_fork(kat_engine *engine)
{
    uint64_t process = kat_process();

    if (engine->process == process)
        return false;
    while (engine->ops)
        kat_op_orphan(engine->ops);
    kat_driver_close(engine); /* our copies of the descriptors only */
    kat_buf_reset(&engine->sockets, 0);
    kat_gate_close(&engine->gate);
    engine->multi = NULL;
    engine->idle = NULL;
    engine->idle_count = engine->active = engine->unclaimed = 0;
    engine->stepping = engine->broken = engine->starved = engine->blind = false;
    engine->alarm = HUGE_VAL;
    engine->process = process;
    return true;
}

const char *kat_start(kat_engine *engine, kat_op *op, const kat_request *request)
{
    kat_slot *slot;
    const char *problem;

    kat_check_fork(engine);
    engine->starved = false;
    problem = engine->multi ? NULL : kat_multi_open(engine);
    if (problem)
        return problem;
    slot = kat_socket_reserve(engine) ? kat_slot_take(engine) : NULL;
    if (!slot)
        return "out of memory";
    problem = kat_slot_setup(engine, slot, request);
    if (!problem && curl_multi_add_handle(engine->multi, slot->easy) != CURLM_OK)
        problem = "out of memory";
    if (problem) {
        kat_slot_free(slot); /* half told is not to be used again */
        return problem;
    }
    slot->added = true;
    slot->op = op;
    op->slot = slot;
    op->began = kat_now();
    op->timeout = request->timeout;
    op->connect_timeout = request->connect_timeout;
    op->pause = PAUSE_FIRST;
    kat_op_link(engine, op);
    kat_op_move(op, KAT_ACTIVE);
    engine->active++;
    return NULL;
}

static bool drive(kat_engine *engine, long ms)
{
    kat_sigpipe guard;
    bool whole;

    if (kat_check_fork(engine) || !engine->multi || engine->stepping)
        return true;
    engine->stepping = true;
    engine->steps++;
    kat_op_resume_starved(engine);
    kat_sigpipe_hold(&guard, engine->guard_sigpipe);
    whole = kat_drive(engine, ms);
    kat_keep_resolvers(engine);
    kat_multi_collect(engine);
    if (engine->broken)
        kat_multi_break(engine);
    kat_sigpipe_release(&guard);
    engine->stepping = false;
    engine->stepped = kat_now();
    kat_curl_forget_errors();
    return whole;
}

void kat_step(kat_engine *engine)
{
    drive(engine, 0);
}

void kat_op_step(kat_op *op)
{
    bool sleeper = op->pause > PAUSE_FIRST; /* it was advised a pause */

    if (op->state == KAT_ACTIVE && !(sleeper && kat_now() - op->engine->stepped < FRESH))
        kat_step(op->engine);
}

bool kat_poll(kat_engine *engine, double seconds)
{
    if (kat_check_fork(engine)) /* before the wake-up is taken: it may be the parent's */
        return true;
    /* What others have not claimed yet must not keep this wait awake: they
     * cannot run before it ends. */
    kat_driver_ring(engine, false);
    if (!engine->multi && seconds > 0)
        return poll(NULL, 0, (int)kat_to_ms(seconds)) == 0;
    return drive(engine, seconds > 0 ? kat_to_ms(seconds) : 0);
}

static double timeout_at(kat_engine *engine, double now)
{
    if (engine->starved)
        return 0;
    return engine->multi && engine->active > 0 ? kat_driver_timeout(engine, now) : HUGE_VAL;
}

double kat_timeout(kat_engine *engine)
{
    return timeout_at(engine, kat_now());
}

bool kat_has_fd(void)
{
    return KAT_EPOLL;
}

int kat_fd(kat_engine *engine)
{
    kat_check_fork(engine);
    engine->starved = false;
    if (!kat_driver_open(engine) || !kat_driver_show(engine)) {
        /* The host is to go on without, and not to free descriptors at every wait. */
        engine->starved = !engine->blind && kat_is_shortage(errno);
        engine->blind = true;
        return -1;
    }
    engine->blind = false;
    return engine->driver.set;
}

int kat_watched_fd(kat_engine *engine)
{
    kat_check_fork(engine);
    return engine->driver.shown ? engine->driver.set : -1;
}

bool kat_starved(const kat_engine *engine)
{
    return engine->starved;
}

void kat_settle(kat_engine *engine)
{
    bool over;

    if (engine->process != kat_process())
        return; /* in a forked child the doorbell and the timer are the parent's */
    /* An alarm may go off while nobody waits, and a step for another's sake take
     * its signal: then it is the bell that calls whoever waits for the alarm. */
    over = engine->alarm < HUGE_VAL && engine->alarm <= kat_now();
    kat_driver_ring(engine, over || engine->unclaimed + engine->gate.poked > 0);
    if (engine->active == 0 && (over || engine->alarm == HUGE_VAL))
        kat_driver_arm(engine, HUGE_VAL);
}

/* The earliest of the ends that hosts wait for. Once it is over it is
 * forgotten: who waits on sets another. */
static void set_alarm(kat_engine *engine, double now, double at)
{
    if (engine->alarm <= now)
        engine->alarm = HUGE_VAL;
    if (at < engine->alarm)
        engine->alarm = at;
}

double kat_prepare_wait(kat_engine *engine, kat_op *op, double longest, bool watcher)
{
    double now = kat_now(), left;

    kat_check_fork(engine);
    left = timeout_at(engine, now);
    set_alarm(engine, now, op ? HUGE_VAL : now + longest);
    kat_settle(engine);
    if (left < HUGE_VAL)
        kat_driver_arm(engine, now + left);
    if (engine->alarm < HUGE_VAL)
        kat_driver_arm(engine, engine->alarm);
    if (op && left < longest)
        longest = left;
    if (op && !watcher) {
        if (op->pause < longest)
            longest = op->pause;
        op->pause *= PAUSE_GROWTH;
        if (op->pause > PAUSE_LONGEST)
            op->pause = PAUSE_LONGEST;
    }
    return longest;
}
