/* SPDX-License-Identifier: MIT */
/* cat [files]: their contents, or the input's. */
#include "user.h"

static int copy(int fd)
{
    char bytes[512];
    int n;

    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        if (write(1, bytes, (unsigned)n) != n)
            return 1;
    return n < 0;
}

int main(int argc, char **argv)
{
    int failed = argc < 2 ? copy(0) : 0;

    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0) {
            fprintf(2, "cat: cannot open %s\n", argv[i]);
            failed = 1;
            continue;
        }
        failed |= copy(fd);
        close(fd);
    }
    return failed;
}
