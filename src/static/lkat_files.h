/* The Lua files as constants, in a source that embed.lua makes of them. */
#ifndef LKAT_FILES_H
#define LKAT_FILES_H

#include "kat_base.h"

KAT_BEGIN_DECLS

typedef struct lkat_file {
    const char *module;        /* as require knows it */
    const char *chunk;         /* its name in messages and traces */
    const unsigned char *text; /* source, which every Lua can read */
    size_t size;
} lkat_file;

/* By module, so that kataven itself comes first. */
extern const lkat_file lkat_files[];
extern const int lkat_file_count;

KAT_END_DECLS

#endif
