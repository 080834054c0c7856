/* Request headers, as the list that libcurl wants. */
#include <string.h>

#include "kat_internal.h"

kat_lines *kat_lines_new(void)
{
    kat_lines *lines = kat_zalloc(sizeof *lines);

    if (lines) {
        lines->refs = 1;
        /* An empty "Expect:" keeps libcurl from asking leave, and waiting a
         * second for it, before a large body; the other keeps it from calling
         * a POST without a body a form. One of ours with a value still goes. */
        if (!kat_lines_add(lines, "Expect", NULL) || !kat_lines_add(lines, "Content-Type", NULL)) {
            kat_lines_unref(lines);
            lines = NULL;
        }
    }
    return lines;
}

bool kat_lines_add(kat_lines *lines, const char *name, const char *value)
{
    kat_buf line = {0};
    struct curl_slist *node = NULL;
    /* libcurl sends no header whose value is blanks; to HTTP they are an empty one. */
    bool empty = value && value[strspn(value, " \t")] == '\0';

    /* At its full size from the start: a buffer that grows leaves a copy
     * behind, and the value may be the token. "Name:" would take a header
     * away; an empty one is written "Name;". */
    if (kat_buf_reserve(&line, strlen(name) + (value ? strlen(value) : 0) + 3) &&
        kat_buf_puts(&line, name) &&
        kat_buf_puts(&line, !value  ? ":"
                            : empty ? ";"
                                    : ": ") &&
        kat_buf_puts(&line, value && !empty ? value : "") && kat_buf_addc(&line, '\0'))
        node = curl_slist_append(NULL, line.data);
    if (line.data)
        kat_wipe(line.data, line.len);
    kat_buf_free(&line);
    if (!node)
        return false;
    if (lines->last)
        lines->last->next = node;
    else
        lines->list = node;
    lines->last = node;
    return true;
}

void kat_lines_wipe(kat_lines *lines)
{
    struct curl_slist *node;

    for (node = lines->list; node; node = node->next)
        kat_wipe(node->data, strlen(node->data));
}

void kat_lines_unref(kat_lines *lines)
{
    if (!lines || --lines->refs > 0)
        return;
    kat_lines_wipe(lines);
    curl_slist_free_all(lines->list);
    kat_free(lines);
}
