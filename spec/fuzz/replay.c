/* Feeds a target the files of its corpus, without libFuzzer, and reports each as
 * a test, as TAP. With arguments, those files instead. */
#include <dirent.h>
#include <errno.h>

#include "fuzz.h"

enum { MAX_FILES = 4096, MAX_BYTES = 1 << 20 };

static char *names[MAX_FILES];
static int count;

static void take(const char *directory, const char *name)
{
    size_t len = strlen(directory) + strlen(name) + 2;

    MUST(count < MAX_FILES, "more than %d files", MAX_FILES);
    names[count] = malloc(len);
    MUST(names[count], "out of memory");
    snprintf(names[count++], len, "%s%s%s", directory, *directory ? "/" : "", name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The corpus of the target that this program is named after. */
static void list(const char *program)
{
    const char *slash = strrchr(program, '/');
    char directory[256];
    DIR *dir;
    struct dirent *entry;

    snprintf(directory, sizeof directory, "spec/fuzz/corpus/%s", slash ? slash + 1 : program);
    dir = opendir(directory);
    MUST(dir, "%s: %s (run it at the root of the repository)", directory, strerror(errno));
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            take(directory, entry->d_name);
    closedir(dir);
    qsort(names, (size_t)count, sizeof *names, by_name);
}

static void feed(const char *name)
{
    FILE *file = fopen(name, "rb");
    char *data = malloc(MAX_BYTES), *exact;
    size_t size;

    MUST(file && data, "%s: %s", name, strerror(errno));
    size = fread(data, 1, MAX_BYTES, file);
    fclose(file);
    exact = fuzz_copy(data, size);
    free(data);
    LLVMFuzzerTestOneInput((const uint8_t *)exact, size);
    free(exact);
}

int main(int argc, char **argv)
{
    int i;

    if (argc > 1) {
        for (i = 1; i < argc; i++)
            take("", argv[i]);
    } else {
        list(argv[0]);
    }
    printf("1..%d\n", count);
    for (i = 0; i < count; i++) {
        /* Said first, for a crash ends all. */
        printf("# %s @ 1: %s\n", names[i], names[i]);
        fflush(stdout);
        feed(names[i]);
        printf("ok %d - %s\n", i + 1, names[i]);
        free(names[i]);
    }
    return 0;
}
