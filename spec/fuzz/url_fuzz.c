/* Where requests go. The input is three lines: a base URL, a path, and an id
 * (the rest, ends of lines included).
 *
 * Scheme, host and port of what results are read by libcurl's URL API, which is
 * what requests are made with, and must be the base's; an id is decoded again. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <strings.h>

#include "kat_url.h"
#include "state.h"

typedef struct place {
    char *scheme, *host, *port;
} place;

static char *part(CURLU *url, CURLUPart what, unsigned flags)
{
    char *text = NULL;

    curl_url_get(url, what, &text, flags);
    return text;
}

/* False where libcurl refuses it. What a base must not have makes it abort. */
static bool read_place(const char *text, place *p)
{
    CURLU *url = curl_url();
    bool good = curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) == CURLUE_OK;

    if (good) {
        char *user = part(url, CURLUPART_USER, 0), *fragment = part(url, CURLUPART_FRAGMENT, 0);

        p->scheme = part(url, CURLUPART_SCHEME, 0);
        p->host = part(url, CURLUPART_HOST, 0);
        p->port = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
        MUST(!user && !fragment, "user info or a fragment in %s", text);
        MUST(p->scheme && p->host && p->port, "%s", text);
    }
    curl_url_cleanup(url);
    return good;
}

static void free_place(place *p)
{
    curl_free(p->scheme);
    curl_free(p->host);
    curl_free(p->port);
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[64] = {0};
    size_t len = strlen(host);

    if (len > 2 && len < sizeof bare && host[0] == '[') {
        memcpy(bare, host + 1, len - 2);
        return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    }
    if (inet_aton(host, &v4))
        return (ntohl(v4.s_addr) & 0xFF000000) == 0x7F000000;
    return strcasecmp(host, "localhost") == 0;
}

/* A URL that a request would go to, against the place of its base. */
static void check_url(const char *url, size_t len, const kat_base *base, const place *wanted)
{
    place p = {0};
    size_t i;

    MUST(strlen(url) == len, "a NUL byte in %s", url);
    for (i = 0; i < len; i++)
        MUST((unsigned char)url[i] > ' ' && url[i] != 127 && url[i] != '#', "byte %zu of %s", i,
             url);
    MUST(strncmp(url, base->text, base->origin) == 0 && url[base->origin] == '/',
         "another origin: %s", url);
    MUST(read_place(url, &p), "libcurl refuses %s", url);
    MUST(strcmp(p.scheme, wanted->scheme) == 0 && strcmp(p.host, wanted->host) == 0 &&
             strcmp(p.port, wanted->port) == 0,
         "it goes to %s://%s:%s: %s", p.scheme, p.host, p.port, url);
    free_place(&p);
}

static void check_base(const kat_base *base, const char *given, place *p)
{
    size_t len = strlen(base->text), i;
    place again = {0};

    for (i = 0; i < len; i++)
        MUST((unsigned char)base->text[i] > ' ' && base->text[i] != 127 &&
                 !strchr("?#@", base->text[i]),
             "byte %zu of %s", i, base->text);
    MUST(base->origin <= len &&
             (base->text[base->origin] == '\0' || base->text[base->origin] == '/'),
         "origin of %zu bytes: %s", base->origin, base->text);
    MUST(base->text[len - 1] != '/', "a slash at the end: %s", base->text);
    MUST(read_place(given, p), "libcurl refuses %s", given);
    MUST(read_place(base->text, &again), "libcurl refuses %s", base->text);
    MUST(strcmp(p->scheme, again.scheme) == 0 && strcmp(p->host, again.host) == 0 &&
             strcmp(p->port, again.port) == 0,
         "%s has become %s", given, base->text);
    MUST(base->tls == (strcmp(p->scheme, "https") == 0) &&
             (base->tls || strcmp(p->scheme, "http") == 0),
         "the scheme %s", p->scheme);
    MUST(base->loopback == is_loopback(p->host), "loopback? %s", p->host);
    free_place(&again);
}

/* What a path must not be, however it would come out. */
static bool path_is_good(const char *path, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++)
        if ((unsigned char)path[i] < ' ' || path[i] == 127 || path[i] == '#')
            return false;
    return len > 0 && path[0] == '/' && !(len > 1 && (path[1] == '/' || path[1] == '\\'));
}

static void check_join(const kat_base *base, const place *p, const char *path, size_t len)
{
    kat_buf out = {0};
    const char *problem = kat_url_join(&out, base, path, len);

    MUST(!problem == path_is_good(path, len), "the path: %s", problem ? problem : "(good)");
    if (problem) {
        MUST(*problem, "out of memory");
    } else {
        MUST(kat_buf_addc(&out, '\0'), "out of memory");
        check_url(out.data, out.len - 1, base, p);
    }
    kat_buf_free(&out);
}

