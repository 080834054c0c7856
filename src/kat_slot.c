/* Pooled easy handles: the options that never change are told once, the rest
 * for each request. No Lua is reachable from the callbacks here. */
#include <string.h>

#include "kat_clock.h"
#include "kat_internal.h"
#include "kat_proxy.h"

static const char OUT_OF_MEMORY[] = "out of memory";
static const char BAD_STATUS[] = "the answer's status is no number of three digits";

/* Stops a transfer from within a callback: libcurl takes any other count than
 * the one it gave as "stop". */
static size_t refuse(kat_slot *slot, kat_kind kind, const char *why)
{
    slot->kind = kind;
    slot->refusal = why;
    return 0;
}

/* What a careless server sends after an answer that has no body, but speaks of
 * one, could be taken for the next answer. */
static void keep_in_step(kat_slot *slot, long status)
{
    const kat_headers *headers = &slot->headers;

    if (slot->lonely)
        return;
    if ((slot->head && (headers->promise || !headers->sized)) ||
        (headers->promise && (status == 204 || status == 304))) {
        slot->lonely = true;
        curl_easy_setopt(slot->easy, CURLOPT_FORBID_REUSE, 1L);
    }
}

static size_t on_header(char *line, size_t size, size_t count, void *data)
{
    kat_slot *slot = data;
    size_t len = size * count;
    long status = 0;

    switch (kat_headers_line(&slot->headers, line, len)) {
    case KAT_HEADERS_OK:
        if (slot->headers.body) {
            curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
            if (!kat_headers_ended(&slot->headers, status))
                return refuse(slot, KAT_CONNECTION, BAD_STATUS);
            keep_in_step(slot, status);
        }
        return len;
    case KAT_HEADERS_BAD_STATUS:
        return refuse(slot, KAT_CONNECTION, BAD_STATUS);
    case KAT_HEADERS_BAD_FRAMING:
        return refuse(slot, KAT_CONNECTION,
                      "the answer's Content-Length is no number, or it has two that differ, or it "
                      "or Transfer-Encoding has a blank before its colon");
    case KAT_HEADERS_TOO_LARGE:
        return refuse(slot, KAT_TOO_LARGE,
                      "the answer's headers are larger than 256 KiB or 1000 lines");
    default:
        return refuse(slot, KAT_CONNECTION, OUT_OF_MEMORY);
    }
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    kat_slot *slot = user;
    size_t len = size * count;

    if (len > slot->max_bytes - slot->body.len)
        return refuse(slot, KAT_TOO_LARGE, KAT_TOO_LARGE_TEXT);
    if (!slot->sized) {
        curl_off_t promised = -1;

        slot->sized = true;
        curl_easy_getinfo(slot->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &promised);
        /* One allocation of the right size; a server that lies gains nothing,
         * since the pages are not touched before data comes. */
        if (promised > 0 && (uint64_t)promised <= slot->max_bytes &&
            !kat_buf_reserve(&slot->body, (size_t)promised))
            return refuse(slot, KAT_CONNECTION, OUT_OF_MEMORY);
    }
    if (!kat_buf_add(&slot->body, data, len))
        return refuse(slot, KAT_CONNECTION, OUT_OF_MEMORY);
    return len;
}

/* Runs when a request is about to be written: the one sure sign that it was
 * sent. A second time within an attempt means that a kept-alive connection
 * died under it and libcurl is about to send it again, POST and DELETE too.
 * Nothing has been sent yet where it stops for a stale connection. */
static int on_prereq(void *user, char *to, char *from, int to_port, int from_port)
{
    kat_slot *slot = user;
    long opened = 1;

    (void)to;
    (void)from;
    (void)to_port;
    if (slot->prereqs == 0 && !slot->fresh) {
        curl_easy_getinfo(slot->easy, CURLINFO_NUM_CONNECTS, &opened);
        slot->stale = opened == 0 && kat_socket_stale(slot->op->engine, from_port);
    }
    if (slot->stale && !slot->fresh) {
        slot->refusal = "the kept-alive connection was of no use, and no other could be made";
        return CURL_PREREQFUNC_ABORT;
    }
    if (slot->prereqs++ == 0)
        return CURL_PREREQFUNC_OK;
    refuse(slot, KAT_CONNECTION, "it was closed or reset after the request was sent");
    return CURL_PREREQFUNC_ABORT;
}

/* Runs before a name is resolved, for which libcurl may start a thread. */
static int on_resolver(void *state, void *reserved, void *user)
{
    kat_slot *slot = user;

    (void)state;
    (void)reserved;
    kat_pair_expect(&slot->resolver);
    slot->op->engine->resolving = true;
    return 0;
}

/* Whether this transfer, by what comes for it without a pause, keeps a step from
 * its end that has lasted for long: all else of the host's waits. */
