#include "kat_url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

static const char NO_MEMORY[] = "";
static const char NO_URL[] = "is not a URL such as https://api.kataven.ai/v1";

bool kat_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[INET6_ADDRSTRLEN];
    size_t len = strlen(host);

    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (len > 2 && host[0] == '[' && len - 2 < sizeof bare) {
        memcpy(bare, host + 1, len - 2);
        bare[len - 2] = '\0';
        return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    }
    return false;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);

    return len >= n && memcmp(text + len - n, end, n) == 0;
}

/* The parts of a URL that libcurl handed out; all may be NULL. */
typedef struct parts {
    char *scheme, *host, *port, *path, *user, *password, *query, *fragment;
} parts;

static void free_parts(parts *p)
{
    curl_free(p->scheme);
    curl_free(p->host);
    curl_free(p->port);
    curl_free(p->path);
    curl_free(p->user);
    curl_free(p->password);
    curl_free(p->query);
    curl_free(p->fragment);
}

static const char *build(kat_base *base, const parts *p)
{
    kat_buf out = {0};
    size_t path_len = strlen(p->path);

    while (path_len > 0 && p->path[path_len - 1] == '/')
        path_len--;
    if (!kat_buf_puts(&out, p->scheme) || !kat_buf_puts(&out, "://") ||
        !kat_buf_puts(&out, p->host) || (p->port && !kat_buf_addc(&out, ':')) ||
        (p->port && !kat_buf_puts(&out, p->port)))
        goto nomem;
    base->origin = out.len;
    if (!kat_buf_add(&out, p->path, path_len) || !kat_buf_addc(&out, '\0'))
        goto nomem;
    base->text = out.data;
    base->v1 = ends_with(p->path, path_len, "/v1");
    base->loopback = kat_is_loopback(p->host);
    base->tls = strcmp(p->scheme, "https") == 0;
    return NULL;
nomem:
    kat_buf_free(&out);
    return NO_MEMORY;
}

/* Takes a URL apart. What may be absent is then NULL; but where memory has run
 * out, nothing may pass for absent: a lost port would name another server. */
static CURLUcode read_parts(CURLU *handle, const char *url, parts *p)
{
    struct {
        CURLUPart part;
        char **text;
        CURLUcode absent;
    } wanted[] = {
        {CURLUPART_SCHEME, &p->scheme, CURLUE_OK},
        {CURLUPART_HOST, &p->host, CURLUE_OK},
        {CURLUPART_PATH, &p->path, CURLUE_OK},
        {CURLUPART_PORT, &p->port, CURLUE_NO_PORT},
        {CURLUPART_USER, &p->user, CURLUE_NO_USER},
        {CURLUPART_PASSWORD, &p->password, CURLUE_NO_PASSWORD},
        {CURLUPART_QUERY, &p->query, CURLUE_NO_QUERY},
        {CURLUPART_FRAGMENT, &p->fragment, CURLUE_NO_FRAGMENT},
    };
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    size_t i;

    for (i = 0; code == CURLUE_OK && i < sizeof wanted / sizeof *wanted; i++) {
        code = curl_url_get(handle, wanted[i].part, wanted[i].text, 0);
        if (code == wanted[i].absent)
            code = CURLUE_OK;
    }
    return code;
}

static const char *check(const parts *p)
{
    if (strcmp(p->scheme, "http") != 0 && strcmp(p->scheme, "https") != 0)
        return "must begin with https:// (or http://)";
    if (p->user || p->password)
        return "must not hold user info (user:password@)";
    if (p->query)
        return "must not hold a query (?…)";
    if (p->fragment)
        return "must not hold a fragment (#…)";
    return NULL;
}

/* libcurl decodes a host once, and would do so again, and read numbers in what
 * comes out: each time another host. It drops a zone, and whether it knows of
 * international names depends on how it was built and on the locale. */
