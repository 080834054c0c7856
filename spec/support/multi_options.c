/* To be preloaded: says which options libcurl's multi handle is told, a line of
 * "number value" for each that takes a number. */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#undef curl_multi_setopt

CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    /* Loaded along with a module, libcurl is not among those that come "next". */
    void *library = dlopen("libcurl.so.4", RTLD_LAZY | RTLD_NOLOAD);
    CURLMcode (*next)(CURLM *, CURLMoption, ...) =
        (CURLMcode(*)(CURLM *, CURLMoption, ...))dlsym(library, "curl_multi_setopt");
    FILE *file = fopen(getenv("MULTI_OPTIONS"), "ab");
    void *value;
    va_list arguments;

    va_start(arguments, option);
    value = va_arg(arguments, void *);
    va_end(arguments);
    if (file) {
        if ((int)option < CURLOPTTYPE_OBJECTPOINT)
            fprintf(file, "%d %ld\n", (int)option, (long)value);
        fclose(file);
    }
    return next(multi, option, value);
}