static bool holds_the_host(kat_slot *slot, double now)
{
    enum { MANY = 1000 };
    kat_engine *engine = slot->op->engine;

    if (engine->timed_step != engine->steps) {
        engine->timed_step = engine->steps;
        engine->step_began = now;
    }
    if (slot->step != engine->steps) {
        slot->step = engine->steps;
        slot->looked = slot->looks;
    }
    return slot->looks - slot->looked > MANY && now - engine->step_began > KAT_LONGEST_STEP;
}

/* Why a transfer that goes on is to end, and how that counts; or NULL. */
static const char *overdue(kat_slot *slot, double now, kat_kind *kind)
{
    long headers = 0;

    *kind = KAT_TIMEOUT;
    if (slot->prereqs > 0)
        return now > slot->end ? "the time was up while the answer was still coming" : NULL;
    if (now > slot->end || now > slot->connect_end)
        return "the time was up while a proxy's answer, or the handshake, was still coming";
    if (holds_the_host(slot, now))
        return "a proxy's answer came without end or pause; it was given up, since nothing else in "
               "this process could run";
    *kind = KAT_CONNECT;
    curl_easy_getinfo(slot->easy, CURLINFO_HEADER_SIZE, &headers);
    return headers > KAT_HEADERS_MAX_BYTES
               ? "the proxy's answer to CONNECT has headers of more than 256 KiB"
               : NULL;
}

/* Runs at every step of a transfer, and within some loops of libcurl's that do not
 * look at the time: a proxy's answer to CONNECT is read for as long as bytes come.
 * An exchange in good order has few steps, and none of them reads the clock. */
static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up, curl_off_t sent)
{
    enum { EVERY = 16 };
    kat_slot *slot = user;
    const char *why;
    kat_kind kind;

    (void)total;
    (void)now;
    (void)up;
    (void)sent;
    if (++slot->looks % EVERY != 0)
        return 0;
    why = overdue(slot, kat_now(), &kind);
    if (why)
        refuse(slot, kind, why);
    return why != NULL;
}

void kat_slot_limit(kat_slot *slot, double timeout, double connect_timeout)
{
    double now = kat_now();

    slot->end = now + timeout;
    slot->connect_end = now + connect_timeout;
    curl_easy_setopt(slot->easy, CURLOPT_TIMEOUT_MS, kat_to_ms(timeout));
    curl_easy_setopt(slot->easy, CURLOPT_CONNECTTIMEOUT_MS, kat_to_ms(connect_timeout));
}

static void set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    if (kat_curl_version() >= 0x075500) {
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "");
        return;
    }
#endif
    /* The number of CURLOPT_PROTOCOLS, whose name newer headers warn about. */
    curl_easy_setopt(easy, (CURLoption)181, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
}

/* libcurl copies texts, and where it cannot it falls back to its defaults: other
 * certificates, another proxy. So these are the options to be checked. */
static bool set_certificates(CURL *easy, const char *file, const char *path)
{
    return curl_easy_setopt(easy, CURLOPT_CAINFO, file) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CAPATH, path) == CURLE_OK &&
           /* A libcurl without https:// proxies does not know these. */
           curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, file) != CURLE_OUT_OF_MEMORY &&
           curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, path) != CURLE_OUT_OF_MEMORY;
}

bool kat_slot_use_bundle(kat_slot *slot, const kat_ca *ca)
{
    slot->bundle = set_certificates(slot->easy, ca->fallback, NULL);
    return slot->bundle;
}

/* Whether it takes a new connection, whatever there is in the pool. */
void kat_slot_fresh(kat_slot *slot, bool fresh)
{
    if (slot->fresh != fresh)
        curl_easy_setopt(slot->easy, CURLOPT_FRESH_CONNECT, (long)fresh);
    slot->fresh = fresh;
}

/* Options that hold for the handle's whole life. False when memory has run out. */
static bool set_constants(kat_engine *engine, kat_slot *slot)
{
    CURL *easy = slot->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, slot);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_prereq);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, slot);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, kat_socket_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, slot);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, kat_socket_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, engine);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolver);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, slot);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, slot);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)KAT_MAX_AGE);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
    /* Kerberos would read a proxy's words with a call that blocks. */
    curl_easy_setopt(easy, CURLOPT_SOCKS5_AUTH, (long)CURLAUTH_BASIC);
    set_protocols(easy);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Without it a timeout or a close waits for the resolver's thread. An
     * older library answers that it does not know the option. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    return engine->ca.builtin || set_certificates(easy, engine->ca.file, engine->ca.path);
}

static bool tell_proxy(kat_slot *slot, kat_proxy_source source, const char *url)
{
    /* A proxy that was named goes for every host: no_proxy belongs to the
     * environment's. */
    const char *direct_hosts = source == KAT_PROXY_DIRECT || source == KAT_PROXY_OPTION ? "" : NULL;

    slot->proxy = source;
    return curl_easy_setopt(slot->easy, CURLOPT_PROXY, url) == CURLE_OK &&
           curl_easy_setopt(slot->easy, CURLOPT_NOPROXY, direct_hosts) == CURLE_OK;
}

/* libcurl's own rules, but that it gets no proxy to see, and to quote, that is no
 * URL. It says of the one below that it cannot be used, unless no_proxy has the
 * host. */
