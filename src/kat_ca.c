#include <dirent.h>
#include <string.h>

#include "kat_curl.h"

static bool hashed_name(const char *name)
{
    return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] >= '0' &&
           name[9] <= '9' && name[10] == '\0';
}

bool kat_ca_is_hashed(const char *dir)
{
    DIR *handle = opendir(dir);
    const struct dirent *entry;
    bool found = false;

    if (!handle)
        return false;
    while (!found && (entry = readdir(handle)) != NULL)
        found = hashed_name(entry->d_name);
    closedir(handle);
    return found;
}

kat_ca kat_ca_choose(const char *file, const char *path, const char *default_file,
                     const char *default_path, bool openssl)
{
    kat_ca ca = {0};

    if (file || path) {
        ca.file = file;
        ca.path = path;
    } else if (openssl && default_path && kat_ca_is_hashed(default_path)) {
        ca.path = default_path;
        ca.fallback = default_file;
    } else if (openssl && default_file) {
        ca.file = default_file;
    } else {
        ca.builtin = true; /* another TLS library: its own rules are best */
    }
    return ca;
}

kat_ca kat_ca_default(const char *file, const char *path)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

    return kat_ca_choose(file, path, info->cainfo, info->capath,
                         kat_curl_is_openssl(kat_curl_tls()));
}
