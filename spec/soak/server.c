/* The server of the soak: one thread, as fast as can be, with faults on demand. It listens on a
 * free port of 127.0.0.1, prints it, and ends with its standard input.
 *
 * A request may name the fault that it wants in X-Fault; what is marked `once` comes at the first
 * request with that X-Id only, so that a retry finds all well. Answers name the X-Id of their
 * request; what refuses or is broken gives its Authorization back. `GET /stats` tells what was
 * counted, as JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 1024, TEXT = 8 * 1024, IDS = 1 << 22, BIG = 2000 };

typedef struct conn {
    bool open;
    size_t len;
    char text[TEXT + 1]; /* requests that were not answered yet */
} conn;

/* What is known of a request. */
typedef struct request {
    char method[16], path[256], fault[32], own[64];
    unsigned long id;
} request;

static conn conns[MOST]; /* by descriptor */
static unsigned char seen[IDS], effects[IDS];
static unsigned long requests, writes, twice, connections;
static int set;

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

static void hang_up(int fd, bool reset)
{
    struct linger now = {1, 0};

    if (reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    conns[fd].open = false;
    close(fd);
}

/* What does not fit at once is given up: answers are smaller than a socket's buffer, but for those
 * that nobody reads to their end. */
static void say(int fd, const char *text, size_t len)
{
    if (send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
        hang_up(fd, true);
}

static void answer(int fd, const char *before, const char *status, const char *more,
                   const char *body)
{
    static char text[256 * 1024];
    int len = snprintf(text, sizeof text,
                       "%sHTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n%s\r\n%s",
                       before, status, strlen(body), more, body);

    say(fd, text, (size_t)len);
}

static void answer_well(int fd, const request *r, const char *before)
{
    char text[512];

    if (strcmp(r->method, "DELETE") == 0)
        answer(fd, before, "204 No Content", "", "");
    else if (strcmp(r->method, "GET") == 0 && strcmp(r->path, "/api/v1/widget-keys") == 0) {
        snprintf(text, sizeof text,
                 "[{\"id\":\"%lu\",\"name\":\"a\"},{\"id\":\"w2\",\"disabled_at\":null},"
                 "{\"id\":\"w3\",\"domain_allowlist\":[\"*.acme.com\"]}]",
                 r->id);
        answer(fd, before, "200 OK", "", text);
    } else {
        snprintf(text, sizeof text, "{\"id\":\"%lu\",\"path\":\"%s\"}", r->id, r->path);
        answer(fd, before, "200 OK", "", text);
    }
}

static void answer_big(int fd, const request *r)
{
    static char text[200 * 1024];
    size_t len = (size_t)snprintf(text, sizeof text, "[{\"id\":\"%lu\"}", r->id);
    int i;

    for (i = 0; i < BIG; i++)
        len += (size_t)snprintf(text + len, sizeof text - len,
                                ",{\"id\":\"key %d\",\"name\":\"one of many\"}", i);
    snprintf(text + len, sizeof text - len, "]");
    answer(fd, "", "200 OK", "", text);
}

static bool wants(const request *r, const char *fault)
{
    return strcmp(r->fault, fault) == 0;
}

/* True at the first request with an id. */
static bool first(const request *r)
{
    return !seen[r->id % IDS]++;
}

static void count_effect(const request *r)
{
    if (strcmp(r->method, "GET") == 0 || r->id == 0)
        return;
    writes++;
    if (effects[r->id % IDS]++)
        twice++;
}

static void cut(int fd, const char *text)
{
    say(fd, text, strlen(text));
    if (conns[fd].open)
        hang_up(fd, false);
}

/* In the reason, a header and the body, which is JSON but for what `end` leaves out. */
static void give_back(int fd, const request *r, const char *status, const char *end)
{
    char line[128], headers[128], body[128];

    snprintf(line, sizeof line, "%s %s", status, r->own);
    snprintf(headers, sizeof headers, "Retry-After: 0\r\nX-Own: %s\r\n", r->own);
    snprintf(body, sizeof body, "[\"%s\"%s", r->own, end);
    answer(fd, "", line, headers, body);
}

static void tell(int fd)
{
    char text[256];

    snprintf(text, sizeof text,
             "{\"requests\":%lu,\"writes\":%lu,\"twice\":%lu,\"connections\":%lu}", requests,
             writes, twice, connections);
    answer(fd, "", "200 OK", "", text);
}

static void serve(int fd, const request *r)
{
    requests++;
    if (strcmp(r->path, "/stats") == 0) {
        tell(fd);
        return;
    }
    if (wants(r, "busy") && first(r)) { /* refused before it had an effect */
        answer(fd, "", "429 Too Many Requests", "Retry-After: 0\r\n", "\"slow down\"");
        return;
    }
    count_effect(r);
    if (wants(r, "down") && first(r))
        give_back(fd, r, "503 Service Unavailable", "]");
    else if (wants(r, "reset") && first(r))
        hang_up(fd, true);
    else if (wants(r, "no body") && first(r))
        cut(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{\"id\":");
    else if (wants(r, "no head") && first(r))
        cut(fd, "HTTP/1.1 200 OK\r\nContent-Le");
    else if (wants(r, "noise") && first(r))
        cut(fd, "I am not a web server\r\n\r\n");
    else if (wants(r, "broken"))
        give_back(fd, r, "200 OK", "");
    else if (wants(r, "large"))
        cut(fd, "HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n[");
    else if (wants(r, "big"))
        answer_big(fd, r);
    else if (wants(r, "interim"))
        answer_well(fd, r, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    else if (wants(r, "stale")) {
        answer_well(fd, r, "");
        if (conns[fd].open)
            hang_up(fd, false);
    } else if (!wants(r, "silent"))
        answer_well(fd, r, "");
}

/* A header's value, cut to `size`; "" where there is none. */
static void header(const char *head, const char *name, char *value, size_t size)
{
    const char *line = strcasestr(head, name);
    size_t len = line ? strcspn(line + strlen(name), "\r") : 0;

    if (len >= size)
        len = size - 1;
    if (line)
        memcpy(value, line + strlen(name), len);
    value[len] = '\0';
}

/* Takes one request off the front; false where none is whole. */
static bool take(conn *c, request *r)
{
    char *end = strstr(c->text, "\r\n\r\n"), number[32];
    size_t whole;

    if (!end)
        return false;
    *end = '\0';
    header(c->text, "\r\nContent-Length: ", number, sizeof number);
    whole = (size_t)(end - c->text) + 4 + strtoul(number, NULL, 10);
    if (c->len < whole) {
        *end = '\r';
        return false;
    }
    header(c->text, "\r\nX-Fault: ", r->fault, sizeof r->fault);
    header(c->text, "\r\nAuthorization: ", r->own, sizeof r->own);
    header(c->text, "\r\nX-Id: ", number, sizeof number);
    r->id = strtoul(number, NULL, 10);
    if (sscanf(c->text, "%15s %255s", r->method, r->path) != 2)
        r->method[0] = r->path[0] = '\0';
    c->len -= whole;
    memmove(c->text, c->text + whole, c->len + 1);
    return true;
}

static void hear(int fd)
{
    conn *c = &conns[fd];
    ssize_t n = recv(fd, c->text + c->len, TEXT - c->len, MSG_DONTWAIT);
    request r;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        hang_up(fd, false);
        return;
    }
    c->len += (size_t)n;
    c->text[c->len] = '\0';
    while (c->open && take(c, &r))
        serve(fd, &r);
}

static void welcome(int listener)
{
    int fd, on = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (fd >= MOST) {
            close(fd);
            continue;
        }
        connections++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        conns[fd].open = true;
        conns[fd].len = 0;
        watch(fd);
    }
}

int main(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0 || bind(listener, (struct sockaddr *)&name, len) != 0 ||
        listen(listener, 1024) != 0 || getsockname(listener, (struct sockaddr *)&name, &len) != 0) {
        perror("the soak's server");
        return 1;
    }
    signal(SIGINT, SIG_IGN); /* goes to the client as well, whose end is ours */
    printf("%d\n", ntohs(name.sin_port));
    fflush(stdout);
    watch(listener);
    watch(0);
    for (;;) {
        struct epoll_event events[64];
        int i, count = epoll_wait(set, events, 64, -1);

        for (i = 0; i < count; i++) {
            int fd = events[i].data.fd;

            if (fd == 0)
                return 0;
            if (fd == listener)
                welcome(listener);
            else if (conns[fd].open)
                hear(fd);
        }
    }
}
