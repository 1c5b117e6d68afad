/* SPDX-License-Identifier: MIT */
/* The limits of limits.h are the kernel's own, of a process: RLIMIT_AS, RLIMIT_CPU. */
#include "limits.h"
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define MEMORY          (1ul << 30)     /* bytes for any file, and so many for each of its own */
#define MEMORY_A_BYTE   48
#define SECONDS         20              /* for any file, and one for so many of its bytes */
#define BYTES_A_SECOND  (256u << 10)

static void too_slow(int signal)
{
    static const char words[] = "domus-scan: a file of this size does not take so long: it is made "
        "to be slow, and is not scanned\n";
    ssize_t written = write(STDERR_FILENO, words, sizeof(words) - 1);

    (void)signal;
    (void)written;
    _exit(2);
}

/* Not above what the user's own limit is. */
static void limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit now;

    if (getrlimit(resource, &now)) return;
    now.rlim_cur = most < now.rlim_max ? most : now.rlim_max;
    setrlimit(resource, &now);
}

void limits_add(size_t size)
{
    static size_t all;
    struct sigaction action = { .sa_handler = too_slow };

    all += size;
    sigaction(SIGXCPU, &action, NULL);
    limit(RLIMIT_AS, MEMORY + all * MEMORY_A_BYTE);
    limit(RLIMIT_CPU, SECONDS + all / BYTES_A_SECOND);
}
