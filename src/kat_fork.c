#include "kat_fork.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

/* getpid is a system call, and a call of ours would make several. Linux can
 * clear a page in every child instead; elsewhere, and on kernels before 4.14,
 * it is getpid after all. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t *page;

static void open_page(void)
{
#ifdef MADV_WIPEONFORK
    long size = sysconf(_SC_PAGESIZE);
    void *memory;

    if (size <= 0)
        return;
    memory = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    if (madvise(memory, (size_t)size, MADV_WIPEONFORK) == 0)
        page = memory;
    else
        munmap(memory, (size_t)size);
#endif
}

uint64_t kat_process(void)
{
    if (pthread_once(&once, open_page) != 0 || !page)
        return (uint64_t)getpid();
    /* Threads that race here write the same number. */
    if (__atomic_load_n(page, __ATOMIC_RELAXED) == 0)
        __atomic_store_n(page, (uint64_t)getpid(), __ATOMIC_RELAXED);
    return __atomic_load_n(page, __ATOMIC_RELAXED);
}
