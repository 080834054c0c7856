/* Handshakes that fail: which of them may be tried again, and whether anything
 * was sent. The certificates' side needs the openssl program for a server, and
 * is skipped where that is missing. */
#include <dlfcn.h>

#include "fixture.h"
#include "tls_peer.h"

static void stall(server *s, conn *c)
{
    (void)s;
    (void)c;
}

static void drop(server *s, conn *c)
{
    hang_up(s, c, false);
}

static void reset(server *s, conn *c)
{
    hang_up(s, c, true);
}

static void send_an_alert(server *s, conn *c)
{
    say_bytes(c, TEXT("\x15\x03\x03\x00\x02\x02\x28")); /* handshake_failure */
    hang_up(s, c, false);
}

static void speak_plainly(server *s, conn *c)
{
    say(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    hang_up(s, c, false);
}

/* A host like nginx logs what it finds on OpenSSL's queue as its own error. */
static void check_no_errors_are_left(void)
{
    unsigned long (*peek)(void) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, "ERR_peek_error");

    memcpy(&peek, &symbol, sizeof peek);
    if (peek)
        assert_int_equal(peek(), 0);
}

static void a_handshake_that_fails_sends_nothing(void **state)
{
    static const struct {
        server_handler how;
        kat_kind kind;
        double timeout;
    } rows[] = {
        {drop, KAT_CONNECT, 0},      {reset, KAT_CONNECT, 0},   {send_an_alert, KAT_TLS, 0},
        {speak_plainly, KAT_TLS, 0}, {stall, KAT_TIMEOUT, 0.1},
    };
    fixture *f = *state;
    size_t i;

    f->server.raw = true; /* nobody has connected yet */
    for (i = 0; i < COUNT(rows); i++) {
        ask a = {.method = "POST", .body = "{}", .origin = "https://127.0.0.1"};
        const kat_op *op;

        a.timeout = rows[i].timeout;
        server_does(&f->server, rows[i].how);
        op = run(f, a);
        if (op->kind != rows[i].kind || op->sent || op->status != 0)
            fail_msg("row %zu: %s, sent %d: %s", i, kat_kind_name(op->kind), op->sent,
                     kat_op_message(op));
        check_no_errors_are_left();
    }
}

/* A server that is offered HTTP/2 takes it, and two requests may then share a
 * connection. The first message of a handshake is in clear. */
static void http_1_1_is_all_that_is_offered(void **state)
{
    /* The extension 16 (ALPN): its length, that of its list, and of each name. */
    static const char offer[] = "\0\x10\0\x0b\0\x09\x08http/1.1";
    fixture *f = *state;

    f->server.raw = true;
    server_does(&f->server, drop);
    run(f, (ask){.origin = "https://127.0.0.1"});
    assert_int_equal(f->server.last[0], 0x16); /* a handshake's record */
    assert_non_null(memmem(f->server.last, sizeof f->server.last, offer, sizeof offer - 1));
}

static tls peer;

static int peer_up(void **state)
{
    if (no_proxies(state) != 0)
        return -1;
    tls_start(&peer, true);
    return 0;
}

static int peer_down(void **state)
{
    (void)state;
    tls_stop(&peer);
    return 0;
}

/* A request to it, by an engine that trusts what `ca` says. */
static void check_trust(fixture *f, kat_ca ca, const char *origin, kat_kind wanted, bool bundle)
{
    kat_op *op;

    if (!peer.port)
        skip();
    kat_engine_free(f->engine);
    f->engine = new_engine(NULL);
    assert_null(kat_multi_open(f->engine));
    f->engine->ca = ca;
    op = run(f, (ask){.origin = origin, .port = peer.port}); /* it answers GET only */
    if (op->kind != wanted || op->sent != (wanted == KAT_NONE))
        fail_msg("%s, sent %d: %s", kat_kind_name(op->kind), op->sent, kat_op_message(op));
    assert_int_equal(op->status, wanted == KAT_NONE ? 200 : 0);
    assert_int_equal(f->engine->bundle, bundle);
    check_no_errors_are_left();
}

static void a_certificate_that_is_known_is_taken(void **state)
{
    check_trust(*state, (kat_ca){.file = peer.certificate}, "https://127.0.0.1", KAT_NONE, false);
}

static void an_unknown_one_is_refused(void **state)
{
    check_trust(*state, (kat_ca){.file = peer.stranger}, "https://127.0.0.1", KAT_TLS, false);
    check_trust(*state, (kat_ca){.path = peer.dir}, "https://127.0.0.1", KAT_TLS, false);
    check_trust(*state, kat_ca_default(NULL, NULL), "https://127.0.0.1", KAT_TLS, false);
}

static void one_for_another_host_is_refused(void **state)
{
    fixture *f = *state;
    kat_ca fallback = {.file = peer.certificate, .fallback = peer.certificate};

    check_trust(f, (kat_ca){.file = peer.certificate}, "https://localhost", KAT_TLS, false);
    check_trust(f, fallback, "https://localhost", KAT_TLS, false);
    assert_false(f->ops[0].slot->tried); /* the bundle could not help */
}

/* One that was appended to the bundle alone: the directory does not know it,
 * the second try does, and from then on the bundle comes first. */
static void one_in_the_bundle_only_is_found(void **state)
{
    fixture *f = *state;
    kat_ca ca = {.path = peer.dir, .fallback = peer.certificate};
    int i;

    check_trust(f, ca, "https://127.0.0.1", KAT_NONE, true);
    for (i = 1; i <= 2; i++) /* the second has a handle that is new */
        start(f, &f->ops[i], (ask){.origin = "https://127.0.0.1", .port = peer.port});
    for (i = 1; i <= 2; i++) {
        assert_true(f->ops[i].slot->bundle);
        finish_on(f->engine, &f->ops[i]);
        assert_int_equal(f->ops[i].status, 200);
    }
}

static void one_in_neither_is_refused_after_one_more_try(void **state)
{
    kat_ca ca = {.path = peer.dir, .fallback = peer.stranger};

    check_trust(*state, ca, "https://127.0.0.1", KAT_TLS, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE(a_handshake_that_fails_sends_nothing),
        FIXTURE(http_1_1_is_all_that_is_offered),
        FIXTURE(a_certificate_that_is_known_is_taken),
        FIXTURE(an_unknown_one_is_refused),
        FIXTURE(one_for_another_host_is_refused),
        FIXTURE(one_in_the_bundle_only_is_found),
        FIXTURE(one_in_neither_is_refused_after_one_more_try),
    };

    return cmocka_run_group_tests_name("engine_tls", tests, peer_up, peer_down);
}
