/* SPDX-License-Identifier: MIT */
/* wc [file]: lines, words and bytes. */
#include "user.h"

int main(int argc, char **argv)
{
    int fd = argc > 1 ? open(argv[1], O_RDONLY) : 0, n;
    unsigned lines = 0, words = 0, bytes = 0;
    bool inside = false;
    char buffer[512];

    if (fd < 0) {
        fprintf(2, "wc: cannot open %s\n", argv[1]);
        return 1;
    }
    while ((n = read(fd, buffer, sizeof buffer)) > 0) {
        bytes += (unsigned)n;
        for (int i = 0; i < n; i++) {
            bool space = buffer[i] == ' ' || buffer[i] == '\n' || buffer[i] == '\t';
            lines += buffer[i] == '\n';
            words += !space && !inside;
            inside = !space;
        }
    }
    printf("%u %u %u\n", lines, words, bytes);
    return 0;
}
