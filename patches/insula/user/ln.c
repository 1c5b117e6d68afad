/* SPDX-License-Identifier: MIT */
/* ln from to: a second name for a file. */
#include "user.h"

int main(int argc, char **argv)
{
    int error = argc == 3 ? link(argv[1], argv[2]) : -EINVAL;

    if (error < 0)
        fprintf(2, "ln: error %d\n", -error);
    return error < 0;
}
