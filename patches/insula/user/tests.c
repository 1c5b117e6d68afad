/* SPDX-License-Identifier: MIT */
/* The kernel's own test program: one line a test, `ALL TESTS PASSED` at the end. `tests name` runs
 * one of them. */
#include "user.h"

static const char *failure;

static bool check(bool good, const char *what)
{
    if (!good && !failure)
        failure = what;
    return good;
}
#define CHECK(condition) check(condition, #condition)

static unsigned char pattern(unsigned i)
{
    return (unsigned char)(i * 7 + i / 251);
}
static unsigned char page[4096];

static void remove_all(const char *const *names)
{
    while (*names)
        unlink(*names++);
}

static void test_files(void)
{
    static unsigned char back[4096];
    int fd = open("t.file", O_RDWR | O_CREATE | O_TRUNC);
    struct stat stat;

    CHECK(fd >= 0);
    for (unsigned i = 0; i < sizeof page; i++)
        page[i] = pattern(i);
    CHECK(write(fd, page, 1000) == 1000);
    CHECK(write(fd, page + 1000, 3096) == 3096);
    CHECK(fstat(fd, &stat) == 0 && stat.size == 4096 && stat.type == TYPE_FILE && stat.links == 1);
    close(fd);
    fd = open("t.file", O_RDONLY);
    CHECK(read(fd, back, sizeof back) == 4096 && memcmp(back, page, 4096) == 0);
    CHECK(read(fd, back, 1) == 0);
    CHECK(write(fd, back, 1) == -EBADF);
    close(fd);
    fd = open("t.file", O_RDWR | O_APPEND);
    CHECK(write(fd, "more", 4) == 4 && fstat(fd, &stat) == 0 && stat.size == 4100);
    close(fd);
    CHECK(unlink("t.file") == 0 && open("t.file", O_RDONLY) == -ENOENT);
}

/* Beyond the direct blocks, in writes that span blocks and log operations. */
static void test_big_file(void)
{
    enum { PARTS = 100, PART = 7001 };
    static unsigned char part[PART];
    int fd = open("t.big", O_RDWR | O_CREATE | O_TRUNC);

    for (unsigned i = 0; i < PARTS; i++) {
        memset(part, (int)i, PART);
        if (!CHECK(write(fd, part, PART) == PART))
            break;
    }
    close(fd);
    fd = open("t.big", O_RDONLY);
    for (unsigned i = 0; i < PARTS; i++)
        CHECK(read(fd, part, PART) == PART && part[0] == i && part[PART - 1] == i);
    CHECK(read(fd, part, 1) == 0);
    close(fd);
    CHECK(unlink("t.big") == 0);
}

static void test_many_files(void)
{
    char name[] = "t.dir/f00";
    int fd;

    CHECK(mkdir("t.dir") == 0 && mkdir("t.dir") == -EEXIST);
    for (int i = 0; i < 150; i++) {
        name[7] = (char)('0' + i / 26);
        name[8] = (char)('a' + i % 26);
        fd = open(name, O_CREATE | O_WRONLY);
        if (!CHECK(fd >= 0)) return;
        write(fd, name, sizeof name);
        close(fd);
    }
    CHECK(unlink("t.dir") == -ENOTEMPTY);
    for (int i = 0; i < 150; i++) {
        name[7] = (char)('0' + i / 26);
        name[8] = (char)('a' + i % 26);
        CHECK(unlink(name) == 0);
    }
    CHECK(unlink("t.dir") == 0 && chdir("t.dir") == -ENOENT);
}

static void test_names(void)
{
    static const char *const mine[] = { "t.a", "t.b", "t.d/x", "t.d", NULL };
    struct stat stat;
    int fd;

    remove_all(mine);
    fd = open("t.a", O_CREATE | O_RDWR);
    CHECK(link("t.a", "t.b") == 0 && link("t.a", "t.b") == -EEXIST &&
          link("none", "t.c") == -ENOENT);
    CHECK(fstat(fd, &stat) == 0 && stat.links == 2);
    CHECK(unlink("t.a") == 0 && unlink("t.b") == 0 && unlink("t.b") == -ENOENT);
    CHECK(fstat(fd, &stat) == 0 && stat.links == 0);
    /* a file without a name lives while it is open */
    CHECK(write(fd, "still here", 10) == 10);
    close(fd);
    CHECK(mkdir("t.d") == 0 && chdir("t.d") == 0);
    CHECK(open("../README", O_RDONLY) >= 0 && open("x", O_CREATE) >= 0);
    CHECK(chdir("..") == 0 && open("t.d/x/y", O_RDONLY) == -ENOENT &&
          open("t.d", O_WRONLY) == -EISDIR);
    CHECK(unlink("t.d/.") == -EINVAL && unlink("t.d/x") == 0 && unlink("t.d") == 0);
    CHECK(mkdir("/") < 0 && link("/bin", "t.bin") == -EISDIR);
    for (int i = 3; i < 16; i++)
        close(i);
}

