/* SPDX-License-Identifier: MIT */
/* Every program's other half: where it starts, the system calls, strings and printf. */
#include "user.h"
#include <stdarg.h>

void _start(int argc, char **argv);

void _start(int argc, char **argv)
{
    exit(main(argc, argv));
}

long system_call(long number, long a, long b, long c, long d, long e)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;

    __asm__ volatile("syscall"
                     : "+a"(number)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return number;
}

#define CALL(name, a, b, c, d, e) \
    system_call(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

int fork(void)
{
    return (int)CALL(fork, 0, 0, 0, 0, 0);
}
int wait(int *status)
{
    return (int)CALL(wait, status, 0, 0, 0, 0);
}
int exec(const char *path, char *const *arguments)
{
    return (int)CALL(exec, path, arguments, 0, 0, 0);
}
int kill(int pid)
{
    return (int)CALL(kill, pid, 0, 0, 0, 0);
}
int getpid(void)
{
    return (int)CALL(getpid, 0, 0, 0, 0, 0);
}
void *sbrk(long bytes)
{
    return (void *)CALL(sbrk, bytes, 0, 0, 0, 0);
}
int sleep(unsigned ms)
{
    return (int)CALL(sleep, ms, 0, 0, 0, 0);
}
long uptime(void)
{
    return CALL(uptime, 0, 0, 0, 0, 0);
}
int procinfo(unsigned index, struct procinfo *info)
{
    return (int)CALL(procinfo, index, info, 0, 0, 0);
}
int open(const char *path, int mode)
{
    return (int)CALL(open, path, mode, 0, 0, 0);
}
int close(int fd)
{
    return (int)CALL(close, fd, 0, 0, 0, 0);
}
int read(int fd, void *to, unsigned n)
{
    return (int)CALL(read, fd, to, n, 0, 0);
}
int write(int fd, const void *from, unsigned n)
{
    return (int)CALL(write, fd, from, n, 0, 0);
}
int pipe(int fds[2])
{
    return (int)CALL(pipe, fds, 0, 0, 0, 0);
}
int dup(int fd)
{
    return (int)CALL(dup, fd, 0, 0, 0, 0);
}
int fstat(int fd, struct stat *stat)
{
    return (int)CALL(fstat, fd, stat, 0, 0, 0);
}
int chdir(const char *path)
{
    return (int)CALL(chdir, path, 0, 0, 0, 0);
}
int mkdir(const char *path)
{
    return (int)CALL(mkdir, path, 0, 0, 0, 0);
}
int link(const char *from, const char *to)
{
    return (int)CALL(link, from, to, 0, 0, 0);
}
int unlink(const char *path)
{
    return (int)CALL(unlink, path, 0, 0, 0, 0);
}
int sync(void)
{
    return (int)CALL(sync, 0, 0, 0, 0, 0);
}
int socket(unsigned short port)
{
    return (int)CALL(socket, port, 0, 0, 0, 0);
}

int sendto(int fd, const struct address *to, const void *data, unsigned n)
{
    return (int)CALL(sendto, fd, to, data, n, 0);
}

int recvfrom(int fd, struct address *from, void *data, unsigned n, unsigned timeout_ms)
{
    return (int)CALL(recvfrom, fd, from, data, n, timeout_ms);
}

int ping(unsigned ip, unsigned short sequence, unsigned timeout_ms)
{
    return (int)CALL(ping, ip, sequence, timeout_ms, 0, 0);
}

void exit(int status)
{
    CALL(exit, status, 0, 0, 0, 0);
    __builtin_unreachable();
}

void poweroff(void)
{
    CALL(poweroff, 0, 0, 0, 0, 0);
    __builtin_unreachable();
}

void *memset(void *to, int byte, size_t n)
{
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(byte) : "memory");
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *at = to;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    char *d = to;
    const char *s = from;

    if (d <= s || d >= s + n) return memcpy(to, from, n);
    while (n--)
        d[n] = s[n];
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    for (; *a == *b; a++, b++)
        if (!*a)
            return 0;
    return (unsigned char)*a - (unsigned char)*b;
}

