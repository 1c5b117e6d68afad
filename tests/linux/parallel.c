/* SPDX-License-Identifier: MIT */
/*
 * Work that processes and threads of a Linux guest do together, so that its CPUs have to agree: one
 * static program in the initramfs, beside work.c, whose jobs are each for itself.
 *
 *   parallel SECONDS [JOB...]      all jobs at once, or those that are named, each in a process of
 *                                  its own; says "PARALLEL PASSED job=<rounds> ..." or FAILED
 *
 * Each job checks all its results, and whatever it has several of moves from CPU to CPU by itself.
 * Exit status 0 when all went well; what did not is on stderr.
 */
#define _GNU_SOURCE
#include "job.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE    4096u
#define HELPERS 4u              /* threads or processes of a job */

static double deadline;
static _Atomic unsigned long *rounds;   /* of this job; the parent's to read */

/* However slow the machine is, each job does something. */
static int going(void)
{
    return now() < deadline || *rounds == 0;
}

/* To some CPU; one that is not there, or no more, is refused, and that is all right. */
static void move(uint64_t *seed)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(next_random(seed) % (unsigned long)sysconf(_SC_NPROCESSORS_CONF), &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0 && errno != EINVAL)
        fail("sched_setaffinity");
    errno = 0;
}

static void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        fail("mmap of shared memory");
    return memory;
}

static void wait_for(pid_t child, const char *what)
{
    int status;

    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        errno = 0;
        fail(what);
    }
}

static void run_threads(void *(*body)(void *number))
{
    pthread_t thread[HELPERS];

    for (uintptr_t i = 0; i < HELPERS; i++)
        if (pthread_create(&thread[i], NULL, body, (void *)i) != 0)
            fail("pthread_create");
    for (unsigned int i = 0; i < HELPERS; i++)
        pthread_join(thread[i], NULL);
}

/* ---- processes: what a child writes its parent does not see, and the other way round ---- */

static void child_of(const uint32_t *mine, size_t words, uint32_t round)
{
    static uint32_t copy[1 << 16];

    memcpy(copy, mine, words * sizeof(*copy));
    for (size_t i = 0; i < words; i++)
        if (copy[i] != round + i)
            _exit(1);
    _exit(0);
}

static void processes(void)
{
    static uint32_t mine[1 << 16];
    size_t words = sizeof(mine) / sizeof(*mine);
    uint64_t seed = 1;

    for (uint32_t round = 0; going(); round++) {
        pid_t child[HELPERS];

        for (size_t i = 0; i < words; i++)
            mine[i] = round + (uint32_t)i;
        for (unsigned int i = 0; i < HELPERS; i++) {
            child[i] = fork();
            if (child[i] < 0)
                fail("fork");
            if (child[i] == 0)
                child_of(mine, words, round);
        }
        move(&seed);
        memset(mine, 0, sizeof(mine));          /* while they still read what it was */
        for (unsigned int i = 0; i < HELPERS; i++)
            wait_for(child[i], "a child's copy of memory");
        ++*rounds;
    }
}

/* ---- pipes: a block goes through a chain of processes, each of which changes it ---- */

static void all_of(ssize_t (*step)(int, void *, size_t), int fd, uint8_t *bytes, size_t length)
{
    while (length) {
        ssize_t n = step(fd, bytes, length);

        if (n <= 0)
            fail("a pipe");
        bytes += n;
        length -= (size_t)n;
    }
}

static ssize_t put(int fd, void *bytes, size_t length)
{
    return write(fd, bytes, length);
}

static void link_of_chain(int from, int to, uint8_t key)
{
    static uint8_t block[20000];
    uint64_t seed = key;

    for (;;) {
        ssize_t n = read(from, block, 1 + next_random(&seed) % sizeof(block));

        if (n < 0)
            fail("a pipe");
        if (n == 0)
            _exit(0);
        for (ssize_t i = 0; i < n; i++)
            block[i] ^= key;
        all_of(put, to, block, (size_t)n);
        move(&seed);
    }
}

/* Closes what is not its own, or the chain would never see its end. */
static int chain(int from, pid_t *children)
{
    for (unsigned int i = 0; i < HELPERS; i++) {
        int pair[2];

        if (pipe2(pair, O_CLOEXEC) != 0 || (children[i] = fork()) < 0)
            fail("pipe and fork");
        if (children[i] == 0) {
            close(pair[0]);
            link_of_chain(from, pair[1], (uint8_t)(1 << i));
        }
        close(from);
        close(pair[1]);
        from = pair[0];
    }
    return from;
}