static void test_descriptors(void)
{
    int fds[20], n = 0;

    while (n < 20 && (fds[n] = dup(1)) >= 0)
        n++;
    CHECK(n == 13 && fds[n] == -EMFILE && open("README", O_RDONLY) == -EMFILE &&
          pipe(fds) == -EMFILE);
    for (int i = 3; i < 16; i++)
        CHECK(close(i) == 0);
    CHECK(close(3) == -EBADF && read(99, fds, 1) == -EBADF && read(-1, fds, 1) == -EBADF);
}

static void test_fork(void)
{
    int status = 0, pid = fork();
    static int shared = 5;

    if (pid == 0) {
        shared = 6;
        exit(shared);
    }
    CHECK(pid > 0 && wait(&status) == pid && status == 6 && shared == 5);
    CHECK(wait(&status) == -ECHILD);
}

/* Until the process table is full, over and over. */
static void test_fork_storm(void)
{
    for (int round = 0; round < 4; round++) {
        int children = 0, ended = 0, pid;
        while ((pid = fork()) > 0)
            children++;
        if (pid == 0)
            exit(0);
        CHECK(pid == -EAGAIN && children > 30);
        while (wait(NULL) > 0)
            ended++;
        CHECK(ended == children);
    }
}

/* Every process of a tree forks two more; all are waited for. */
static void test_fork_tree(void)
{
    int status, depth = 0, sum = 0;

    while (depth < 4) {
        int left = fork(), right = left ? fork() : 1;
        if (left == 0 || right == 0) {
            depth++;
            sum = 0;
            continue;
        }
        for (int i = 0; i < 2; i++)
            if (wait(&status) > 0)
                sum += status;
        break;
    }
    if (depth)
        exit(sum + 1);
    CHECK(sum == 2 + 4 + 8 + 16);
}

static void test_pipe(void)
{
    enum { TOTAL = 100000 };
    unsigned got = 0;
    int ends[2], pid, n;

    CHECK(pipe(ends) == 0);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        for (unsigned at = 0; at < TOTAL; at += 1000) {
            for (unsigned i = 0; i < 1000; i++)
                page[i] = pattern(at + i);
            if (write(ends[1], page, 1000) != 1000)
                exit(1);
        }
        exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], page, 777)) > 0)
        for (int i = 0; i < n; i++, got++)
            if (page[i] != pattern(got))
                failure = "the pipe's bytes";
    CHECK(got == TOTAL && n == 0);
    CHECK(wait(&n) == pid && n == 0);
    close(ends[0]);
    CHECK(pipe(ends) == 0);
    close(ends[0]);
    CHECK(write(ends[1], "x", 1) == -EPIPE);
    close(ends[1]);
}

static void test_kill(void)
{
    int ends[2], spinner, sleeper, status;

    CHECK(pipe(ends) == 0);
    spinner = fork();
    if (spinner == 0)
        for (;;)
            ;
    sleeper = fork();
    if (sleeper == 0) {
        read(ends[0], &status, 1);
        exit(3);
    }
    sleep(50);
    CHECK(kill(spinner) == 0 && kill(sleeper) == 0);
    CHECK(wait(&status) > 0 && status == -EINTR && wait(&status) > 0 && status == -EINTR);
    CHECK(kill(spinner) == -ESRCH && kill(1) == -EPERM);
    close(ends[0]);
    close(ends[1]);
}

