/* SPDX-License-Identifier: MIT */
/*
 * Work for a Linux guest to do, and to be measured by: one static program in the initramfs, the
 * same on Domus and on real Xen.
 *
 *   work disk DEVICE read|write BYTES COUNT seq|rand   direct I/O, one request at a time; prints
 *                                                      "DISK <MB/s>"
 *   work receive PORT [fast]                           takes one TCP connection; prints "RECEIVED
 *                                                      <bytes> <Mbit/s> <checksum>"
 *   work send ADDRESS PORT MIB [fast]                  the other side; prints "SENT <bytes>
 *                                                      <Mbit/s> <checksum>" fast: neither fills
 *                                                      what it sends nor sums it, to measure the
 *                                                      way alone
 *   work check SECONDS                                 processes, signals, mappings, threads,
 *                                                      floating point, AVX, int 0x80, single-step,
 *                                                      clocks, page faults, all at once, with
 *                                                      results checked
 * Rates are of CLOCK_MONOTONIC. Exit status 0 when all went well; what did not is on stderr.
 */
#define _GNU_SOURCE
#include "job.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cpuid.h>
#include <linux/fs.h>

/* ---- disk ---- */

static int disk(const char *device, int writing, size_t bytes, unsigned long count, int random)
{
    int fd = open(device, O_DIRECT | (writing ? O_WRONLY : O_RDONLY));
    uint64_t size, seed = 1, units;
    double start;
    void *buffer;

    if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) != 0)
        fail(device);
    if (posix_memalign(&buffer, 4096, bytes) != 0)
        fail("memory");
    memset(buffer, 0x5a, bytes);
    units = size / bytes;
    if (units == 0)
        fail("the disk is too small");
    start = now();
    for (unsigned long i = 0; i < count; i++) {
        off_t at = (off_t)((random ? next_random(&seed) % units : i % units) * bytes);
        ssize_t done = writing ? pwrite(fd, buffer, bytes, at) : pread(fd, buffer, bytes, at);

        if (done != (ssize_t)bytes)
            fail(writing ? "write" : "read");
    }
    if (writing && fsync(fd) != 0)
        fail("fsync");
    printf("DISK %.2f\n", (double)bytes * (double)count / (now() - start) / 1e6);
    return 0;
}

/* ---- TCP ---- */

#define CHUNK 65536

static uint64_t checksum(uint64_t sum, const uint64_t *words, size_t bytes)
{
    for (size_t i = 0; i < bytes / 8; i++)
        sum = (sum << 1 | sum >> 63) ^ words[i];
    return sum;
}

static int receive(int port, int fast)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;
    static uint64_t chunk[CHUNK / 8];
    uint64_t bytes = 0, sum = 0;
    size_t filled = 0;
    double start = 0;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 1) != 0)
        fail("listen");
    fd = accept(listener, NULL, NULL);
    if (fd < 0)
        fail("accept");
    /* who comes next waits for the next of us, and is not cut off when we end */
    close(listener);
    start = now();
    for (;;) {
        ssize_t n = read(fd, (char *)chunk + filled, CHUNK - filled);

        if (n < 0)
            fail("read from the socket");
        if (n == 0)
            break;
        filled += (size_t)n;
        bytes += (uint64_t)n;
        if (filled == CHUNK) {
            if (!fast)
                sum = checksum(sum, chunk, CHUNK);
            filled = 0;
        }
    }
    printf("RECEIVED %lu %.1f %016lx\n", bytes, (double)bytes * 8e-6 / (now() - start), sum);
    return 0;
}

