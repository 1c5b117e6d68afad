/* SPDX-License-Identifier: MIT */
/* grep text [file]: the lines that hold it; status 1 if none does. */
#include "user.h"

int main(int argc, char **argv)
{
    int fd = argc > 2 ? open(argv[2], O_RDONLY) : 0, found = 0;
    char line[256];

    if (argc < 2 || fd < 0) {
        fprintf(2, "grep: cannot open %s\n", argc > 2 ? argv[2] : "nothing");
        return 2;
    }
    while (read_line(fd, line, sizeof line) >= 0) {
        if (strstr(line, argv[1])) {
            printf("%s\n", line);
            found = 1;
        }
    }
    return !found;
}
