/* SPDX-License-Identifier: MIT */
/* The contract between Insula's kernel and its programs: system call numbers, error numbers and the
 * structures that cross the boundary. Included by both sides, so it depends on nothing but the
 * compiler's own headers. A call is the `syscall` instruction: number in RAX, arguments in RDI,
 * RSI, RDX, R10, R8; the result in RAX is a value >= 0 or a negated error number. */
#pragma once
#include <stdint.h>

/* The table of system calls: numbers, the kernel's dispatch table and its prototypes all come from
 * this one list. */
#define SYSTEM_CALLS(X) \
    X(fork) \
    X(exit) X(wait) X(exec) X(kill) X(getpid) X(sbrk) X(sleep) X(uptime) X(procinfo) X(open) \
        X(close) X(read) X(write) X(pipe) X(dup) X(fstat) X(chdir) X(mkdir) X(link) X(unlink) \
            X(sync) X(socket) X(sendto) X(recvfrom) X(ping) X(poweroff)

enum {
#define X(name) SYS_##name,
    SYSTEM_CALLS(X)
#undef X
    SYS_COUNT
};

#define EPERM         1
#define ENOENT        2
#define ESRCH         3
#define EINTR         4
#define EIO           5
#define E2BIG         7
#define ENOEXEC       8
#define EBADF         9
#define ECHILD        10
#define EAGAIN        11
#define ENOMEM        12
#define EFAULT        14
#define EBUSY         16
#define EEXIST        17
#define ENODEV        19
#define ENOTDIR       20
#define EISDIR        21
#define EINVAL        22
#define ENFILE        23
#define EMFILE        24
#define EFBIG         27
#define ENOSPC        28
#define EPIPE         32
#define ENAMETOOLONG  36
#define ENOSYS        38
#define ENOTEMPTY     39
#define EADDRINUSE    98
#define ETIMEDOUT     110
#define EHOSTUNREACH  113

enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREATE = 0x40, O_TRUNC = 0x200, O_APPEND = 0x400 };
enum { O_RAW = 0x1000 };                /* of the console: each key as it is typed, without echo */
enum {
    TYPE_FREE = 0,
    TYPE_DIR = 1,
    TYPE_FILE = 2,
    TYPE_DEVICE = 3,
    TYPE_PIPE = 4,
    TYPE_SOCKET = 5
};

struct stat {
    uint32_t inode;
    uint16_t type;      /* TYPE_* */
    uint16_t links;
    uint32_t size;      /* bytes */
};

struct procinfo {
    int32_t pid, parent;
    uint32_t pages;     /* resident 4 KiB pages of the process */
    uint32_t ticks;     /* clock ticks (10 ms) it was found running */
    char state[8], name[16];
};

struct address {        /* a UDP end point, host byte order: 10.0.2.15 is 0x0a00020f */
    uint32_t ip;
    uint16_t port;
};

#define UDP_MAX 1472    /* payload bytes that fit one Ethernet frame */