const char *strstr(const char *s, const char *what)
{
    size_t n = strlen(what);

    for (; *s; s++)
        if (memcmp(s, what, n < strlen(s) ? n : strlen(s) + 1) == 0)
            return s;
    return n ? NULL : s;
}

char *strcpy(char *to, const char *from)
{
    memcpy(to, from, strlen(from) + 1);
    return to;
}

long atol(const char *s)
{
    long value = 0;
    bool negative = *s == '-';

    for (s += negative; *s >= '0' && *s <= '9'; s++)
        value = value * 10 + *s - '0';
    return negative ? -value : value;
}

unsigned parse_ip(const char *s)
{
    unsigned ip = 0;

    for (int i = 0; i < 4; i++) {
        ip = ip << 8 | (unsigned)(atol(s) & 255);
        while (*s >= '0' && *s <= '9')
            s++;
        if (*s == '.')
            s++;
    }
    return ip;
}

/* printf gathers a line in a buffer, so that a line is one write and lines of several processes do
 * not mix. */
struct out { int fd, n; char bytes[120]; };

static void put(struct out *out, char c)
{
    out->bytes[out->n++] = c;
    if (out->n == (int)sizeof out->bytes) {
        write(out->fd, out->bytes, (unsigned)out->n);
        out->n = 0;
    }
}

static void put_number(struct out *out, unsigned long value, unsigned base, int width, char pad)
{
    char digits[24];
    int n = 0;

    do
        digits[n++] = "0123456789abcdef"[value % base];
    while (value /= base);
    while (width-- > n)
        put(out, pad);
    while (n)
        put(out, digits[--n]);
}

static void format_out(int fd, const char *f, va_list args)
{
    struct out out = { .fd = fd };

    for (; *f; f++) {
        int width = 0;
        bool wide = false;
        if (*f != '%') {
            put(&out, *f);
            continue;
        }
        char pad = *++f == '0' ? '0' : ' ';
        while (*f >= '0' && *f <= '9')
            width = width * 10 + *f++ - '0';
        if (*f == 'l') {
            wide = true;
            f++;
        }
        if (*f == 's') {
            const char *s = va_arg(args, const char *);
            for (width -= (int)strlen(s); *s; s++)
                put(&out, *s);
            while (width-- > 0)
                put(&out, ' ');
        } else if (*f == 'c') {
            put(&out, (char)va_arg(args, int));
        } else if (*f == 'd') {
            long value = wide ? va_arg(args, long) : va_arg(args, int);
            if (value < 0)
                put(&out, '-');
            put_number(&out, value < 0 ? -(unsigned long)value : (unsigned long)value, 10, width,
                       pad);
        } else if (*f == 'u' || *f == 'x') {
            unsigned long value = wide ? va_arg(args, unsigned long) : va_arg(args, unsigned);
            put_number(&out, value, *f == 'u' ? 10 : 16, width, pad);
        } else {
            put(&out, *f);
        }
    }
    write(fd, out.bytes, (unsigned)out.n);
}

void printf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    format_out(1, format, args);
    va_end(args);
}

void fprintf(int fd, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    format_out(fd, format, args);
    va_end(args);
}

int read_line(int fd, char *line, int size)
{
    int n = 0;
    char c;

    while (read(fd, &c, 1) == 1) {
        if (c == '\n') {
            line[n] = 0;
            return n;
        }
        if (n + 1 < size)
            line[n++] = c;
    }
    line[n] = 0;
    return n ? n : -1;
}

int spawn(const char *program, const char *argument)
{
    char path[64] = "/bin/";
    char *arguments[3] = { path, (char *)(uintptr_t)argument, NULL };
    int status = -1, pid;

    strcpy(path + 5, program);
    pid = fork();
    if (pid == 0) {
        exec(path, arguments);
        exit(127);
    }
    while (pid > 0 && wait(&status) != pid)
        ;
    return status;
}
