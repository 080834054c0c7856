/* A server on 127.0.0.1 that does what a test tells it, in a thread of its
 * own: it reads whole requests and hands each to the test's function. That
 * thread never asserts: a failing cmocka assertion would jump out of the
 * wrong stack. The test looks at the counters instead. */
#ifndef SPEC_SERVER_H
#define SPEC_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

enum { SERVER_CONNS = 16, SERVER_TEXT = 16 * 1024, SERVER_TICK_MS = 5, PATIENCE_S = 10 };

typedef struct server server;

typedef struct conn {
    int fd; /* -1: not open */
    int number, requests;
    bool trickle; /* a byte at each tick, without end */
    size_t len;
    char text[SERVER_TEXT]; /* the request, NUL-terminated */
} conn;

typedef void (*server_handler)(server *s, conn *c);

struct server {
    int listener, wake[2], port;
    pthread_t thread;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t changed;
    server_handler on_request;
    bool raw; /* whatever comes is a request: not HTTP */
    bool stop;
    int connections, requests, answered, closed; /* counters, only ever up */
    conn conns[SERVER_CONNS];
    char last[SERVER_TEXT]; /* the last request */
};

static inline void server_count(server *s, int *counter)
{
    pthread_mutex_lock(&s->lock);
    ++*counter;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* False when the peer is gone. */
static inline bool say_bytes(conn *c, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static inline bool say(conn *c, const char *text)
{
    return say_bytes(c, text, strlen(text));
}

/* A whole answer; `more` are header lines with their ends, or "". A body after
 * HEAD would be taken for the next answer. */
static inline void answer(conn *c, const char *status, const char *more, const char *body)
{
    char head[1024];

    snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
             strlen(body), more);
    if (say(c, head) && strncmp(c->text, "HEAD ", 5) != 0)
        say(c, body);
}

static inline void answer_ok(server *s, conn *c)
{
    (void)s;
    answer(c, "200 OK", "Content-Type: application/json\r\n", "{\"ok\":true}");
}

/* Ends a connection, with a reset where one is wanted. */
static inline void hang_up(server *s, conn *c, bool reset)
{
    struct linger now = {1, 0};

    if (c->fd < 0)
        return;
    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(c->fd);
    c->fd = -1;
    server_count(s, &s->closed);
}

/* Length of a whole request at the front of the text, 0 as long as more is
 * to come. */
static inline size_t server_whole(const conn *c)
{
    const char *end = strstr(c->text, "\r\n\r\n"), *line;
    size_t head, body = 0;

    if (!end)
        return 0;
    head = (size_t)(end - c->text) + 4;
    line = strcasestr(c->text, "\r\nContent-Length:");
    if (line && line < end)
        body = strtoul(line + 17, NULL, 10);
    return c->len >= head + body ? head + body : 0;
}

static inline void server_serve(server *s, conn *c)
{
    size_t whole;

    while (c->fd >= 0 && c->len > 0 && (whole = s->raw ? c->len : server_whole(c)) > 0) {
        server_handler handler;

        c->requests++;
        pthread_mutex_lock(&s->lock);
        memcpy(s->last, c->text, whole);
        s->last[whole] = '\0';
        handler = s->on_request;
        pthread_mutex_unlock(&s->lock);
        server_count(s, &s->requests);
        handler(s, c);
        c->len -= whole;
        memmove(c->text, c->text + whole, c->len + 1);
        server_count(s, &s->answered);
    }
}

static inline void server_read(server *s, conn *c)
{
    ssize_t n = recv(c->fd, c->text + c->len, SERVER_TEXT - 1 - c->len, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        hang_up(s, c, false);
        return;
    }
    c->len += (size_t)n;
    c->text[c->len] = '\0';
    server_serve(s, c);
}

static inline void server_accept(server *s)
{
    struct timeval patience = {PATIENCE_S, 0};
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC), on = 1, i;

    for (i = 0; fd >= 0 && i < SERVER_CONNS; i++) {
        conn *c = &s->conns[i];

        if (c->fd >= 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        memset(c, 0, sizeof *c);
        c->fd = fd;
        c->number = s->connections + 1;
        server_count(s, &s->connections);
        return;
    }
    if (fd >= 0)
        close(fd);
}

static inline void *server_main(void *data)
{
    server *s = data;

    for (;;) {
        struct pollfd fds[SERVER_CONNS + 2];
        bool trickles = false;
        nfds_t used = 2; /* poll refuses more than there may be descriptors */
        int i;

        fds[0] = (struct pollfd){s->wake[0], POLLIN, 0};
        fds[1] = (struct pollfd){s->listener, POLLIN, 0};
        for (i = 0; i < SERVER_CONNS; i++) {
            fds[i + 2] = (struct pollfd){s->conns[i].fd, POLLIN, 0};
            if (s->conns[i].fd < 0)
                continue;
            used = (nfds_t)i + 3;
            trickles = trickles || s->conns[i].trickle;
        }
        poll(fds, used, trickles ? SERVER_TICK_MS : -1);
        if (fds[0].revents)
            return NULL;
        if (fds[1].revents)
            server_accept(s);
        for (i = 0; i < SERVER_CONNS; i++) {
            conn *c = &s->conns[i];

            if (c->fd >= 0 && fds[i + 2].fd == c->fd && fds[i + 2].revents)
                server_read(s, c);
            if (c->fd >= 0 && c->trickle && !say(c, "."))
                hang_up(s, c, false);
        }
    }
}

/* Listens on a free port of 127.0.0.1; -1 where that cannot be done. With
 * `deaf` the port is taken, but every connection to it is refused. */
static inline int listen_somewhere(int *port, bool deaf)
{
    struct sockaddr_in name = {0};
    socklen_t len = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *port = 0;
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) != 0 || (!deaf && listen(fd, 64) != 0) ||
        getsockname(fd, (struct sockaddr *)&name, &len) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(name.sin_port);
    return fd;
}

static inline bool server_start(server *s, server_handler on_request)
{
    sigset_t all, before;
    int i;
    bool started;

    memset(s, 0, sizeof *s);
    for (i = 0; i < SERVER_CONNS; i++)
        s->conns[i].fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->on_request = on_request;
    s->listener = listen_somewhere(&s->port, false);
    if (s->listener < 0 || pipe2(s->wake, O_CLOEXEC) != 0)
        return false;
    /* Signals are for the thread that runs the tests. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&s->thread, NULL, server_main, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static inline void server_stop(server *s)
{
    int i;

    if (write(s->wake[1], "x", 1) == 1)
        pthread_join(s->thread, NULL);
    for (i = 0; i < SERVER_CONNS; i++)
        if (s->conns[i].fd >= 0)
            close(s->conns[i].fd);
    close(s->wake[0]);
    close(s->wake[1]);
    close(s->listener);
}

/* Waits until a counter has come to `count`. */
static inline bool server_wait(server *s, const int *counter, int count)
{
    struct timespec until;
    bool reached;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&s->lock);
    while (*counter < count && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
        continue;
    reached = *counter >= count;
    pthread_mutex_unlock(&s->lock);
    return reached;
}

static inline int server_read_count(server *s, const int *counter)
{
    int count;

    pthread_mutex_lock(&s->lock);
    count = *counter;
    pthread_mutex_unlock(&s->lock);
    return count;
}

static inline void server_does(server *s, server_handler on_request)
{
    pthread_mutex_lock(&s->lock);
    s->on_request = on_request;
    pthread_mutex_unlock(&s->lock);
}

#endif
