/* SPDX-License-Identifier: MIT */
/* ps: the processes. */
#include "user.h"

int main(int argc, char **argv)
{
    struct procinfo info;

    printf("  pid parent  pages  ticks state  name\n");
    for (unsigned i = 0; procinfo(i, &info) == 0; i++)
        printf("%5d %6d %6u %6u %s %s\n", info.pid, info.parent, info.pages, info.ticks, info.state,
               info.name);
    return 0;
}
