#include "hub.h"

#include <sys/mman.h>

#include "../c/server.h"

#define JSON "Content-Type: application/json\r\n"

static server hub;
static hub_counts *counts;

static int subject_of(const char *place, char end)
{
    const char *stop = place ? strchr(place, end) : NULL;
    int digit = stop && stop > place ? stop[-1] - '0' : -1;

    return digit >= 0 && digit < HUB_SUBJECTS ? digit : 0;
}

static void effect(int *of)
{
    __atomic_add_fetch(of, 1, __ATOMIC_SEQ_CST);
}

/* Enough to make every buffer on the way grow. */
static void answer_at_length(conn *c)
{
    char text[1024];
    int i;

    memset(text, 'x', sizeof text);
    say(c, "HTTP/1.1 200 OK\r\n" JSON "Transfer-Encoding: chunked\r\nVary: a\r\nVary: b\r\n");
    for (i = 0; i < 20; i++)
        say(c, "X-Some-Header-Or-Other: with a value of some length\r\n");
    say(c, " and a fold\r\n\r\n2\r\n[\"\r\n");
    for (i = 0; i < 20; i++) {
        say(c, "400\r\n");
        say_bytes(c, text, sizeof text);
        say(c, "\r\n");
    }
    say(c, "2\r\n\"]\r\n0\r\n\r\n");
}

/* Gives the token back in the reason, a header and the body. */
static void refuse(conn *c, const char *status, const char *rest)
{
    const char *own = strstr(c->text, "\r\nAuthorization: ");
    int len = own ? (int)strcspn(own + 17, "\r") : 0;
    char reason[128], headers[256], body[256];

    snprintf(reason, sizeof reason, "%s %.*s", status, len, own ? own + 17 : "");
    snprintf(headers, sizeof headers, JSON "X-Request-Id: r1\r\nX-Own: %.*s\r\n", len,
             own ? own + 17 : "");
    snprintf(body, sizeof body, "{\"error\":\"%.*s\",%s}", len, own ? own + 17 : "", rest);
    answer(c, reason, headers, body);
}

static void answer_post(conn *c)
{
    const char *name = strstr(c->text, "\"name\":\"");
    int subject = subject_of(name ? name + 8 : NULL, '"');
    char body[512];

    effect(&counts->posts[subject]);
    if (name && strncmp(name + 8, "refused", 7) == 0) {
        refuse(c, "500 Oops", "\"when\":\"after it was done\"");
        return;
    }
    snprintf(body, sizeof body,
             "{\"id\":\"wk_%d\",\"name\":\"key %d\",\"key\":\"pk_live_%d\",\"agent_id\":null,"
             "\"domain_allowlist\":[],\"limits\":{\"day\":25.0,\"hour\":[1,2.5,null]}}",
             subject, subject, subject);
    answer(c, "201 Created", JSON "X-Request-Id: r1\r\n", body);
}

static void answer_one(conn *c, bool gone)
{
    int subject = subject_of(strstr(c->text, "/wk_"), ' ');
    char body[256];

    effect(gone ? &counts->deletes[subject] : &counts->patches[subject]);
    snprintf(body, sizeof body, "{\"id\":\"wk_%d\",\"name\":\"key %d\",\"disabled_at\":\"2030\"}",
             subject, subject);
    answer(c, "200 OK", JSON, body);
}

static void on_request(server *s, conn *c)
{
    struct linger reset = {1, 0};

    (void)s;
    /* Once the client has closed it: else thousands of ports were waiting out
     * their time, and each connect would take longer to find a free one. */
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (strncmp(c->text, "GET /settle ", 12) == 0) {
        answer(c, "204 Nothing", "", "");
        return;
    }
    effect(&counts->requests);
    if (!strstr(c->text, "\r\nAuthorization: Bearer sk_live_torture\r\n") ||
        strstr(c->text, " http://") || strncmp(c->text, "CONNECT ", 8) == 0)
        effect(&counts->strangers);
    if (strncmp(c->text, "POST ", 5) == 0)
        answer_post(c);
    else if (strncmp(c->text, "PATCH ", 6) == 0)
        answer_one(c, false);
    else if (strncmp(c->text, "DELETE ", 7) == 0)
        answer_one(c, true);
    else if (strstr(c->text, " /api/v1/missing "))
        refuse(c, "404 Not Found", "\"more\":{\"code\":\"missing\",\"n\":[1,2]}");
    else if (strstr(c->text, " /api/v1/busy ") &&
             __atomic_fetch_add(&counts->busy, 1, __ATOMIC_SEQ_CST) == 0)
        answer(c, "429 Busy", JSON "Retry-After: 0\r\n", "{\"error\":\"busy\"}");
    else if (strstr(c->text, " /api/v1/long "))
        answer_at_length(c);
    else if (!strstr(c->text, " /api/v1/silent "))
        answer(c, "200 OK", JSON "X-Request-Id: r1\r\n",
               "[{\"id\":\"wk_1\",\"name\":\"key 1\",\"disabled_at\":null,\"uses\":25.0,"
               "\"domain_allowlist\":[\"a.example\",\"*.a.example\"]},"
               "{\"id\":\"wk_2\",\"name\":\"k\\u00e9y \\\"2\\\"\",\"domain_allowlist\":[]}]");
}

/* The hub's process: it ends with its parent, which holds the other end. */
static void serve(int parent)
{
    char byte;

    if (server_start(&hub, on_request) &&
        write(parent, &hub.port, sizeof hub.port) == (ssize_t)sizeof hub.port)
        while (read(parent, &byte, 1) < 0 && errno == EINTR)
            continue;
    _exit(0);
}

hub_counts *hub_start(int *port)
{
    int ends[2];
    pid_t pid;

    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return NULL;
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        serve(ends[1]);
    }
    close(ends[1]);
    return pid > 0 && read(ends[0], port, sizeof *port) == (ssize_t)sizeof *port ? counts : NULL;
}

/* Connections are taken in the order in which they came, and what lay ready
 * before a new one is read in the round that takes it, at the latest. */
bool hub_settle(int port)
{
    static const char request[] = "GET /settle HTTP/1.1\r\n\r\n";
    struct timeval patience = {PATIENCE_S, 0};
    struct sockaddr_in name = {0};
    char text[256];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool done;

    name.sin_family = AF_INET;
    name.sin_port = htons((uint16_t)port);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    done = fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name) == 0 &&
           send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1 &&
           recv(fd, text, sizeof text, 0) > 0;
    if (fd >= 0)
        close(fd);
    return done;
}
