/* The curl_multi handle: opened at the first request, closed with the engine. */
#include <errno.h>

#include "kat_internal.h"

static CURLM *multi_init(void)
{
    kat_pair wakeup;
    CURLM *multi;

    kat_pair_expect(&wakeup);
    multi = curl_multi_init();
    kat_pair_keep(&wakeup);
    return multi;
}

const char *kat_multi_open(kat_engine *engine)
{
    CURLM *multi;
    long cached = (long)(engine->max_concurrent < 8 ? 8 : engine->max_concurrent);

    if (!kat_curl_init())
        return "libcurl could not be initialised: out of memory";
    if (!kat_driver_open(engine)) {
        engine->starved = kat_is_shortage(errno);
        return kat_denial(engine->problem, "epoll_create1", errno);
    }
    multi = multi_init();
    if (!multi)
        return "out of memory";
    engine->multi = multi;
    engine->ca = kat_ca_default(engine->ca_file, engine->ca_path);
    /* Before 7.87 libcurl let OpenSSL write to the socket by itself, without
     * MSG_NOSIGNAL. */
    engine->guard_sigpipe = kat_curl_version() < 0x075700;
    /* 7.88 swaps answers when it pipelines over mixed connections. */
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, cached);
    /* CURLMOPT_QUICK_EXIT, which older headers lack: from 8.23 on the multi handle has
     * to be told as well (see kat_slot.c). An older library does not know it. */
    curl_multi_setopt(multi, (CURLMoption)21, 1L);
    kat_driver_attach(engine);
    return NULL;
}

void kat_multi_close(kat_engine *engine)
{
    kat_slot *slot;
    kat_sigpipe guard;

    kat_sigpipe_hold(&guard, engine->guard_sigpipe);
    while (engine->ops) {
        bool held = engine->ops->held;

        slot = engine->ops->slot;
        if (slot->added)
            curl_multi_remove_handle(engine->multi, slot->easy);
        kat_op_orphan(engine->ops); /* reads the slot, then lets go of it */
        if (!held)
            kat_slot_free(slot);
    }
    engine->active = engine->unclaimed = 0;
    while ((slot = engine->idle) != NULL) {
        engine->idle = slot->next;
        kat_slot_free(slot);
    }
    engine->idle_count = 0;
    if (engine->multi) {
        curl_multi_cleanup(engine->multi);
        kat_curl_forget_errors();
    }
    engine->multi = NULL;
    kat_sigpipe_release(&guard);
}

/* Libcurl that has run out of memory in the midst of its work may have lost
 * sight of a socket or a timer, so that a transfer never ends; or it keeps a
 * table that it has freed (7.88 then divides by zero at the next request). So
 * what is in flight ends here, and the next request opens a new handle. */
void kat_multi_break(kat_engine *engine)
{
    kat_op *op, *next;

    engine->broken = false;
    for (op = engine->ops; op; op = next) {
        next = op->next;
        if (op->state != KAT_ACTIVE)
            continue;
        op->slot->starved = true; /* there is nothing left to go on with */
        kat_op_finish(op, CURLE_OUT_OF_MEMORY);
    }
    curl_multi_cleanup(engine->multi);
    engine->multi = NULL;
    kat_driver_detach(engine);
}

/* Takes note of every transfer that has ended. */
void kat_multi_collect(kat_engine *engine)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(engine->multi, &left)) != NULL) {
        CURLcode code = message->data.result;
        char *slot = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
        kat_op_finish(((kat_slot *)(void *)slot)->op, code);
    }
}