static int send_to(const char *host, int port, unsigned long mib, int fast)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    static uint64_t chunk[CHUNK / 8];
    uint64_t seed = 7, sum = 0, bytes = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    double start;

    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        fail(host);
    for (int tries = 0; connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0; tries++) {
        if (tries == 600)                       /* a minute: whoever is to listen may be slow */
            fail("connect");
        usleep(100000);
        close(fd);
        fd = socket(AF_INET, SOCK_STREAM, 0);
    }
    start = now();
    for (unsigned long i = 0; i < mib * (1048576 / CHUNK); i++) {
        for (size_t w = 0; w < CHUNK / 8 && !fast; w += 64)
            chunk[w] = next_random(&seed);
        if (!fast)
            sum = checksum(sum, chunk, CHUNK);
        for (size_t at = 0; at < CHUNK;) {
            ssize_t n = write(fd, (char *)chunk + at, CHUNK - at);

            if (n <= 0)
                fail("write to the socket");
            at += (size_t)n;
        }
        bytes += CHUNK;
    }
    shutdown(fd, SHUT_WR);
    /* its close: everything has arrived */
    if (read(fd, chunk, 1) < 0)
        fail("the other side");
    printf("SENT %lu %.1f %016lx\n", bytes, (double)bytes * 8e-6 / (now() - start), sum);
    return 0;
}

/* ---- system calls in anger: each function runs in a process of its own until time is up ---- */

static double deadline;

static void forks(void)
{
    while (now() < deadline) {
        int status;
        pid_t child = fork();

        if (child < 0)
            fail("fork");
        if (child == 0) {
            execl("/proc/self/exe", "work", "answer", NULL);
            _exit(1);
        }
        if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 42)
            fail("fork, exec, wait");
    }
}

static volatile sig_atomic_t caught;
static void on_signal(int number)
{
    caught += number == SIGUSR1;
}

static void signals(void)
{
    signal(SIGUSR1, on_signal);
    for (sig_atomic_t sent = 0; now() < deadline;) {
        kill(getpid(), SIGUSR1);
        if (caught != ++sent)
            fail("a signal to myself");
    }
}

static void mappings(void)
{
    uint64_t seed = (uint64_t)getpid();

    while (now() < deadline) {
        size_t pages = 1 + next_random(&seed) % 300;
        unsigned char *area = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (area == MAP_FAILED)
            fail("mmap");
        /* a fault each */
        for (size_t i = 0; i < pages; i++)
            area[i * 4096] = (unsigned char)i;
        /* not present, and not gone */
        if (mprotect(area, pages * 4096, PROT_NONE) != 0)
            fail("mprotect");
        /* where there is swap space */
        madvise(area, pages * 4096, MADV_PAGEOUT);
        if (mprotect(area, pages * 4096, PROT_READ) != 0)
            fail("mprotect");
        for (size_t i = 0; i < pages; i++)
            if (area[i * 4096] != (unsigned char)i)
                fail("memory changed");
        if (munmap(area, pages * 4096) != 0)
            fail("munmap");
    }
}

static uint64_t counter;
static pthread_mutex_t counter_lock = PTHREAD_MUTEX_INITIALIZER;

static void *count(void *unused)
{
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&counter_lock);
        counter++;
        pthread_mutex_unlock(&counter_lock);
    }
    return unused;
}

static void threads(void)
{
    while (now() < deadline) {
        pthread_t thread[4];

        counter = 0;
        for (int i = 0; i < 4; i++)
            if (pthread_create(&thread[i], NULL, count, NULL) != 0)
                fail("pthread_create");
        for (int i = 0; i < 4; i++)
            pthread_join(thread[i], NULL);
        if (counter != 4000)
            fail("counting in four threads");
    }
}

/* Several processes run this at once: whoever gets another's registers computes something else. */
static void floating(void)
{
    volatile double start = 1.0 + getpid() * 1e-3;
    double want = 0;

    for (int round = 0; now() < deadline; round++) {
        double x = start;

        for (int i = 0; i < 200000; i++)
            x = x * 1.0000001 + sqrt(x) * 1e-9;
        if (round == 0)
            want = x;
        else if (x != want)
            fail("floating point");
    }
}

__attribute__((target("avx"))) static void avx(void)
{
    typedef float v8 __attribute__((vector_size(32)));
    float seed = (float)getpid();

    while (now() < deadline) {
        v8 a = { seed, 1, 2, 3, 4, 5, 6, 7 }, b = a;

        for (int i = 0; i < 100000; i++) {
            b = b + a;
            b = b - a;
            __asm__ volatile("" : "+x"(a), "+x"(b));        /* keeps both in YMM registers */
        }
        for (int i = 0; i < 8; i++)
            if (b[i] != a[i])
                fail("AVX registers");
    }
}

