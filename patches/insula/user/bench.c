/* SPDX-License-Identifier: MIT */
/* bench [rounds]: what the kernel's services cost, in ticks of the time-stamp counter, the best of
 * the rounds; the same program natively and elsewhere, so that the columns can be compared. */
#include "user.h"

static unsigned long now(void)
{
    unsigned low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (unsigned long)high << 32 | low;
}

static void null_call(void)
{
    getpid();
}

static void fork_exit(void)
{
    if (fork() == 0)
        exit(0);
    wait(NULL);
}

static void fork_exec(void)
{
    char *const arguments[] = { (char *)(uintptr_t)"true", NULL };

    if (fork() == 0) {
        exec("/bin/true", arguments);
        exit(1);
    }
    wait(NULL);
}

static int ping_pong[4];
static void round_trip(void)
{
    char c = 'x';

    write(ping_pong[1], &c, 1);
    read(ping_pong[2], &c, 1);
}

static void start_partner(void)
{
    char c;

    pipe(ping_pong);
    pipe(ping_pong + 2);
    if (fork() == 0)
        for (;;) {
            if (read(ping_pong[0], &c, 1) != 1)
                exit(0);
            write(ping_pong[3], &c, 1);
        }
}

enum { PAGES = 16 };
static void touch_pages(void)
{
    char *heap = sbrk(PAGES * 4096);

    for (int i = 0; i < PAGES; i++)
        heap[i * 4096] = 1;
    sbrk(-PAGES * 4096);
}

static char block[4096];
static void write_block(void)
{
    int fd = open("/bench.tmp", O_WRONLY | O_CREATE | O_TRUNC);

    for (int i = 0; i < 4; i++)
        write(fd, block, sizeof block);
    close(fd);
}

static void write_sync(void)
{
    write_block();
    sync();
}

static void nothing(void)
{
}
static void disk_quiet(void)
{
    sync();
}

/* `before` is not measured. */
static void measure(const char *name, void (*before)(void), void (*operation)(void),
                    unsigned rounds, unsigned per)
{
    unsigned long best = ~0ul;

    for (unsigned i = 0; i < rounds; i++) {
        before();
        unsigned long start = now();
        operation();
        unsigned long took = now() - start;
        if (took < best)
            best = took;
    }
    printf("bench: %s %lu\n", name, best / per);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atol(argv[1]) : 30;

    measure("null_call", nothing, null_call, rounds, 1);
    measure("fork_exit_wait", nothing, fork_exit, rounds, 1);
    measure("fork_exec_wait", nothing, fork_exec, rounds, 1);
    start_partner();
    measure("pipe_round_trip", nothing, round_trip, rounds, 1);
    measure("page_fault", nothing, touch_pages, rounds, PAGES);
    measure("file_write_4k", disk_quiet, write_block, rounds / 3 + 1, 4);
    measure("file_write_sync", disk_quiet, write_sync, rounds / 3 + 1, 1);
    unlink("/bench.tmp");
    printf("bench: done\n");
    return 0;
}
