/* Cassette files: whatever is in one, it opens or is refused in words that name
 * it, and what opens can be played. The input is the file.
 *
 * Each recorded request is sent, in the order of the file, and must be answered,
 * until none is left; then once more, which gets a CassetteError. A client makes
 * its calls over the same file, too. Nothing in a file is ever run. What is asked
 * is in cassette.lua. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "state.h"

static char path[256];

static void clean_up(void)
{
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *L;
    static int fd = -1;

    if (!L) {
        const char *directory = getenv("TMPDIR");
        /* A run that another is to repeat has the same name: a table may have it in it. */
        bool seeded = directory && getenv("FUZZ_SEED");

        unsetenv("CI");
        unsetenv("KATAVEN_CASSETTE_MODE");
        unsetenv("KATAVEN_CASSETTE");
        snprintf(path, sizeof path, "%s/cassette%s", directory ? directory : "/tmp",
                 seeded ? "" : ".XXXXXX");
        fd = seeded ? open(path, O_RDWR | O_CREAT | O_EXCL, 0600) : mkstemp(path);
        MUST(fd >= 0 && atexit(clean_up) == 0, "%s: %s", path, strerror(errno));
        L = fuzz_state("spec/fuzz/cassette.lua");
    }
    MUST(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "%s: %s", path,
         strerror(errno));
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    lua_pushstring(L, path);
    fuzz_call(L, 1, 1);
    MUST(lua_isnil(L, -1), "%s", lua_tostring(L, -1));
    return 0;
}
