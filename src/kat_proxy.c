#include "kat_proxy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kat_curl.h"
#include "kat_url.h"

static const char NO_MEMORY[] = "";
static const char NO_URL[] =
    "must be a URL such as http://127.0.0.1:3128 (http, https, socks4, socks4a, socks5 or socks5h)";
static const char RAW_USER_INFO[] =
    "must have its user info (user:password@) percent-encoded, all but letters and digits: "
    "%23 for #, %2F for /, %3A for :, %3F for ?, %40 for @";

/* Where the authority begins: behind "scheme://", or at the start. */
static const char *authority_of(const char *proxy)
{
    const char *mark = strstr(proxy, "://");
    const char *end = proxy + strcspn(proxy, "/?#@");

    return mark && mark < end ? mark + 3 : proxy;
}

/* A scheme, and not two slashes after it: libcurl would guess. */
static bool is_broken_scheme(const char *proxy)
{
    static const char *const schemes[] = {
        "http:", "https:", "socks:", "socks4:", "socks4a:", "socks5:", "socks5h:"};
    size_t i;

    for (i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i]);

        if (strncasecmp(proxy, schemes[i], len) == 0)
            return strncmp(proxy + len, "//", 2) != 0;
    }
    return false;
}

/* How the text itself is to be, for libcurl drops in silence, decodes, or takes
 * for a host, what was meant for a part of the user info. */
static const char *check_text(const char *proxy, size_t len)
{
    const char *authority = authority_of(proxy), *at = memchr(proxy, '@', len), *host, *end;
    size_t i;

    if (len == 0)
        return NO_URL;
    for (i = 0; i < len; i++)
        if ((unsigned char)proxy[i] <= ' ' || proxy[i] == 127)
            return "must not hold blanks or control characters; percent-encode them in its user "
                   "info";
    if (is_broken_scheme(proxy))
        return NO_URL;
    end = authority + strcspn(authority, "/?#");
    if (at && (at > end || strchr(at + 1, '@')))
        return RAW_USER_INFO;
    host = at ? at + 1 : authority;
    if (host == end)
        return NO_URL;
    return kat_url_host_problem(host, (size_t)(end - host));
}

static bool is_known(const char *scheme)
{
    static const char *const known[] = {"http",    "https",  "socks",  "socks4",
                                        "socks4a", "socks5", "socks5h"};
    size_t i;

    for (i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(scheme, known[i]) == 0)
            return true;
    return false;
}

static const char *check_scheme(const char *scheme)
{
    if (!is_known(scheme))
        return NO_URL;
    if (strcasecmp(scheme, "https") == 0 &&
        !(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTPS_PROXY))
        return "is https://, for which this process's libcurl was not built";
    return NULL;
}

/* As libcurl will read the user info: decoded, without control characters. */
static CURLUcode read_user_info(CURLU *handle)
{
    static const CURLUPart wanted[] = {CURLUPART_USER, CURLUPART_PASSWORD};
    static const CURLUcode absent[] = {CURLUE_NO_USER, CURLUE_NO_PASSWORD};
    CURLUcode code = CURLUE_OK;
    size_t i;

    for (i = 0; code == CURLUE_OK && i < 2; i++) {
        char *text = NULL;

        code = curl_url_get(handle, wanted[i], &text, CURLU_URLDECODE);
        if (code == absent[i])
            code = CURLUE_OK;
        if (text)
            kat_wipe(text, strlen(text));
        curl_free(text);
    }
    return code;
}

const char *kat_proxy_check(const char *proxy, size_t len)
{
    const char *problem = check_text(proxy, len);
    char *scheme = NULL;
    CURLU *handle;
    CURLUcode code;

    if (problem)
        return problem;
    handle = curl_url();
    if (!handle)
        return NO_MEMORY;
    code =
        curl_url_set(handle, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME);
    if (code == CURLUE_OK)
        code = curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0);
    if (code == CURLUE_OK)
        problem = check_scheme(scheme);
    if (code == CURLUE_OK && !problem && read_user_info(handle) != CURLUE_OK)
        problem = RAW_USER_INFO;
    if (code != CURLUE_OK)
        problem = code == CURLUE_OUT_OF_MEMORY ? NO_MEMORY : NO_URL;
    curl_free(scheme);
    curl_url_cleanup(handle);
    return problem;
}

const char *kat_proxy_env(bool tls, const char **variable)
{
    /* HTTP_PROXY is not read: CGI puts a request's Proxy header there. */
    static const char *const plain[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const secure[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                         NULL};
    const char *const *name;

    for (name = tls ? secure : plain; *name; name++) {
        const char *value = getenv(*name);

        if (value && *value) {
            *variable = *name;
            return value;
        }
    }
    return NULL;
}

/* Where user info that ends at `to` may begin. */
static size_t begin_of(const char *text, size_t to)
{
    size_t from = to;

    while (from > 0 && !strchr(" '\"<>()", text[from - 1]) &&
           !(from > 2 && strncmp(text + from - 3, "://", 3) == 0))
        from--;
    return from;
}

void kat_proxy_hide(char *text)
{
    static const char MASK[] = "***";
    char *at;
    size_t behind = strlen(text);

    for (;;) {
        size_t to = behind, from, len = sizeof MASK - 1;

        while (to > 0 && text[to - 1] != '@')
            to--;
        if (to == 0)
            return;
        at = text + to - 1;
        from = begin_of(text, to - 1);
        if (to - 1 - from < len)
            len = to - 1 - from;
        memcpy(text + from, MASK, len);
        memmove(text + from + len, at, strlen(at) + 1);
        behind = from;
    }
}
