/* SPDX-License-Identifier: MIT */
/* What the programs of a Linux guest share (work.c, parallel.c). */
#ifndef TESTS_LINUX_JOB_H
#define TESTS_LINUX_JOB_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What went wrong, and why where the kernel said so; ends this process. */
static inline void fail(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
            errno ? strerror(errno) : "wrong result");
    exit(1);
}

/* seconds, of CLOCK_MONOTONIC */
static inline double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* 31 bits of Knuth's generator */
static inline uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

#endif
