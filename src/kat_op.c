/* One operation: its states, and what came of it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "kat_clock.h"
#include "kat_internal.h"
#include "kat_proxy.h"

/* The one place where an operation changes its state. */
void kat_op_move(kat_op *op, kat_state state)
{
    static const unsigned char allowed[KAT_STATE_COUNT] = {
        [KAT_NEW] = 1 << KAT_ACTIVE | 1 << KAT_CANCELLED | 1 << KAT_ORPHANED,
        [KAT_ACTIVE] = 1 << KAT_DONE | 1 << KAT_CANCELLED | 1 << KAT_ORPHANED,
        [KAT_DONE] = 1 << KAT_CLAIMED | 1 << KAT_ORPHANED,
    };

    assert(allowed[op->state] & (1u << state));
    (void)allowed;
    op->state = state;
}

static void untie(kat_op *op)
{
    if (op->turn)
        op->turn->op = NULL;
    op->turn = NULL;
}

/* A request that is no longer in flight needs no turn, even if its caller is
 * gone and will not give it back. */
static void end_turn(kat_op *op)
{
    kat_turn *turn = op->turn;

    untie(op);
    if (turn)
        kat_turn_rest(turn, kat_now());
}

void kat_op_link(kat_engine *engine, kat_op *op)
{
    op->engine = engine;
    op->prev = NULL;
    op->next = engine->ops;
    if (op->next)
        op->next->prev = op;
    engine->ops = op;
}

static void sever(kat_op *op)
{
    kat_engine *engine = op->engine;

    if (op->prev)
        op->prev->next = op->next;
    else
        engine->ops = op->next;
    if (op->next)
        op->next->prev = op->prev;
    op->prev = op->next = NULL;
    op->engine = NULL;
}

/* Takes the slot out of the multi handle and gives it back. A transfer that
 * was cut off takes its connection with it: nobody will read the rest. */
static void detach(kat_op *op)
{
    kat_slot *slot = op->slot;
    kat_sigpipe guard;

    op->slot = NULL;
    if (slot->added) {
        kat_sigpipe_hold(&guard, op->engine->guard_sigpipe);
        curl_multi_remove_handle(op->engine->multi, slot->easy);
        kat_sigpipe_release(&guard);
        slot->added = false;
    }
    kat_slot_give(op->engine, slot);
}

static bool unknown_issuer(CURL *easy, CURLINFO whose)
{
    long verdict = 0;

    /* X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, DEPTH_ZERO_SELF_SIGNED_CERT,
     * SELF_SIGNED_CERT_IN_CHAIN, UNABLE_TO_GET_ISSUER_CERT_LOCALLY and
     * UNABLE_TO_VERIFY_LEAF_SIGNATURE. */
    curl_easy_getinfo(easy, whose, &verdict);
    return verdict == 2 || (verdict >= 18 && verdict <= 21);
}

/* Goes on with the same attempt: nothing has been sent. */
static bool once_more(kat_op *op)
{
    kat_slot *slot = op->slot;
    double left = op->began + op->timeout - kat_now();

    if (left <= 0)
        return false;
    slot->error[0] = '\0';
    slot->refusal = NULL;
    kat_slot_limit(slot, left, op->connect_timeout < left ? op->connect_timeout : left);
    slot->added = curl_multi_add_handle(op->engine->multi, slot->easy) == CURLM_OK;
    return slot->added;
}

/* A certificate that somebody appended to the bundle only is not in the
 * hashed directory: try with the bundle, once. */
static bool try_bundle(kat_op *op, CURLcode code)
{
    kat_engine *engine = op->engine;
    kat_slot *slot = op->slot;

    if (code != CURLE_PEER_FAILED_VERIFICATION || !engine->ca.fallback || slot->tried ||
        slot->prereqs > 0 ||
        !(unknown_issuer(slot->easy, CURLINFO_SSL_VERIFYRESULT) ||
          unknown_issuer(slot->easy, CURLINFO_PROXY_SSL_VERIFYRESULT)))
        return false;
    slot->tried = true;
    return kat_slot_use_bundle(slot, &engine->ca) && once_more(op);
}