/* The 32-bit system call of a 64-bit process: getpid is number 20 there. */
static void int80(void)
{
    while (now() < deadline)
        for (int i = 0; i < 1000; i++) {
            long result;

            __asm__ volatile("int $0x80"
                             : "=a"(result)
                             : "0"(20L)
                             : "r8", "r9", "r10", "r11", "memory");
            if (result != getpid())
                fail("int 0x80");
        }
}

static void single_step(void)
{
    while (now() < deadline) {
        int status, steps = 0;
        pid_t child = fork();

        if (child == 0) {
            ptrace(PTRACE_TRACEME, 0, NULL, NULL);
            raise(SIGSTOP);
            for (volatile int i = 0; i < 50; i++) {}
            _exit(0);
        }
        if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
            fail("a traced child");
        for (; !WIFEXITED(status); steps++) {
            if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0)
                fail("single step");
            waitpid(child, &status, 0);
        }
        if (steps < 150)
            fail("too few single steps");
    }
}

static void clocks(void)
{
    struct timespec last = { 0, 0 };

    while (now() < deadline)
        for (int i = 0; i < 10000; i++) {
            struct timespec t;

            clock_gettime(CLOCK_MONOTONIC, &t);
            if (t.tv_sec < last.tv_sec || (t.tv_sec == last.tv_sec && t.tv_nsec < last.tv_nsec))
                fail("the clock went back");
            last = t;
        }
}

/* Faults are answered by a handler that opens the page. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (mprotect((void *)((uintptr_t)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE) != 0)
        _exit(1);
}

static void faults(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
    while (now() < deadline) {
        volatile char *area = mmap(NULL, 64 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        for (int i = 0; i < 64; i++)
            area[i * 4096] = 1;
        munmap((void *)area, 64 * 4096);
    }
}

static int have_avx(void)
{
    unsigned int a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE) && (c & bit_AVX);
}

static int check(double seconds)
{
    static const struct { const char *name; void (*run)(void);
    } jobs[] = {
        { "forks", forks },
        { "signals", signals },
        { "mappings", mappings },
        { "threads", threads },
        { "floating", floating },
        { "floating", floating },
        { "floating", floating },
        { "avx", avx },
        { "avx", avx },
        { "int80", int80 },
        { "single_step", single_step },
        { "clocks", clocks },
        { "faults", faults },
    };
    enum { JOBS = sizeof(jobs) / sizeof(jobs[0]) };
    pid_t pids[JOBS];
    int bad = 0;

    deadline = now() + seconds;
    for (int i = 0; i < JOBS; i++) {
        pids[i] = fork();
        if (pids[i] < 0)
            fail("fork");
        if (pids[i] == 0) {
            errno = 0;
            if (jobs[i].run != avx || have_avx())
                jobs[i].run();
            _exit(0);
        }
    }
    for (int i = 0; i < JOBS; i++) {
        int status;

        waitpid(pids[i], &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "work: %s ended with status %x\n", jobs[i].name, status);
            bad = 1;
        }
    }
    printf("CHECK %s%s\n", bad ? "FAILED" : "PASSED", have_avx() ? "" : " (no AVX here)");
    return bad;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && !strcmp(argv[1], "answer")) return 42;
    if (argc == 7 && !strcmp(argv[1], "disk"))
        return disk(argv[2], !strcmp(argv[3], "write"), strtoul(argv[4], NULL, 0),
                    strtoul(argv[5], NULL, 0), !strcmp(argv[6], "rand"));
    if (argc >= 3 && !strcmp(argv[1], "receive"))
        return receive(atoi(argv[2]), argc == 4 && !strcmp(argv[3], "fast"));
    if (argc >= 5 && !strcmp(argv[1], "send"))
        return send_to(argv[2], atoi(argv[3]), strtoul(argv[4], NULL, 0),
                       argc == 6 && !strcmp(argv[5], "fast"));
    if (argc == 3 && !strcmp(argv[1], "check")) return check(atof(argv[2]));
    fprintf(stderr, "usage: work disk DEVICE read|write BYTES COUNT seq|rand | receive PORT [fast] "
                    "| send ADDRESS PORT MIB [fast] | check SECONDS\n");
    return 2;
}
