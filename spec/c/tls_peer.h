/* A server that speaks TLS with a certificate of its own, for 127.0.0.1 alone:
 * the openssl program. Where there is none, or where libcurl is built with
 * another library, there is no server, and what needs it is skipped. */
#ifndef SPEC_TLS_PEER_H
#define SPEC_TLS_PEER_H

#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>

#include "fixture.h"

typedef struct tls {
    char dir[32], certificate[64], key[64], stranger[64], output[64];
    pid_t pid;
    int port;  /* 0: there is none */
    int input; /* what is written here goes to the client, as it is; or -1 */
} tls;

static inline bool over_openssl(void)
{
    const char *text = curl_version_info(CURLVERSION_NOW)->ssl_version;

    return text && strncmp(text, "OpenSSL", 7) == 0;
}

/* Starts a program that ends when the test does, even if that is killed.
 * `input` -1: nothing to read. */
static inline pid_t run_program(const char *const *words, int input, int output)
{
    char *arguments[24];
    size_t i;
    pid_t pid;

    for (i = 0; words[i]; i++)
        arguments[i] = exact_copy(words[i], strlen(words[i]) + 1);
    arguments[i] = NULL;
    pid = fork();
    if (pid == 0) {
#ifdef PR_SET_PDEATHSIG
        prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
        dup2(input >= 0 ? input : open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
        dup2(output, 1);
        dup2(output, 2);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    for (i = 0; arguments[i]; i++)
        free(arguments[i]);
    return pid;
}

static inline bool make_certificate(const char *file, const char *key, int output)
{
    const char *const words[] = {"openssl",
                                 "req",
                                 "-x509",
                                 "-newkey",
                                 "ec",
                                 "-pkeyopt",
                                 "ec_paramgen_curve:prime256v1",
                                 "-nodes",
                                 "-days",
                                 "2",
                                 "-subj",
                                 "/CN=kataven test",
                                 "-addext",
                                 "subjectAltName=IP:127.0.0.1",
                                 "-keyout",
                                 key,
                                 "-out",
                                 file,
                                 NULL};
    int status = -1;
    pid_t pid = run_program(words, -1, output);

    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Where in what the server has said so far a text stands; NULL: not yet. */
static inline const char *tls_said(const tls *t, const char *what)
{
    static char text[64 * 1024];
    FILE *file = fopen(t->output, "r");
    size_t len = 0;

    if (file) {
        len = fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    text[len] = '\0';
    return strstr(text, what);
}

/* It says "ACCEPT 127.0.0.1:port", and then another line's beginning or end,
 * when it is ready. */
static inline int tls_read_port(const tls *t)
{
    struct timespec pause = {0, 2000000};
    int tries;

    for (tries = 0; tries < 2000 && waitpid(t->pid, NULL, WNOHANG) == 0; tries++) {
        const char *line = tls_said(t, "ACCEPT 127.0.0.1:");

        if (line && strchr(line, '\n'))
            return (int)strtol(line + 17, NULL, 10);
        nanosleep(&pause, NULL);
    }
    return 0;
}

static inline void tls_stop(tls *t)
{
    if (t->pid > 0) {
        kill(t->pid, SIGKILL);
        waitpid(t->pid, NULL, 0);
    }
    if (t->input >= 0)
        close(t->input);
    unlink(t->certificate);
    unlink(t->key);
    unlink(t->stranger);
    unlink(t->output);
    rmdir(t->dir);
    t->port = 0;
}

/* With `web` it answers each GET with a page, and closes; without, it says
 * what the test writes to its input, and keeps the connection. */
static inline void tls_start(tls *t, bool web)
{
    const char *words[] = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
                           NULL,      "-key",     NULL,      NULL,          NULL};
    int output, ends[2] = {-1, -1};

    memset(t, 0, sizeof *t);
    t->input = -1;
    strcpy(t->dir, "/tmp/kataven-tls-XXXXXX");
    if (!over_openssl() || !mkdtemp(t->dir))
        return;
    snprintf(t->certificate, sizeof t->certificate, "%s/mine.pem", t->dir);
    snprintf(t->key, sizeof t->key, "%s/key.pem", t->dir);
    snprintf(t->stranger, sizeof t->stranger, "%s/0a1b2c3d.0", t->dir);
    snprintf(t->output, sizeof t->output, "%s/output", t->dir);
    words[5] = t->certificate;
    words[7] = t->key;
    words[8] = web ? "-www" : NULL;
    output = open(t->output, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    if (!web && pipe2(ends, O_CLOEXEC) == 0)
        t->input = ends[1];
    /* The stranger's key is overwritten: it is there to be trusted in vain,
     * and for its name, which makes the directory a hashed one. */
    if (output >= 0 && make_certificate(t->stranger, t->key, output) &&
        make_certificate(t->certificate, t->key, output))
        t->pid = run_program(words, ends[0], output);
    close(output);
    if (ends[0] >= 0)
        close(ends[0]);
    if (t->pid > 0)
        t->port = tls_read_port(t);
    if (t->port == 0)
        tls_stop(t);
}

#endif
