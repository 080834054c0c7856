/* A module that lies where it ought not to be searched for: says so as soon as
 * it is loaded, whatever it was loaded as. */
#include <stdio.h>

__attribute__((constructor)) static void loaded(void)
{
    fputs("HOSTILE shared object\n", stderr);
}