/* Two spinning processes both move on: the clock takes the CPU from each. */
static void test_preemption(void)
{
    struct procinfo info;
    int pids[2];
    unsigned ticks[2] = { 0, 0 };

    for (int i = 0; i < 2; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            for (;;)
                ;
    }
    sleep(300);
    for (unsigned index = 0; procinfo(index, &info) == 0; index++)
        for (int i = 0; i < 2; i++)
            if (info.pid == pids[i])
                ticks[i] = info.ticks;
    for (int i = 0; i < 2; i++) {
        kill(pids[i]);
        wait(NULL);
    }
    CHECK(ticks[0] >= 3 && ticks[1] >= 3);
}

static void test_memory(void)
{
    enum { SIZE = 300000 };
    char *heap = sbrk(SIZE), *again;
    bool zero = true;

    CHECK((long)heap > 0);
    for (unsigned i = 0; i < SIZE; i += 512) {
        zero &= heap[i] == 0;
        heap[i] = (char)pattern(i);
    }
    CHECK(zero);
    for (unsigned i = 0; i < SIZE; i += 512)
        CHECK(heap[i] == (char)pattern(i));
    CHECK(sbrk(-SIZE) == heap + SIZE);
    again = sbrk(SIZE);
    /* pages given back come back empty */
    CHECK(again == heap && again[1024] == 0);
    sbrk(-SIZE);
    CHECK((long)sbrk(1l << 40) == -ENOMEM && (long)sbrk(-(1l << 30)) == -ENOMEM);
}

/* Fills memory until there is none: the kernel refuses or ends the process, and goes on. */
static void test_no_memory(void)
{
    int status = 0, pid = fork();

    if (pid == 0) {
        char *heap = sbrk(500l << 20);
        for (long i = 0; i < 500l << 20; i += 4096)
            heap[i] = 1;
        exit(0);
    }
    CHECK(wait(&status) == pid);
    test_fork();
}

static const unsigned long bad_pointers[] = {
    0,
    8,
    0x3fffff,
    0x400000 /* text: read-only */,
    0x3ffe0000,
    0x40000000,
    0x7fffffffffff,
    0x800000000000,
    0xffff800000000000,
    0xffff880000100000,
    0xffffffff80100000,
    0xfffffffffffffff8,
};

