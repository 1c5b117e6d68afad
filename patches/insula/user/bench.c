/* SPDX-License-Identifier: MIT */
/* bench [rounds [row...]]: what the kernel's services cost, in ticks of the time-stamp counter, the
 * best of the rounds; the same program natively and elsewhere, so that the columns can be compared.
 * Rows that want a real disk or a card are measured only if they are named.
 */
#include "user.h"

/* `before` is not measured; a run of the operation is `per` of what the row is named after. Rounds
 * unless some are asked for: what waits for the disk has less; 0: only if it is named. */
struct row {
    const char *name;
    void (*prepare)(void), (*before)(void), (*operation)(void);
    unsigned per, rounds, kib;          /* kib: what each of a ring looks at when it has its turn */
};
static const struct row *measured;

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

/* And what was opened and taken for them. */
static void dismiss_partners(void)
{
    while (partner_count) {
        kill(partners[--partner_count]);
        wait(NULL);
    }
    for (int fd = 3; fd < 16; fd++)
        close(fd);
    sbrk(-(long)measured->kib * 1024);
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

/* A ring of processes: a byte goes once around, so each is switched to once, and looks at memory of
 * its own. */
static int into_ring, out_of_ring;
static unsigned long *memory;
static volatile unsigned long seen;
static void look(void)
{
    unsigned long sum = 0;

    for (unsigned i = 0; i < measured->kib * 1024 / sizeof(long); i++)
        sum += memory[i];
    seen = sum;
}

static void around(void)
{
    char c = 'x';

    look();
    write(into_ring, &c, 1);
    read(out_of_ring, &c, 1);
}

static void pass_on(int from, int to)
{
    char c;

    for (;;) {
        if (read(from, &c, 1) != 1)
            exit(0);
        look();
        if (write(to, &c, 1) != 1)
            exit(0);
    }
}

static void start_ring(void)
{
    int ends[2];

    pipe(ends);
    into_ring = ends[1];
    out_of_ring = ends[0];
    memory = sbrk(measured->kib * 1024);
    memset(memory, 1, measured->kib * 1024);
    for (unsigned i = 1; i < measured->per; i++) {
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

static void grow_shrink(void)
{
    sbrk(PAGES * 4096);
    sbrk(-PAGES * 4096);
}

static void stat_file(void)
{
    struct stat stat;

    fstat(0, &stat);
}

static void stat_named(void)
{
    struct stat stat;
    int fd = open("/bin/true", O_RDONLY);

    fstat(fd, &stat);
    close(fd);
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
static void write_blocks(unsigned count)
{
    int fd = open("/bench.tmp", O_WRONLY | O_CREATE | O_TRUNC);

    for (unsigned i = 0; i < count; i++)
        write(fd, block, sizeof block);
    close(fd);
}

static void write_block(void)
{
    write_blocks(4);
}

static void write_sync(void)
{
    write_block();
    sync();
}

/* To the disk, 256 KiB; and from it, more than the kernel's cache of 1 MiB keeps. */
enum { WRITTEN = 64, READ = 300 };
static void disk_write(void)
{
    write_blocks(WRITTEN);
    sync();
}

static void disk_prepare(void)
{
    write_blocks(READ);
    sync();
}

static void disk_read(void)
{
    int fd = open("/bench.tmp", O_RDONLY);

    while (read(fd, block, sizeof block) == sizeof block)
        continue;
    close(fd);
}

/* Full frames to a service that says no to each at once, in a few bytes: the router's TFTP, asked
 * for a file without a name. */
enum { WINDOW = 4, FRAMES = 32 };
static int asking;
static void net_prepare(void)
{
    block[1] = 1;
    asking = socket(0);
}

static void net_ask(int count)
{
    static const struct address router = { 0x0a000202, 69 };

    for (int i = 0; i < count; i++)
        sendto(asking, &router, block, UDP_MAX);
}

static void net_hear(int count)
{
    char answer[64];

    for (int i = 0; i < count; i++)
        recvfrom(asking, NULL, answer, sizeof answer, 0);
}

static void net_round_trip(void)
{
    net_ask(1);
    net_hear(1);
}

static void net_send(void)
{
    for (int i = 0; i < FRAMES / WINDOW; i++) {
        net_ask(WINDOW);
        net_hear(WINDOW);
    }
}

static void nothing(void)
{
}

static void disk_quiet(void)
{
    sync();
}

static const struct row rows[] = {
    { "nothing", nothing, nothing, nothing, 1, 30, 0 },
    { "null_call", nothing, nothing, null_call, 1, 30, 0 },
    { "fstat", nothing, nothing, stat_file, 1, 30, 0 },
    { "stat", nothing, nothing, stat_named, 1, 30, 0 },
    { "open_close", nothing, nothing, open_close, 1, 30, 0 },
    { "file_create_delete", nothing, nothing, create_delete, 1, 30, 0 },
    { "fork_exit_wait", nothing, nothing, fork_exit, 1, 30, 0 },
    { "fork_exec_wait", nothing, nothing, fork_exec, 1, 30, 0 },
    { "fork_shell_wait", nothing, nothing, fork_shell, 1, 30, 0 },
    { "pipe_round_trip", start_partner, nothing, round_trip, 1, 30, 0 },
    { "ring_2_0", start_ring, nothing, around, 2, 30, 0 },
    { "ring_2_16", start_ring, nothing, around, 2, 30, 16 },
    { "ring_2_64", start_ring, nothing, around, 2, 30, 64 },
    { "ring_8_0", start_ring, nothing, around, 8, 30, 0 },
    { "ring_8_16", start_ring, nothing, around, 8, 30, 16 },
    { "ring_8_64", start_ring, nothing, around, 8, 30, 64 },
    { "ring_16_0", start_ring, nothing, around, 16, 30, 0 },
    { "ring_16_16", start_ring, nothing, around, 16, 30, 16 },
    { "ring_16_64", start_ring, nothing, around, 16, 30, 64 },
    { "heap_grow_shrink", nothing, nothing, grow_shrink, 1, 30, 0 },
    { "page_fault", nothing, nothing, touch_pages, PAGES, 30, 0 },
    { "file_write_4k", nothing, disk_quiet, write_block, 4, 11, 0 },
    { "file_write_sync", nothing, disk_quiet, write_sync, 1, 11, 0 },
    { "disk_write", nothing, disk_quiet, disk_write, WRITTEN, 0, 0 },
    { "disk_read", disk_prepare, nothing, disk_read, READ, 0, 0 },
    { "net_round_trip", net_prepare, nothing, net_round_trip, 1, 0, 0 },
    { "net_send", net_prepare, nothing, net_send, FRAMES, 0, 0 },
};

static void measure(const struct row *row, unsigned rounds)
{
    unsigned long best = ~0ul;

    measured = row;
    row->prepare();
    for (unsigned i = 0; i < rounds; i++) {
        row->before();
        unsigned long start = now();
        row->operation();
        unsigned long took = now() - start;
        if (took < best)
            best = took;
    }
    dismiss_partners();
    printf("bench: %s %lu\n", row->name, best / row->per);
}

static bool wanted(const struct row *row, int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], row->name) == 0)
            return true;
    return argc <= 2 && row->rounds;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atol(argv[1]) : 0;

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (wanted(&rows[i], argc, argv))
            measure(&rows[i], rounds ? rounds : rows[i].rounds);
    unlink("/bench.tmp");
    printf("bench: done\n");
    return 0;
}
