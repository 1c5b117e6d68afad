/* SPDX-License-Identifier: MIT */
/* mkdir directories: makes them. */
#include "user.h"

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        int error = mkdir(argv[i]);
        if (error < 0) {
            fprintf(2, "mkdir: %s: error %d\n", argv[i], -error);
            failed = 1;
        }
    }
    return failed;
}
