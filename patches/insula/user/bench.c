/* SPDX-License-Identifier: MIT */
/* bench [rounds [row...]]: what the kernel's services cost, in ticks of the time-stamp counter, the
 * best of the rounds; the same program natively and elsewhere, so that the columns can be compared.
 */
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

static void fork_shell(void)
{
    char *const arguments[] = { (char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c",
                                (char *)(uintptr_t)"true", NULL };

    if (fork() == 0) {
        exec("/bin/sh", arguments);
        exit(1);
    }
    wait(NULL);
}

/* Who takes part in a row, for ever. */
static int partners[16];
static unsigned partner_count;
static bool is_partner(void)
{
    int pid = fork();

    if (pid != 0)
        partners[partner_count++] = pid;
    return pid == 0;
}

static void dismiss_partners(void)
{
    while (partner_count) {
        kill(partners[--partner_count]);
        wait(NULL);
    }
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
    if (is_partner())
        for (;;) {
            if (read(ping_pong[0], &c, 1) != 1)
                exit(0);
            write(ping_pong[3], &c, 1);
        }
}

/* A ring of processes: a byte goes once around, so each is switched to once. */
enum { RING = 8 };
static int into_ring, out_of_ring;
static void around(void)
{
    char c = 'x';

    write(into_ring, &c, 1);
    read(out_of_ring, &c, 1);
}

static void pass_on(int from, int to)
{
    char c;

    for (;;)
        if (read(from, &c, 1) != 1 || write(to, &c, 1) != 1)
            exit(0);
}

static void start_ring(void)
{
    int ends[2];

    pipe(ends);
    into_ring = ends[1];
    out_of_ring = ends[0];
    for (int i = 1; i < RING; i++) {
        pipe(ends);
        if (is_partner())
            pass_on(out_of_ring, ends[1]);
        close(out_of_ring);
        close(ends[1]);
        out_of_ring = ends[0];
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

static void stat_file(void)
{
    struct stat stat;

    fstat(0, &stat);
}

static void open_close(void)
{
    close(open("/bin/true", O_RDONLY));
}

static void create_delete(void)
{
    close(open("/bench.new", O_WRONLY | O_CREATE));
    unlink("/bench.new");
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

/* `before` is not measured; a run of the operation is `per` of what the row is named after. Rounds
 * unless some are asked for: what waits for the disk has less. */
static const struct row {
    const char *name;
    void (*prepare)(void), (*before)(void), (*operation)(void);
    unsigned per, rounds;
} rows[] = {
    { "nothing", nothing, nothing, nothing, 1, 30 },
    { "null_call", nothing, nothing, null_call, 1, 30 },
    { "fstat", nothing, nothing, stat_file, 1, 30 },
    { "open_close", nothing, nothing, open_close, 1, 30 },
    { "file_create_delete", nothing, nothing, create_delete, 1, 30 },
    { "fork_exit_wait", nothing, nothing, fork_exit, 1, 30 },
    { "fork_exec_wait", nothing, nothing, fork_exec, 1, 30 },
    { "fork_shell_wait", nothing, nothing, fork_shell, 1, 30 },
    { "pipe_round_trip", start_partner, nothing, round_trip, 1, 30 },
    { "ring_of_8", start_ring, nothing, around, RING, 30 },
    { "page_fault", nothing, nothing, touch_pages, PAGES, 30 },
    { "file_write_4k", nothing, disk_quiet, write_block, 4, 11 },
    { "file_write_sync", nothing, disk_quiet, write_sync, 1, 11 },
};

static void measure(const struct row *row, unsigned rounds)
{
    unsigned long best = ~0ul;

    row->prepare();
    for (unsigned i = 0; i < rounds; i++) {
        row->before();
        unsigned long start = now();
        row->operation();
        unsigned long took = now() - start;
        if (took < best)
            best = took;
    }
    printf("bench: %s %lu\n", row->name, best / row->per);
}

static bool named(const char *name, int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc <= 2;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atol(argv[1]) : 0;

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (named(rows[i].name, argc, argv))
            measure(&rows[i], rounds ? rounds : rows[i].rounds);
    dismiss_partners();
    unlink("/bench.tmp");
    printf("bench: done\n");
    return 0;
}
