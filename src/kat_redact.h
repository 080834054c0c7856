/* Hides secrets in texts, in one pass whose time grows with the text's length.
 *
 * Two kinds are known. *Forms* are given strings: a token as it is, in lower
 * case, in Base64. *Keys* are all that looks like a Kataven key (sk_live_…,
 * pk_live_…), whoever owns it, in Base64 too. Both are found in the text as it
 * stands and with its escapes undone, of a URL (%2D) and of JSON (\u002d, \/),
 * whichever was put around which: three times over, and percent signs a fourth. */
#ifndef KAT_REDACT_H
#define KAT_REDACT_H

#include "kat_buf.h"

KAT_BEGIN_DECLS

/* Takes the place of a secret. */
#define KAT_REDACT_MASK "[redacted]"

/* A trie of forms with the links of Aho and Corasick. Always usable when
 * zero-filled; owns its memory, unless it was moved into another's. */
typedef struct kat_redactor {
    struct kat_redact_node *nodes;
    uint32_t count, cap; /* cap is 0 where the nodes are in another's memory */
    uint32_t forms;      /* how many were added */
    uint32_t depth;      /* of the longest */
    uint32_t root[256];
    bool keys;   /* hide keys, too */
    bool linked; /* no form was added since the links were made */
} kat_redactor;

/* Adds a form; an empty one is ignored. Forms count from 1. False when memory
 * has run out: the redactor can only be freed then. */
bool kat_redactor_add(kat_redactor *r, const char *form, size_t len);

/* Hides keys from now on. False when memory has run out. */
bool kat_redactor_add_keys(kat_redactor *r);

/* Makes the links, which the first search does otherwise. False when memory has run
 * out; it may be tried again. */
bool kat_redactor_link(kat_redactor *r);

/* Moves a redactor that is linked into memory of kat_redactor_size bytes, which stays
 * its owner's; no form can be added then. `from` is empty afterwards. */
size_t kat_redactor_size(const kat_redactor *r);
void kat_redactor_move(kat_redactor *to, void *memory, kat_redactor *from);

/* Overwrites the forms, and frees them where they are its own. */
void kat_redactor_free(kat_redactor *r);

/* Appends the text without its secrets to `out`; appends nothing where it holds
 * none. `*found` is 0 then, else the number of the first form that was found, or
 * -1 for a key. False when memory has run out. */
bool kat_redact(kat_redactor *r, const char *text, size_t len, kat_buf *out, int *found);

/* Appends the text with its escapes of both kinds undone once. False when memory has run out. */
bool kat_unescape(kat_buf *out, const char *text, size_t len);

KAT_END_DECLS

#endif