/* What an escaped text is decoded to is the text. */
static void check_decoded(const char *escaped, size_t escaped_len, const char *text, size_t len)
{
    int got_len;
    char *got;
    size_t i;

    for (i = 0; i < escaped_len; i++)
        MUST(strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~%",
                    escaped[i]),
             "byte %zu of an escaped text", i);
    got = curl_easy_unescape(NULL, escaped, (int)escaped_len, &got_len);
    MUST(got && (size_t)got_len == len && memcmp(got, text, len) == 0, "it is decoded to %s", got);
    curl_free(got);
}

static void check_escape(const char *text, size_t len)
{
    kat_buf out = {0};

    MUST(kat_url_escape(&out, text, len), "out of memory");
    if (out.len > 0)
        check_decoded(out.data, out.len, text, len);
    MUST((out.len == 0) == (len == 0), "%zu bytes of %zu", out.len, len);
    kat_buf_free(&out);
}

/* The id of a URL is its last segment, and nothing a server might climb up by. */
static void check_id(const char *url, const char *id, size_t len)
{
    const char *segment = strrchr(url, '/') + 1;

    MUST(len > 0 && strcmp(segment, ".") != 0 && strcmp(segment, "..") != 0, "%s", url);
    MUST(segment - url > 13 && strncmp(segment - 13, "/widget-keys/", 13) == 0, "%s", url);
    check_decoded(segment, strlen(segment), id, len);
}

static bool id_is_good(const char *id, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++)
        if ((unsigned char)id[i] < ' ' || id[i] == 127)
            return false;
    return len > 0 && !(len == 1 && id[0] == '.') && !(len == 2 && memcmp(id, "..", 2) == 0);
}

/* The same through a client. */
static void check_client(lua_State *L, const kat_base *base, const place *p, const char *texts[3],
                         const size_t lens[3])
{
    size_t len;
    const char *url;
    int i;

    lua_pushvalue(L, 1);
    for (i = 0; i < 3; i++)
        lua_pushlstring(L, texts[i], lens[i]);
    fuzz_call(L, 3, 5);
    /* One that looks like a key is refused by kataven.new before it is read. */
    if (!lua_toboolean(L, 2) && lua_isstring(L, 4) && strstr(lua_tostring(L, 4), "a credential")) {
        lua_settop(L, 1);
        return;
    }
    MUST(lua_toboolean(L, 2) == (base->text != NULL), "a client? %s", lua_tostring(L, 4));
    if (base->text) {
        url = lua_tolstring(L, 3, &len);
        MUST((url != NULL) == path_is_good(texts[1], lens[1]), "the path: %s", lua_tostring(L, 4));
        if (url)
            check_url(url, len, base, p);
        url = lua_tolstring(L, 5, &len);
        MUST((url != NULL) == id_is_good(texts[2], lens[2]), "the id: %s", lua_tostring(L, 6));
        if (url) {
            check_url(url, len, base, p);
            check_id(url, texts[2], lens[2]);
        }
    }
    lua_settop(L, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *L;
    static long kept; /* blocks of what is made once: the search for keys */
    kat_base base = {0};
    place p = {0};
    const char *lines[3], *problem;
    char *copies[3];
    size_t lens[3];
    int i;

    if (!L) {
        L = fuzz_state("spec/fuzz/url.lua");
        kept = fuzz_blocks;
    }
    for (i = 0; i < 2; i++)
        lines[i] = fuzz_line(&data, &size, &lens[i]);
    lines[2] = (const char *)data;
    lens[2] = size;
    for (i = 0; i < 3; i++) {
        copies[i] = calloc(lens[i] + 1, 1);
        MUST(copies[i], "out of memory");
        if (lens[i] > 0)
            memcpy(copies[i], lines[i], lens[i]);
        lines[i] = copies[i];
    }
    problem = kat_base_parse(&base, lines[0], lens[0]);
    MUST((problem == NULL) == (base.text != NULL) && (!problem || *problem), "%s", problem);
    if (base.text) {
        check_base(&base, lines[0], &p);
        check_join(&base, &p, lines[1], lens[1]);
    }
    check_escape(lines[2], lens[2]);
    if (lens[0] > 0) /* an empty base URL is as good as none to a client */
        check_client(L, &base, &p, lines, lens);
    free_place(&p);
    kat_base_free(&base);
    for (i = 0; i < 3; i++)
        free(copies[i]);
    if (fuzz_blocks > kept)
        lua_gc(L, LUA_GCCOLLECT, 0);
    MUST(fuzz_blocks == kept, "%ld blocks are left", fuzz_blocks - kept);
    return 0;
}
