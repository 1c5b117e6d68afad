/* SPDX-License-Identifier: MIT */
/* ping address [count]: one echo request a second, or as fast as they are answered with a third
 * argument. */
#include "user.h"

int main(int argc, char **argv)
{
    unsigned ip = argc > 1 ? parse_ip(argv[1]) : 0;
    int count = argc > 2 ? (int)atol(argv[2]) : 4, answered = 0;

    if (!ip) {
        fprintf(2, "usage: ping a.b.c.d [count [fast]]\n");
        return 2;
    }
    for (int i = 1; i <= count; i++) {
        long before = uptime();
        int error = ping(ip, (unsigned short)i, 1000);
        if (error)
            printf("ping: seq=%d %s\n", i,
                   error == -ETIMEDOUT      ? "timeout"
                   : error == -EHOSTUNREACH ? "unreachable"
                                            : "error");
        else
            printf("ping: reply from %s seq=%d time<%ld ms\n", argv[1], i, uptime() - before + 10);
        answered += !error;
        if (i < count && argc < 4)
            sleep(1000);
    }
    printf("ping: %d sent, %d answered\n", count, answered);
    return answered == 0;
}