static void test_bad_pointers(void)
{
    int ends[2], fd = open("README", O_RDONLY);

    CHECK(pipe(ends) == 0 && write(ends[1], page, 100) == 100);
    for (unsigned i = 0; i < sizeof bad_pointers / sizeof *bad_pointers; i++) {
        void *bad = (void *)bad_pointers[i];
        CHECK(read(fd, bad, 8) == -EFAULT && read(ends[0], bad, 8) == -EFAULT);
        CHECK(fstat(fd, bad) == -EFAULT && pipe(bad) == -EFAULT);
        if (bad_pointers[i] == 0x400000)
            continue;
        CHECK(write(ends[1], bad, 8) == -EFAULT && open(bad, O_RDONLY) == -EFAULT &&
              exec(bad, bad) == -EFAULT);
        CHECK(exec("/bin/echo", bad) == -EFAULT);
    }
    CHECK(write(ends[1], sbrk(0), 1u << 20) == -EFAULT);        /* begins well, ends badly */
    CHECK(system_call(9999, 0, 0, 0, 0, 0) == -ENOSYS && system_call(-1, 0, 0, 0, 0, 0) == -ENOSYS);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

static void expect_death(void (*crime)(unsigned long), unsigned long argument)
{
    int status = 0, pid = fork();

    if (pid == 0) {
        crime(argument);
        exit(0);
    }
    CHECK(wait(&status) == pid && status == -EINTR);
}

/* Flags that a program may set, and that must not hurt the kernel on its way back. */
static void test_flags(void)
{
    long pid = SYS_getpid;

    __asm__ volatile(
        "pushfq; orq $0x4400, (%%rsp); popfq; syscall; pushfq; andq $~0x4400, (%%rsp); popfq"
        : "+a"(pid)
        :
        : "rcx", "r11", "memory");
    CHECK(pid == getpid());
}

static void store(unsigned long address)
{
    *(volatile char *)address = 1;
}
static void load(unsigned long address)
{
    (void)*(volatile char *)address;
}
static void halt(unsigned long unused)
{
    __asm__ volatile("hlt");
}
static void undefined(unsigned long unused)
{
    __asm__ volatile("ud2");
}
static void divide(unsigned long zero)
{
    __asm__ volatile("div %0" : : "r"(zero) : "rax", "rdx");
}
static void call(unsigned long address)
{
    ((void (*)(void))address)();
}

/* What user mode must not do ends the process, and nothing else. */
static void test_crimes(void)
{
    for (unsigned i = 0; i < sizeof bad_pointers / sizeof *bad_pointers; i++) {
        if (bad_pointers[i] == 0x3ffe0000)
            continue;
        expect_death(store, bad_pointers[i]);
        if (bad_pointers[i] != 0x400000)
            expect_death(load, bad_pointers[i]);
    }
    expect_death(halt, 0);
    expect_death(undefined, 0);
    expect_death(divide, 0);
    expect_death(call, (unsigned long)page);                    /* data is not executable */
}

static void test_exec(void)
{
    char *const many[] = { (char *)(uintptr_t)"echo", NULL };
    int ends[2], status = 1;
    char back[32] = "";

    CHECK(exec("/bin/none", many) == -ENOENT && exec("/README", many) == -ENOEXEC &&
          exec("/bin", many) == -ENOEXEC);
    CHECK(pipe(ends) == 0);
    if (fork() == 0) {
        char *const arguments[] = { (char *)(uintptr_t) "echo", (char *)(uintptr_t) "one",
                                    (char *)(uintptr_t) "two", NULL };
        close(1);
        dup(ends[1]);
        exec("/bin/echo", arguments);
        exit(9);
    }
    CHECK(wait(&status) > 0 && status == 0);
    CHECK(read(ends[0], back, sizeof back) == 8 && strcmp(back, "one two\n") == 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_time(void)
{
    long before = uptime(), slept;

    sleep(200);
    slept = uptime() - before;
    CHECK(slept >= 190 && slept < 5000);
}

/* Four processes write and delete files at once, through transactions they share. */
static void test_log(void)
{
    int status;

    for (int i = 0; i < 4; i++) {
        char name[] = "t.log0";
        name[5] = (char)('0' + i);
        if (fork() > 0)
            continue;
        for (int round = 0; round < 10; round++) {
            int fd = open(name, O_CREATE | O_RDWR | O_TRUNC);
            for (int k = 0; k < 6; k++) {
                memset(page, i * 16 + round, sizeof page);
                if (write(fd, page, sizeof page) != sizeof page)
                    exit(1);
            }
            close(fd);
            fd = open(name, O_RDONLY);
            for (int k = 0; k < 6; k++)
                if (read(fd, page, sizeof page) != sizeof page || page[k] != i * 16 + round)
                    exit(2);
            close(fd);
            if (round % 4 == 3)
                sync();
            unlink(name);
        }
        exit(0);
    }
    for (int i = 0; i < 4; i++)
        CHECK(wait(&status) > 0 && status == 0);
    CHECK(sync() == 0);
}

/* What earlier boots left: crashwrite's records must be whole. Nothing there is fine too. */
static void test_log_recovery(void)
{
    CHECK(spawn("crashcheck", NULL) == 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    { "files", test_files },
    { "big file", test_big_file },
    { "many files", test_many_files },
    { "names", test_names },
    { "descriptors", test_descriptors },
    { "fork", test_fork },
    { "fork storm", test_fork_storm },
    { "fork tree", test_fork_tree },
    { "pipe", test_pipe },
    { "kill", test_kill },
    { "preemption", test_preemption },
    { "memory", test_memory },
    { "no memory", test_no_memory },
    { "bad pointers", test_bad_pointers },
    { "flags", test_flags },
    { "crimes", test_crimes },
    { "exec", test_exec },
    { "time", test_time },
    { "log", test_log },
    { "log recovery", test_log_recovery },
};

int main(int argc, char **argv)
{
    int failed = 0;

    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (argc > 1 && strcmp(argv[1], tests[i].name) != 0)
            continue;
        failure = NULL;
        tests[i].run();
        printf("test %s: %s%s\n", tests[i].name, failure ? "FAILED: " : "ok",
               failure ? failure : "");
        failed += failure != NULL;
    }
    if (failed)
        printf("%d TESTS FAILED\n", failed);
    else
        printf("ALL TESTS PASSED\n");
    return failed != 0;
}