/* The kept connection that it was to go out on is of no use, and was closed:
 * take a new one. */
static bool try_fresh(kat_op *op)
{
    kat_slot *slot = op->slot;

    if (!slot->stale || slot->fresh || slot->prereqs > 0)
        return false;
    kat_slot_fresh(slot, true);
    return once_more(op);
}

/* Returns the errno if the system's refusal of a call, named in `call`, made an attempt
 * fail before it was sent; else 0. libcurl does not say why it could not resolve a name
 * or read a bundle of certificates, so the calls that it needs for that are tried. */
static int denied(const kat_op *op, CURLcode code, const char **call)
{
    const kat_slot *slot = op->slot;
    long error = 0;

    if (slot->prereqs > 0)
        return 0;
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        *call = "socket";
        if (kat_is_denial(slot->socket_error))
            return slot->socket_error;
        *call = "connect";
        curl_easy_getinfo(slot->easy, CURLINFO_OS_ERRNO, &error);
        return kat_is_denial((int)error) ? (int)error : 0;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return kat_denial_probe(call);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION: /* in a folder of certificates that cannot be opened */
        error = kat_denial_probe(call);
        return kat_is_shortage((int)error) ? (int)error : 0;
    default:
        return 0;
    }
}

/* Descriptors ran out: the attempt is kept, until its caller has freed some. */
static bool wait_for_descriptors(kat_op *op, int error)
{
    kat_slot *slot = op->slot;

    if (!kat_is_shortage(error) || slot->starved)
        return false;
    slot->starved = op->engine->starved = true;
    return true;
}

void kat_op_resume_starved(kat_engine *engine)
{
    kat_op *op, *next;

    if (!engine->starved)
        return;
    engine->starved = false;
    for (op = engine->ops; op; op = next) {
        next = op->next;
        if (op->state == KAT_ACTIVE && !op->slot->added && !once_more(op))
            kat_op_finish(op, CURLE_OPERATION_TIMEDOUT);
    }
}

/* libcurl takes header lines of about 100 KB at most, and says so with a code
 * of its own since 8.6 only; before, it is out of memory that it claims. */
static bool line_too_long(const kat_op *op, CURLcode code)
{
    enum { TOO_LARGE = 100 }; /* CURLE_TOO_LARGE, which older headers lack */
    const kat_headers *headers = &op->slot->headers;

    return (int)code == TOO_LARGE ||
           (code == CURLE_OUT_OF_MEMORY && op->sent && headers->seen > 0 && !headers->body &&
            op->slot->kind == KAT_NONE);
}

/* libcurl quotes a proxy that it cannot use, password and all. */
static bool unusable_proxy(kat_op *op)
{
    kat_slot *slot = op->slot;
    const char *variable = slot->proxy_variable, *problem = slot->proxy_problem;

    if (op->sent || !strstr(slot->error, "nsupported proxy"))
        return false;
    snprintf(slot->error, sizeof slot->error, "the proxy%s%s %s",
             variable ? " in the environment's " : "", variable ? variable : "",
             problem ? problem : "is of a kind that libcurl cannot use");
    slot->refusal = NULL;
    op->kind = KAT_PROXY;
    return true;
}

