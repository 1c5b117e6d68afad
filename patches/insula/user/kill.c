/* SPDX-License-Identifier: MIT */
/* kill pids: ends processes. */
#include "user.h"

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        int error = kill((int)atol(argv[i]));
        if (error < 0) {
            fprintf(2, "kill: %s: error %d\n", argv[i], -error);
            failed = 1;
        }
    }
    return failed;
}