const char *kat_url_host_problem(const char *host, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++)
        if ((unsigned char)host[i] > 127)
            return "must have a host in ASCII: write an international name in its xn-- form";
    if (!memchr(host, '%', len))
        return NULL;
    return host[0] == '[' ? "must not hold a zone (%…) in its IPv6 address"
                          : "must not hold percent-encoding in its host";
}

const char *kat_base_parse(kat_base *base, const char *url, size_t len)
{
    parts p = {0};
    CURLU *handle;
    const char *problem = NO_URL, *mark;
    size_t i;

    if (len == 0)
        return "is empty";
    for (i = 0; i < len; i++)
        if ((unsigned char)url[i] <= ' ' || url[i] == 127)
            return "must not hold blanks or control characters";
    /* libcurl forgets an empty query, fragment or user; a user would not
     * have written it for nothing. */
    if (memchr(url, '?', len))
        return "must not hold a query (?…)";
    if (memchr(url, '#', len))
        return "must not hold a fragment (#…)";
    if (memchr(url, '@', len))
        return "must not hold user info (user:password@)";
    /* libcurl takes one slash, or three, as well, and then the first part of
     * the path for the host: https:///v1, with a variable that was empty. */
    mark = url + strcspn(url, ":/");
    if (strncmp(mark, "://", 3) != 0 || mark[3] == '/')
        return problem;
    problem = kat_url_host_problem(mark + 3, strcspn(mark + 3, "/"));
    if (problem)
        return problem;
    problem = NO_URL;
    handle = curl_url();
    if (!handle)
        return NO_MEMORY;
    switch (read_parts(handle, url, &p)) {
    case CURLUE_OK:
        problem = check(&p);
        if (!problem)
            problem = build(base, &p);
        break;
    case CURLUE_OUT_OF_MEMORY:
        problem = NO_MEMORY;
        break;
    default:
        break;
    }
    free_parts(&p);
    curl_url_cleanup(handle);
    return problem;
}

void kat_base_free(kat_base *base)
{
    kat_free(base->text);
    base->text = NULL;
}

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static bool add_hex(kat_buf *out, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";
    char text[3];

    text[0] = '%';
    text[1] = hex[c >> 4];
    text[2] = hex[c & 15];
    return kat_buf_add(out, text, 3);
}

bool kat_url_escape(kat_buf *out, const char *text, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (!(unreserved(c) ? kat_buf_addc(out, text[i]) : add_hex(out, c)))
            return false;
    }
    return true;
}

/* The length of `prefix` if path begins with it as whole segments, else 0. */
static size_t segment_prefix(const char *path, size_t len, const char *prefix)
{
    size_t n = strlen(prefix);

    if (len < n || memcmp(path, prefix, n) != 0)
        return 0;
    return len == n || path[n] == '/' || path[n] == '?' ? n : 0;
}

const char *kat_url_join(kat_buf *out, const kat_base *base, const char *path, size_t len)
{
    size_t i, skip = 0;

    if (len == 0 || path[0] != '/')
        return "must begin with a slash, as /api/v1/widget-keys does";
    if (len > 1 && (path[1] == '/' || path[1] == '\\'))
        return "must begin with one slash only: two would name another host";
    for (i = 0; i < len; i++) {
        if ((unsigned char)path[i] < ' ' || path[i] == 127)
            return "must not hold control characters";
        if (path[i] == '#')
            return "must not hold a fragment (#…); write %23 for a # of its own";
    }
    if (base->v1) {
        skip = segment_prefix(path, len, "/api/v1");
        if (skip == 0)
            skip = segment_prefix(path, len, "/api");
    }
    if (!kat_buf_puts(out, base->text))
        return "";
    for (i = skip; i < len; i++) {
        unsigned char c = (unsigned char)path[i];
        bool plain = c > ' ' && c < 127 && !strchr("\"<>\\^`{|}", c);

        if (!(plain ? kat_buf_addc(out, path[i]) : add_hex(out, c)))
            return "";
    }
    return NULL;
}