static void pipes(void)
{
    static uint8_t sent[60000], back[sizeof(sent)];
    uint64_t seed = 3;

    while (going()) {
        int head[2], tail;
        pid_t children[HELPERS], writer;

        for (size_t i = 0; i < sizeof(sent); i++)
            sent[i] = (uint8_t)next_random(&seed);
        if (pipe2(head, O_CLOEXEC) != 0 || (writer = fork()) < 0)
            fail("pipe and fork");
        if (writer == 0) {
            close(head[0]);
            for (int i = 0; i < 4; i++)
                all_of(put, head[1], sent, sizeof(sent));
            _exit(0);
        }
        close(head[1]);
        tail = chain(head[0], children);
        for (int i = 0; i < 4; i++) {
            all_of(read, tail, back, sizeof(back));
            for (size_t at = 0; at < sizeof(back); at++)
                if (back[at] != (sent[at] ^ ((1 << HELPERS) - 1)))
                    fail("what came out of the pipes");
        }
        if (read(tail, back, 1) != 0)
            fail("the end of the pipes");
        close(tail);
        wait_for(writer, "the first of the chain");
        for (unsigned int i = 0; i < HELPERS; i++)
            wait_for(children[i], "one of the chain");
        ++*rounds;
    }
}

/* ---- files: several processes write parts of one, others are made, renamed and deleted ---- */

#define PART (64 * 1024)

static void write_part(int fd, unsigned int part, uint8_t value)
{
    static uint8_t bytes[PART];
    uint64_t seed = part;

    move(&seed);
    memset(bytes, value + (int)part, sizeof(bytes));
    for (size_t at = 0; at < PART; at += 4096)
        if (pwrite(fd, bytes + at, 4096, (off_t)(part * PART + at)) != 4096)
            _exit(1);
    _exit(0);
}

static void make_and_rename(unsigned int number)
{
    char name[64], other[64];
    int fd;

    snprintf(name, sizeof(name), "parallel.%u.new", number);
    snprintf(other, sizeof(other), "parallel.%u", number);
    for (int i = 0; i < 20; i++) {
        fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (fd < 0 || write(fd, &number, sizeof(number)) != sizeof(number) || close(fd) != 0 ||
            rename(name, other) != 0)
            _exit(1);
    }
    _exit(unlink(other) != 0);
}

static void files(void)
{
    unsigned int round = 0;
    int fd = open("parallel.shared", O_CREAT | O_TRUNC | O_RDWR, 0600);
    uint8_t *seen;

    if (fd < 0 || ftruncate(fd, HELPERS * PART) != 0)
        fail("a shared file");
    seen = mmap(NULL, HELPERS * PART, PROT_READ, MAP_SHARED, fd, 0);
    if (seen == MAP_FAILED)
        fail("mmap of a file");
    for (; going(); round++) {
        pid_t child[2 * HELPERS];

        for (unsigned int i = 0; i < 2 * HELPERS; i++) {
            child[i] = fork();
            if (child[i] < 0)
                fail("fork");
            if (child[i] == 0 && i < HELPERS)
                write_part(fd, i, (uint8_t)round);
            if (child[i] == 0)
                make_and_rename(i);
        }
        for (unsigned int i = 0; i < 2 * HELPERS; i++)
            wait_for(child[i], i < HELPERS ? "writing a part" : "making and renaming");
        for (size_t at = 0; at < HELPERS * PART; at++)
            if (seen[at] != (uint8_t)(round + at / PART))
                fail("what is mapped of a file");
        ++*rounds;
    }
    unlink("parallel.shared");
}

/* ---- mappings: pages change under those who read them: nobody may see one that was before ---- */

static _Atomic uint64_t turn;           /* odd while the page is another and has no value yet */
static volatile uint64_t *page;
static atomic_int over;

static void *look(void *number)
{
    uint64_t seed = (uintptr_t)number;

    for (unsigned long i = 0; !over; i++) {
        uint64_t before = turn, value = *page;

        if (before % 2 == 0 && turn == before && value != before)
            fail("a page that was there before");
        if (i % 5000 == 0)
            move(&seed);
    }
    return NULL;
}

