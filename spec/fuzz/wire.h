/* The server of the response target, and the time: both stand still unless the
 * harness moves them, so an input always plays in the same way and nothing waits.
 *
 * The server is a listener on loopback in the same thread. What is written to a
 * connection there can be read at its other end at once, so the harness and the
 * engine take turns. */
#ifndef SPEC_FUZZ_WIRE_H
#define SPEC_FUZZ_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../c/still_clock.h"
#include "fuzz.h"

/* Where the clock is the system's, a time-out takes its time. */
#if STILL_CLOCK
#define WIRE_TIMEOUT 30.0

static inline void wire_pass(double seconds)
{
    still_pass(seconds);
}
#else
#define WIRE_TIMEOUT 0.2

static inline void wire_pass(double seconds)
{
    struct timespec ts = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&ts, NULL);
}
#endif

typedef struct wire_conn {
    int fd; /* -1: closed */
    char request[4096];
    size_t len;
} wire_conn;

static int wire_listener = -1;
static int wire_port;

static inline void wire_open(void)
{
    struct sockaddr_in address = {0};
    socklen_t len = sizeof address;

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    wire_listener = socket(AF_INET, SOCK_STREAM, 0);
    MUST(wire_listener >= 0 && bind(wire_listener, (struct sockaddr *)&address, len) == 0 &&
             listen(wire_listener, 16) == 0 &&
             getsockname(wire_listener, (struct sockaddr *)&address, &len) == 0 &&
             fcntl(wire_listener, F_SETFL, O_NONBLOCK) == 0,
         "no listener: %s", strerror(errno));
    wire_port = ntohs(address.sin_port);
}

/* True when a connection came. */
static inline bool wire_accept(wire_conn *c)
{
    c->fd = accept(wire_listener, NULL, NULL);
    c->len = 0;
    c->request[0] = '\0';
    if (c->fd < 0)
        return false;
    MUST(fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0, "%s", strerror(errno));
    return true;
}

/* True when a whole request is there. */
static inline bool wire_read(wire_conn *c)
{
    const char *head, *promised;
    size_t body = 0;
    ssize_t n;

    if (c->fd < 0)
        return false;
    n = recv(c->fd, c->request + c->len, sizeof c->request - 1 - c->len, 0);
    if (n > 0)
        c->len += (size_t)n;
    c->request[c->len] = '\0';
    head = strstr(c->request, "\r\n\r\n");
    promised = strstr(c->request, "Content-Length: ");
    if (promised && promised < head)
        body = (size_t)strtoul(promised + strlen("Content-Length: "), NULL, 10);
    return head && c->len >= (size_t)(head + 4 - c->request) + body;
}

/* What the peer does not take any more, for it has closed, is lost. False then;
 * and where it has not read what it has, so that no more fits in. */
static inline bool wire_write(wire_conn *c, const void *data, size_t len)
{
    return c->fd >= 0 && send(c->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Closes it; by a reset, or as one does. */
static inline void wire_close(wire_conn *c, bool reset)
{
    struct linger hard = {1, 0};

    if (c->fd < 0)
        return;
    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(c->fd);
    c->fd = -1;
}

/* The lowest number that a new descriptor would get: higher than before where
 * one was left open. */
static inline int wire_lowest(void)
{
    int fd = dup(wire_listener);

    MUST(fd >= 0, "%s", strerror(errno));
    close(fd);
    return fd;
}

#endif
