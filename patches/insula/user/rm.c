/* SPDX-License-Identifier: MIT */
/* rm names: removes files and empty directories. */
#include "user.h"

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        int error = unlink(argv[i]);
        if (error < 0) {
            fprintf(2, "rm: %s: error %d\n", argv[i], -error);
            failed = 1;
        }
    }
    return failed;
}
