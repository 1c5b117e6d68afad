/* SPDX-License-Identifier: MIT */
/* udpsend address port text [tries]: sends the text and waits a second for an answer; tries again
 * if none comes. */
#include "user.h"

int main(int argc, char **argv)
{
    char answer[256];
    int fd = socket(0), tries = argc > 4 ? (int)atol(argv[4]) : 3;

    if (argc < 4 || fd < 0) {
        fprintf(2,
                argc < 4 ? "usage: udpsend a.b.c.d port text [tries]\n" : "udpsend: no socket\n");
        return 2;
    }
    struct address to = { parse_ip(argv[1]), (uint16_t)atol(argv[2]) }, from;
    for (int i = 0; i < tries; i++) {
        int n = sendto(fd, &to, argv[3], (unsigned)strlen(argv[3]));
        if (n >= 0)
            n = recvfrom(fd, &from, answer, sizeof answer - 1, 1000);
        if (n < 0) {
            printf("udpsend: try %d: error %d\n", i + 1, -n);
            sleep(200);
            continue;
        }
        answer[n] = 0;
        printf("udpsend: answer from %u.%u.%u.%u:%u: %s\n", from.ip >> 24, from.ip >> 16 & 255,
               from.ip >> 8 & 255, from.ip & 255, from.port, answer);
        return 0;
    }
    return 1;
}
