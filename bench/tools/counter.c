/* Preloaded into a program, counts how often libcurl is initialised or asked for a handle:
 * `bench_counted` gives the number, through the loader. */
#include <curl/curl.h>
#include <dlfcn.h>

/* The headers put macros for the checking of types over functions. */
#undef curl_multi_init

int bench_counted(void);

static int count;

int bench_counted(void)
{
    return count;
}

#define FORWARD(type, name, parameters, arguments) \
    type name parameters                           \
    {                                              \
        type(*real) parameters;                    \
                                                   \
        *(void **)&real = dlsym(RTLD_NEXT, #name); \
        count++;                                   \
        return real arguments;                     \
    }

FORWARD(CURLcode, curl_global_init, (long flags), (flags))
FORWARD(CURLcode, curl_global_init_mem,
        (long flags, curl_malloc_callback m, curl_free_callback f, curl_realloc_callback r,
         curl_strdup_callback s, curl_calloc_callback c),
        (flags, m, f, r, s, c))
FORWARD(CURL *, curl_easy_init, (void), ())
FORWARD(CURLM *, curl_multi_init, (void), ())
FORWARD(CURLSH *, curl_share_init, (void), ())
