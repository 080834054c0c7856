/* Preloaded into a program, has what it sends over a connection that was reset
 * raise SIGPIPE, as in libcurls before 7.87: the reset is found out by sending,
 * and by no other way. With OLD_CURL set, libcurl says that it is one of those. */
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    ssize_t (*real)(int, void *, size_t, int), n;

    *(void **)&real = dlsym(RTLD_NEXT, "recv");
    n = real(fd, bytes, len, flags);
    if (n < 0 && errno == ECONNRESET)
        errno = EAGAIN;
    return n;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    ssize_t (*real)(int, const void *, size_t, int), n;

    *(void **)&real = dlsym(RTLD_NEXT, "send");
    n = real(fd, bytes, len, flags & ~MSG_NOSIGNAL);
    if (n < 0 && errno == ECONNRESET)
        n = real(fd, bytes, len, flags & ~MSG_NOSIGNAL); /* it is told once only */
    return n;
}

curl_version_info_data *curl_version_info(CURLversion age)
{
    static curl_version_info_data old;
    curl_version_info_data *(*real)(CURLversion);

    /* Loaded by Lua, libcurl is not among the libraries that RTLD_NEXT knows. */
    *(void **)&real = dlsym(dlopen("libcurl.so.4", RTLD_LAZY | RTLD_NOLOAD), "curl_version_info");
    old = *real(age);
    if (getenv("OLD_CURL"))
        old.version_num = 0x075600;
    return &old;
}