static bool set_environment_proxy(kat_slot *slot, bool tls)
{
    const char *proxy = kat_proxy_env(tls, &slot->proxy_variable);

    if (!proxy)
        return slot->proxy == KAT_PROXY_NONE || tell_proxy(slot, KAT_PROXY_NONE, NULL);
    slot->proxy_problem = kat_proxy_check(proxy, strlen(proxy));
    if (slot->proxy_problem && !*slot->proxy_problem)
        return false;
    return tell_proxy(slot, KAT_PROXY_ENV, slot->proxy_problem ? "refused://proxy" : proxy);
}

/* Loopback never goes through a proxy; else what the user said, or the
 * environment. */
static bool set_proxy(kat_engine *engine, kat_slot *slot, const kat_request *request)
{
    slot->proxy_problem = slot->proxy_variable = NULL;
    if (request->direct)
        return slot->proxy == KAT_PROXY_DIRECT || tell_proxy(slot, KAT_PROXY_DIRECT, "");
    if (engine->proxy)
        return slot->proxy == KAT_PROXY_OPTION || tell_proxy(slot, KAT_PROXY_OPTION, engine->proxy);
    return set_environment_proxy(slot, strncmp(request->url, "https:", 6) == 0);
}

kat_slot *kat_slot_take(kat_engine *engine)
{
    kat_slot *slot = engine->idle;

    if (slot) {
        engine->idle = slot->next;
        engine->idle_count--;
        slot->next = NULL;
    } else {
        slot = kat_zalloc(sizeof *slot);
        if (!slot)
            return NULL;
        slot->easy = curl_easy_init();
        if (!slot->easy || !set_constants(engine, slot))
            goto nomem;
    }
    slot->max_bytes = engine->max_bytes;
    if (engine->bundle && !slot->bundle && !kat_slot_use_bundle(slot, &engine->ca))
        goto nomem;
    slot->tried = slot->bundle;
    return slot;
nomem:
    kat_slot_free(slot);
    return NULL;
}

static CURLcode set_method(kat_slot *slot, const kat_request *request)
{
    CURL *easy = slot->easy;
    bool get = strcmp(request->method, "GET") == 0;
    CURLcode code;

    /* HTTPGET also takes back what POST or NOBODY had set before. */
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    /* What a HEAD answer promises never comes; 0 is no limit. */
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                     (curl_off_t)(slot->head ? 0 : slot->max_bytes));
    if (slot->head) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
        return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    if (request->body || strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)slot->request_body.len);
        code = curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                                slot->request_body.len > 0 ? slot->request_body.data : "");
        if (code != CURLE_OK)
            return code;
        get = false;
    }
    return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, get ? NULL : request->method);
}

/* Tells a handle one request. NULL, or why it could not: the slot is then of no
 * further use. */
const char *kat_slot_setup(kat_engine *engine, kat_slot *slot, const kat_request *request)
{
    CURL *easy = slot->easy;

    slot->prereqs = 0;
    slot->looks = 0;
    slot->sized = slot->stale = slot->starved = false;
    slot->socket_error = 0;
    kat_slot_fresh(slot, false);
    if (slot->lonely)
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 0L);
    slot->lonely = false;
    slot->head = strcmp(request->method, "HEAD") == 0;
    slot->kind = KAT_NONE;
    slot->refusal = NULL;
    slot->error[0] = '\0';
    if (request->body && !kat_buf_add(&slot->request_body, request->body, request->body_len))
        return OUT_OF_MEMORY;
    if (curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK ||
        set_method(slot, request) != CURLE_OK)
        return OUT_OF_MEMORY;
    slot->lines = request->lines;
    if (slot->lines)
        slot->lines->refs++;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, slot->lines ? slot->lines->list : NULL);
    kat_slot_limit(slot, request->timeout, request->connect_timeout);
    return set_proxy(engine, slot, request) ? NULL : OUT_OF_MEMORY;
}

void kat_slot_free(kat_slot *slot)
{
    curl_easy_cleanup(slot->easy);
    kat_lines_unref(slot->lines);
    kat_headers_free(&slot->headers);
    kat_buf_free(&slot->body);
    kat_buf_free(&slot->spare);
    kat_buf_free(&slot->request_body);
    kat_free(slot);
}

void kat_slot_give(kat_engine *engine, kat_slot *slot)
{
    if (engine->idle_count >= KAT_IDLE_SLOTS) {
        kat_slot_free(slot);
        return;
    }
    curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, NULL);
    kat_lines_unref(slot->lines);
    slot->lines = NULL;
    slot->op = NULL;
    kat_headers_reset(&slot->headers);
    kat_buf_reset(&slot->body, KAT_KEEP_BYTES);
    kat_buf_reset(&slot->spare, KAT_KEEP_BYTES);
    kat_buf_reset(&slot->request_body, KAT_KEEP_BYTES);
    slot->next = engine->idle;
    engine->idle = slot;
    engine->idle_count++;
}
