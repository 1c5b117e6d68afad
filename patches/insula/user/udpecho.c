/* SPDX-License-Identifier: MIT */
/* udpecho [port [count]]: sends every UDP packet back to where it came from; ends after `count` (0:
 * never). */
#include "user.h"

int main(int argc, char **argv)
{
    static char data[UDP_MAX];
    unsigned short port = argc > 1 ? (unsigned short)atol(argv[1]) : 7;
    long count = argc > 2 ? atol(argv[2]) : 0;
    int fd = socket(port), n;

    if (fd < 0) {
        fprintf(2, "udpecho: no socket: error %d\n", -fd);
        return 1;
    }
    printf("udpecho: listening on port %u\n", port);
    for (long i = 0; !count || i < count; i++) {
        struct address from;
        n = recvfrom(fd, &from, data, sizeof data, 0);
        if (n < 0) return 1;
        printf("udpecho: %d bytes from %u.%u.%u.%u:%u\n", n, from.ip >> 24, from.ip >> 16 & 255,
               from.ip >> 8 & 255, from.ip & 255, from.port);
        sendto(fd, &from, data, (unsigned)n);
    }
    return 0;
}