/* To be called when libcurl is finished with a transfer. */
void kat_op_finish(kat_op *op, CURLcode code)
{
    kat_slot *slot = op->slot;
    const char *call = NULL;
    long status = 0;
    int error;

    if (slot->added)
        curl_multi_remove_handle(op->engine->multi, slot->easy);
    slot->added = false;
    error = denied(op, code, &call);
    if (wait_for_descriptors(op, error))
        return;
    if ((code == CURLE_ABORTED_BY_CALLBACK && try_fresh(op)) || try_bundle(op, code))
        return;
    if (slot->bundle && slot->prereqs > 0)
        op->engine->bundle = true;
    curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    op->sent = slot->prereqs > 0;
    op->kind = slot->kind;
    kat_proxy_hide(slot->error);
    if (op->kind == KAT_NONE && error != 0) {
        op->kind = KAT_CONNECT;
        slot->refusal = kat_denial(slot->error, call, error);
    }
    if (op->kind == KAT_NONE && !unusable_proxy(op))
        op->kind = kat_kind_from_curl((int)code, op->sent, slot->error);
    /* libcurl takes a connection that closes within the headers for the end
     * of a good answer. Those of an interim one are not the answer's. */
    if (op->kind == KAT_NONE && (!slot->headers.body || slot->headers.interim)) {
        op->kind = KAT_CONNECTION;
        slot->refusal = "the connection was closed within the answer's headers";
    }
    if (op->kind == KAT_NONE && !kat_headers_join(&slot->headers)) {
        op->kind = KAT_CONNECTION;
        slot->refusal = "out of memory";
    }
    /* After an interim answer (100, 103) that nothing followed, libcurl still
     * names that; but what became of the request is then unknown. */
    if (op->sent && ((status >= 200 && status <= 999) || op->kind == KAT_NONE))
        op->status = (int)status;
    if (code == CURLE_FILESIZE_EXCEEDED)
        slot->refusal = KAT_TOO_LARGE_TEXT;
    if (line_too_long(op, code)) {
        op->kind = KAT_TOO_LARGE;
        slot->refusal = "the answer has a header line that is larger than libcurl takes, or it was "
                        "out of memory";
    }
    if (op->kind != KAT_NONE && slot->error[0] == '\0' && !slot->refusal)
        slot->refusal = curl_easy_strerror(code);
    kat_op_move(op, KAT_DONE);
    op->engine->active--;
    op->engine->unclaimed++;
    if (op->turn)
        kat_turn_tell(op->turn);
    end_turn(op);
}

void kat_op_orphan(kat_op *op)
{
    if (op->state == KAT_ACTIVE && op->slot)
        op->sent = op->slot->prereqs > 0;
    if (!op->held)
        op->slot = NULL; /* the engine frees it, or has abandoned it */
    kat_op_move(op, KAT_ORPHANED);
    end_turn(op);
    sever(op);
}

void kat_op_hold(kat_op *op)
{
    op->held = op->state == KAT_DONE;
}

const char *kat_op_message(const kat_op *op)
{
    if (op->state == KAT_ORPHANED)
        return "the client was closed, or the process forked, while the call was under way";
    if (!op->slot)
        return "";
    return op->slot->refusal ? op->slot->refusal : op->slot->error;
}

const kat_headers *kat_op_headers(const kat_op *op)
{
    return &op->slot->headers;
}

kat_buf *kat_op_body(kat_op *op)
{
    return &op->slot->body;
}

kat_buf *kat_op_spare(kat_op *op)
{
    return &op->slot->spare;
}

void kat_op_cancel(kat_op *op)
{
    if (op->state != KAT_NEW && op->state != KAT_ACTIVE)
        return;
    if (op->engine && !kat_check_fork(op->engine)) {
        op->sent = op->slot->prereqs > 0;
        detach(op);
        op->engine->active--;
        kat_op_move(op, KAT_CANCELLED);
        end_turn(op);
        kat_settle(op->engine);
        sever(op);
    } else if (op->state == KAT_NEW) {
        kat_op_move(op, KAT_CANCELLED);
    }
    op->kind = KAT_CANCELLED_KIND;
}

void kat_op_claim(kat_op *op)
{
    kat_engine *engine = op->engine;

    if (op->state == KAT_DONE && !kat_check_fork(engine)) {
        op->held = false;
        detach(op);
        engine->unclaimed--;
        kat_op_move(op, KAT_CLAIMED);
        sever(op);
        kat_settle(engine);
    } else if (op->held) {
        op->held = false; /* the engine went away while the answer was read */
        kat_slot_free(op->slot);
        op->slot = NULL;
    }
}

void kat_op_release(kat_op *op)
{
    kat_op_cancel(op);
    kat_op_claim(op);
    untie(op);
}

void kat_op_tie(kat_op *op, kat_turn *turn)
{
    kat_turn_untie(turn); /* an earlier attempt must not end the later one's turn */
    op->turn = turn;
    turn->op = op;
}

void kat_turn_untie(kat_turn *turn)
{
    if (turn->op)
        untie(turn->op);
}