static void *map_anew(void *unused)
{
    for (uint64_t seed = 5; going(); ++*rounds) {
        turn++;
        if (mmap((void *)page, PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page)
            fail("mmap in place of another");
        *page = turn + 1;
        turn++;
        if (turn % 1000 == 0)
            move(&seed);
    }
    over = 1;
    return unused;
}

static void *map_or_look(void *number)
{
    return number ? look(number) : map_anew(number);
}

static void mappings(void)
{
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        fail("mmap");
    run_threads(map_or_look);
}

/* ---- memory: processes count together in pages that all have ---- */

static void memory(void)
{
    enum { TIMES = 20000 };
    _Atomic uint64_t *counters = shared_memory(PAGE);

    while (going()) {
        pid_t child[HELPERS];

        counters[0] = counters[1] = 0;
        for (unsigned int i = 0; i < HELPERS; i++) {
            child[i] = fork();
            if (child[i] < 0)
                fail("fork");
            for (uint64_t n = 0, seed = i; child[i] == 0; n++) {
                if (n == TIMES)
                    _exit(0);
                atomic_fetch_add(&counters[n % 2], i + 1);
                if (n % 5000 == 0)
                    move(&seed);
            }
        }
        for (unsigned int i = 0; i < HELPERS; i++)
            wait_for(child[i], "counting");
        if (counters[0] + counters[1] != TIMES * HELPERS * (HELPERS + 1) / 2)
            fail("what they counted together");
        ++*rounds;
    }
}

/* ---- signals: numbered ones go to and fro between two processes, none is lost or doubled ---- */

static _Atomic int *sum;                /* what has arrived at the other side */

static void arrived(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    *sum += info->si_value.sival_int;
}

static void signals(void)
{
    struct sigaction action = { .sa_sigaction = arrived, .sa_flags = SA_SIGINFO | SA_RESTART };
    uint64_t seed = 7;
    pid_t child;

    sum = shared_memory(PAGE);
    sigaction(SIGRTMIN, &action, NULL);
    child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0)
        for (;;) {
            move(&seed);
            usleep(100);
        }
    for (int want = 0; going(); ++*rounds) {
        for (int i = 1; i <= 20; i++) {
            union sigval value = { .sival_int = i };

            want += i;
            if (sigqueue(child, SIGRTMIN, value) != 0)
                fail("sigqueue");
        }
        for (double patience = now() + 60; *sum != want; sched_yield())
            if (now() > patience)
                fail("a signal that was lost");
        if (want > 1000000000)
            want = *sum = 0;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* ---- threads hand a token on: whoever waits is woken, and nobody else ---- */

static pthread_mutex_t token_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t handed_on[HELPERS];
static unsigned long token;

static void *hand_on(void *number)
{
    unsigned long me = (uintptr_t)number;
    uint64_t seed = me;

    pthread_mutex_lock(&token_lock);
    while (!over) {
        while (!over && token % HELPERS != me)
            pthread_cond_wait(&handed_on[me], &token_lock);
        if (over)
            break;
        *rounds = ++token;
        over = !going();
        pthread_cond_signal(&handed_on[token % HELPERS]);
        if (token % 100 == me)
            move(&seed);
    }
    for (unsigned int i = 0; i < HELPERS; i++)
        pthread_cond_signal(&handed_on[i]);
    pthread_mutex_unlock(&token_lock);
    return NULL;
}

static void threads(void)
{
    for (unsigned int i = 0; i < HELPERS; i++)
        pthread_cond_init(&handed_on[i], NULL);
    run_threads(hand_on);
}

/* ---- clocks: what one CPU has seen, no other may see as the future ---- */

static const clockid_t clock_ids[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME,
                                       CLOCK_BOOTTIME };
enum { CLOCKS = sizeof(clock_ids) / sizeof(clock_ids[0]) };
static _Atomic uint64_t latest[CLOCKS];

/* By the library, which asks the clock of one vCPU for all, and by the kernel, which asks each. */
static void *look_at_clocks(void *number)
{
    uint64_t seed = (uintptr_t)number;

    for (unsigned int i = 0; going(); i++) {
        unsigned int which = i % CLOCKS;
        uint64_t before = latest[which], time;
        struct timespec t;

        if (i / CLOCKS % 2)
            clock_gettime(clock_ids[which], &t);
        else
            syscall(SYS_clock_gettime, clock_ids[which], &t);
        time = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
        if (time < before) {
            fprintf(stderr, "parallel: clock %u went back by %lu ns\n", which, before - time);
            exit(1);
        }
        while (time > before && !atomic_compare_exchange_weak(&latest[which], &before, time)) {}
        if (i % 2000 == 0)
            move(&seed);
        ++*rounds;
    }
    return NULL;
}

static void clocks(void)
{
    run_threads(look_at_clocks);
}

/* ---- all of them ---- */

static const struct { const char *name; void (*run)(void); } jobs[] = {
    { "processes", processes },
    { "pipes", pipes },
    { "files", files },
    { "mappings", mappings },
    { "memory", memory },
    { "signals", signals },
    { "threads", threads },
    { "clocks", clocks },
};
enum { JOBS = sizeof(jobs) / sizeof(jobs[0]) };

static int wanted(const char *job, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(job, names[i]))
            return 1;
    return count == 0;
}

int main(int argc, char **argv)
{
    _Atomic unsigned long *all = shared_memory(PAGE);
    pid_t pids[JOBS] = { 0 };
    int bad = 0, status;

    if (argc < 2) {
        fprintf(stderr, "usage: parallel SECONDS [JOB...]\n");
        return 2;
    }
    deadline = now() + atof(argv[1]);
    for (int i = 0; i < JOBS; i++) {
        if (!wanted(jobs[i].name, argc - 2, argv + 2))
            continue;
        pids[i] = fork();
        if (pids[i] < 0)
            fail("fork");
        if (pids[i] == 0) {
            errno = 0;
            rounds = &all[i * 8];
            jobs[i].run();
            exit(0);
        }
    }
    for (int i = 0; i < JOBS; i++)
        if (pids[i] && (waitpid(pids[i], &status, 0) != pids[i] || status != 0 || !all[i * 8])) {
            fprintf(stderr, "parallel: %s ended with status %x\n", jobs[i].name, status);
            bad = 1;
        }
    printf("PARALLEL %s", bad ? "FAILED" : "PASSED");
    for (int i = 0; i < JOBS; i++)
        if (pids[i])
            printf(" %s=%lu", jobs[i].name, all[i * 8]);
    printf("\n");
    return bad;
}
